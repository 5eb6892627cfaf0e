-- Training that is paused into the REPL and goes on.
local fs = require "luatrain.fs"
local program = require "program"
local terminal = require "repl.terminal"

describe("a training", function()
  if not terminal.available then return pending "tmux is not installed" end

  local toy = program.here "tests/train/toy.lua"
  local function train(...)
    return terminal.open {args = {"run", toy, "train", "--no-report", "--run", "here", ...}}
  end
  local function history(folder) return fs.read(fs.join(folder, "here/history.json")) end
  after_each(terminal.close_all)
  teardown(program.clean)

  it("is paused with Ctrl-\\ and continued, to the same bits as one that never was", function()
    local folder = program.folder()
    local whole = program.run({"run", toy, "train", "--no-report", "--run", "here", "--samples", "160",
      "--epochs", "2"}, {directory = folder})
    assert.equal(0, whole.code, whole.err)
    local t = train("--samples", "160", "--epochs", "2", "--pause", "0.2")
    t:wait "epoch 1/2"
    t:keys "C-\\":wait "paused after step":wait_prompt "paused>"
    t:type "model(batch.x):size(2)":keys "Enter":wait "\n2":wait_prompt "paused>"
    t:type "lt.randn(5); trainer.at.epoch":keys "Enter":wait_prompt "paused>"
    t:type ":skip":keys "Enter":wait "no step has failed here":wait_prompt "paused>"
    t:type "while true do end":keys "Enter":wait "do end"
    t:keys "C-c":wait "interrupted":wait_prompt "paused>"
    t:type ":continue":keys "Enter":wait "ended with 0"
    local paused = history(t.home)
    assert.equal(history(folder), paused)
  end)

  it("ends, saved, where the session is left otherwise", function()
    local t = train("--samples", "160", "--epochs", "50", "--pause", "0.1")
    t:wait "epoch 1/50"
    t:keys "C-\\":wait_prompt "paused>"
    t:type ":quit":keys "Enter":wait "ended with 130"
    t:wait "continue with --resume"
    assert.is_true(fs.is_file(fs.join(t.home, "here/checkpoints/latest.safetensors")))
  end)

  it("is saved where the process is to end while it waits at the prompt", function()
    for _, term in ipairs {"screen", "dumb"} do
      local t = terminal.open {term = term, args = {"run", toy, "train", "--no-report", "--run", "here",
        "--samples", "160", "--epochs", "50", "--pause", "0.1"}}
      t:wait "epoch 1/50"
      t:keys "C-\\":wait_prompt "paused>"
      t:signal "TERM"
      t:wait "stopped by SIGTERM":wait "continue with --resume":wait "ended with 143"
      assert.is_true(fs.is_file(fs.join(t.home, "here/checkpoints/latest.safetensors")))
      t:close()
    end
  end)

  it("stops at an error with --repl-on-error; a step can be left out or repeated", function()
    local t = train("--repl-on-error", "--epochs", "1", "--nan-at", "3")
    t:wait "the loss is nan":wait_prompt "paused>"
    t:type "batch.size, trainer.at.step":keys "Enter":wait "\n8":wait_prompt "paused>"
    t:type ":skip":keys "Enter":wait "ended with 0"
  end)

  it("can be corrected at the prompt and repeat the step", function()
    local t = train("--repl-on-error", "--epochs", "1", "--bad-log")
    t:wait "the loss is nan":wait_prompt "paused>"
    t:type ":where":keys "Enter":wait_prompt "paused>"
    t:type "config.bad_log = false":keys "Enter":wait_prompt "paused>"
    t:type ":continue":keys "Enter":wait "ended with 0"
  end)

  it("fails as without it where the session is left", function()
    local t = train("--repl-on-error", "--epochs", "1", "--bad-log")
    t:wait_prompt "paused>"
    t:keys "C-d":wait "ended with 7"
  end)

  it("needs a terminal for it, and says so", function()
    local result = program.run({"run", toy, "train", "--no-report", "--repl-on-error", "--epochs", "1",
      "--bad-log"}, {directory = program.folder()})
    assert.equal(7, result.code)
    assert.matches("there is no terminal", result.err)
  end)
end)
