-- Completion: what the program answers, and what bash, zsh and fish make of it when Tab is pressed.
local completion = require "luatrain.completion"
local commands = require "luatrain.cli.commands"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"
local screen = require "screen"

local toy = program.here "tests/train/toy.lua"

-- The candidates for the last word, without what they mean, as a set; and ":files" or the like.
local function answers(...)
  local list, files = completion.answer { ... }
  local set = {}
  for _, line in ipairs(list) do set[line:match "^[^\t]*"] = true end
  return set, files, list
end

describe("the answer", function()
  it("has every command of --help", function()
    local set, files = answers ""
    local overview = commands.overview()
    for _, name in ipairs(commands.names()) do
      assert.is_true(set[name], name)
      assert.is_truthy(overview:find("luatrain " .. name, 1, true), name)
      assert.is_truthy(commands.help(name):find("usage: luatrain " .. name, 1, true))
    end
    assert.equal(":files", files)
    assert.are.same({ ["--help"] = true, ["--version"] = true, ["--debug"] = true }, (answers "--"))
  end)

  it("has recipes, their commands, settings and choices", function()
    local set, files = answers("run", "")
    assert.is_true(set.chord and set.inversion and set.transcription)
    assert.equal(":files", files)
    assert.are.same({ chord = true }, (answers("run", "ch")))
    set = answers("run", toy, "")
    assert.is_true(set.train and set.evaluate and set.greet)
    set = answers("run", toy, "train", "--ep")
    assert.are.same({ ["--epochs"] = true }, set)
    local choices = answers("run", toy, "train", "--precision", "")
    assert.are.same({ f32 = true, bf16 = true, f16 = true }, choices)
    assert.are.same({ ["--precision=bf16"] = true }, (answers("run", toy, "train", "--precision=b")))
    assert.is_true(answers("run", toy, "train", "--no-")["--no-report"])
    assert.is_true(answers("run", toy, "train", "")["--resume"])
    assert.equal(":files", select(2, answers("run", toy, "train", "--config", "x")))
    assert.is_nil(select(2, answers("run", toy, "train", "--epochs", "")))
    assert.are.same({}, (answers("run", toy, "train", "--epochs", "")))
    assert.are.same({}, (answers("run", "no_such_recipe", "")))
  end)

  it("has what stands behind the other commands", function()
    assert.are.same({ list = true, get = true, check = true, validate = true }, (answers("data", "")))
    assert.equal(":files", select(2, answers("data", "check", "")))
    assert.equal(":files", select(2, answers("info", "a", "b")))
    assert.are.same({ bash = true, zsh = true, fish = true }, (answers("completion", "")))
    assert.equal(":folders", select(2, answers("help", "--html", "")))
    assert.are.same({ ["--html"] = true, ["--help"] = true }, (answers("help", "--h")))
    assert.equal(":files", select(2, answers("sweep", "")))
    assert.is_true(answers("sweep", "a.lua", "")["importance"])
    assert.are.same({ ["--parallel"] = true, ["--pin"] = nil }, (answers("sweep", "a.lua", "run", "--par")))
    assert.are.same({}, (answers("sweep", "a.lua", "no_command", "--par")))
    assert.is_true(answers("help", "lt.conv")["lt.conv2d"])
    assert.is_true(answers("help", "nn.Lin")["nn.Linear"])
    assert.is_true(answers("help", "do")["doctor"])
    assert.equal(":files", select(2, answers("script.lua", "")))
    assert.is_true(answers("--debug", "r")["run"])
  end)

  it("says what candidates are", function()
    local _, _, list = answers("run", toy, "train", "--ep")
    assert.is_truthy(list[1]:find "\tpasses over the training data")
  end)
end)

describe("luatrain completion", function()
  it("refuses what it does not know in one line", function()
    for _, case in ipairs { { { "completion" }, "name a shell" },
      { { "completion", "tcsh" }, "no shell 'tcsh'" },
      { { "completion", "bash", "x" }, "unexpected argument 'x'" } } do
      local result = program.run(case[1])
      assert.equal(2, result.code)
      assert.is_truthy(result.err:find(case[2], 1, true))
    end
  end)

  it("knows the settings of a recipe", function()
    local result = program.run { "completion", "--answer", "--", "run", "chord", "train", "--sched" }
    assert.equal("--scheduler", result.out:match "^[^\t]*")
  end)
end)

-- ---- real shells ----------------------------------------------------------------------------------

-- A folder with the completion script of a shell, a file and a folder; the program as `luatrain` on PATH.
local function place(shell)
  local folder = program.folder()
  fs.mkdir(fs.join(folder, "bin"))
  fs.mkdir(fs.join(folder, "sounds"))
  fs.write(fs.join(folder, "a file.wav"), "")
  local env = program.library() and ("LUATRAIN_PATH=%s "):format(program.library()) or ""
  fs.write(fs.join(folder, "bin/luatrain"), ("#!/bin/sh\n%sLUATRAIN_RECIPES= exec %s \"$@\"\n"):format(env,
    program.path))
  process.run { "chmod", "755", fs.join(folder, "bin/luatrain") }
  fs.write(fs.join(folder, shell == "zsh" and "_luatrain" or "script"), completion.script(shell) .. "\n")
  return folder, fs.join(folder, "bin") .. ":" .. os.getenv "PATH"
end

-- Types a line and Tab, and waits for what should be on the screen.
local function tab(s, line, wanted)
  return s:keys("C-u", "C-l"):type(line):keys("Tab"):wait(wanted):read()
end

local function needs(shell)
  if not process.which(shell) then return pending(shell .. " is not installed") end
  if not screen.available() then return pending "tmux is not installed" end
  return true
end

local function common(s)
  tab(s, "luatrain comple", "luatrain completion")
  tab(s, "luatrain run cho", "luatrain run chord")
  tab(s, "luatrain run chord trai", "luatrain run chord train")
  tab(s, "luatrain run chord train --learning-r", "train --learning-rate")
  tab(s, "luatrain run chord train --scheduler one", "--scheduler onecycle")
  tab(s, "luatrain run chord train --scheduler=cos", "--scheduler=cosine")
  tab(s, "luatrain info a", "a\\ file.wav")
  tab(s, "luatrain help --html sou", "--html sounds/")
  tab(s, "luatrain help lt.audio.log_m", "lt.audio.log_mel")
end

describe("in a terminal", function()
  teardown(program.clean)
  after_each(screen.close_all)

  it("bash completes", function()
    if not needs "bash" then return end
    local folder, path = place "bash"
    local s = screen.open({ "bash", "--norc", "--noprofile", "-i" },
      { env = { PATH = path, PS1 = "> ", HOME = folder, HISTFILE = "/dev/null" } })
    s:type("cd " .. folder .. "; source ./script; bind 'set show-all-if-ambiguous on'; echo rea''dy\n")
    s:wait "ready"
    common(s)
    tab(s, "luatrain help Tensor:narr", "Tensor:narrow")
    tab(s, "luatrain run chord ", "transcribe")
  end)

  -- Of shells that show what a word means.
  local function described(s)
    common(s)
    tab(s, "luatrain help Tensor:narr", "Tensor:narrow")
    local text = tab(s, "luatrain run chord ", "transcribe")
    assert.is_truthy(text:find("render songs", 1, true), text)
  end

  it("zsh completes", function()
    if not needs "zsh" then return end
    local folder, path = place "zsh"
    local s = screen.open({ "zsh", "-f", "-i" }, { env = { PATH = path, PS1 = "> ", HOME = folder } })
    s:type("cd " .. folder .. "; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\n")
    s:wait "ready"
    described(s)
  end)

  it("fish completes", function()
    if not needs "fish" then return end
    local folder, path = place "fish"
    local s = screen.open({ "fish", "--no-config", "-i" }, { env = { PATH = path, HOME = folder } })
    s:type("cd " .. folder .. "; source ./script; function fish_prompt; echo '> '; end; echo rea''dy\n")
    s:wait "ready"
    described(s)
  end)
end)
