-- `luatrain sweep` as a user meets it: runs that are continued, extended, joined and interrupted, trials that
-- go wrong, what is printed, and bad input.
local ffi = require "ffi"
local command = require "sweep.command"
local core = require "luatrain.core"
local files = require "sweep.files"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"
local screen = require "screen"

local sweep, succeeds, fails, trials = command.run, command.succeeds, command.fails, command.trials

describe("luatrain sweep", function()
  local folder
  before_each(function() folder = program.folder() end)
  teardown(program.clean)

  it("runs a study, goes on with it, extends it, and does nothing where nothing is left", function()
    local path = files.write(folder, "first", "trials = 5, " .. files.wait(0))
    succeeds(folder, path, "run", "--trials", "3")
    local before = trials(folder, path)
    assert.equal(3, #before)
    succeeds(folder, path, "run", "--parallel", "2")
    succeeds(folder, path, "run")
    local after = trials(folder, path)
    assert.equal(5, #after)
    for i, trial in ipairs(after) do
      assert.equal("done", trial.state)
      assert.equal(i - 1, trial.number)
      local x = trial.params.x
      assert.is_true(math.abs(trial.values[1] - x * x - (trial.params.kind == "b" and 1 or 0)) < 1e-12)
      if before[i] then assert.same(before[i], trial) end
    end
    assert.is_false(after[1].params.x == after[2].params.x)
    succeeds(folder, path, "run", "--trials", "7")
    assert.equal(7, #trials(folder, path))
    assert.is_truthy(succeeds(folder, path, "status").out:find "7 of 7 trials are finished")
    -- The same seed draws the same values again.
    succeeds(folder, path, "run", "--storage", "again.db", "--trials", "7")
    local again = trials(folder, path, "--storage", "again.db")
    for i, trial in ipairs(again) do assert.same(trials(folder, path)[i].params, trial.params) end
  end)

  it("prints a line for each trial where there is no terminal, and a table of all", function()
    local path = files.write(folder, "lines", "trials = 3, " .. files.wait(0))
    local result = succeeds(folder, path, "run")
    for number = 0, 2 do assert.is_truthy(result.err:find(("trial %d: "):format(number), 1, true)) end
    assert.is_truthy(result.err:find "3 done, 0 pruned, 0 failed")
    assert.is_nil(result.err:find "\27")
    assert.equal("", succeeds(folder, path, "run", "--quiet").err)
    assert.is_truthy(succeeds(folder, path, "status").out:find "3 of 3 trials are finished")
    assert.is_truthy(succeeds(folder, path, "status").out:find "nobody works on it")
    local csv = succeeds(folder, path, "trials", "--csv").out
    assert.equal("number,state,value,params.kind,params.x,steps,attempt,seconds,started,message",
      csv:match "^[^\n]*")
    local rows = 0
    for _ in csv:gmatch "\n%d+,done,[%d.e-]+," do rows = rows + 1 end
    assert.equal(3, rows)
    assert.is_truthy(succeeds(folder, path, "trials").out:find "params.kind")
  end)

  it("names the best trial, and writes its settings", function()
    local path = files.write(folder, "best", "trials = 12, " .. files.wait(0))
    succeeds(folder, path, "run", "--quiet")
    local least
    for _, trial in ipairs(trials(folder, path)) do
      if not least or trial.values[1] < least.values[1] then least = trial end
    end
    assert.same({least}, json.decode(succeeds(folder, path, "best", "--json").out))
    for _, kind in ipairs {"json", "yaml", "lua"} do
      succeeds(folder, path, "best", "--out", "found." .. kind)
      local text = fs.read(fs.join(folder, "found." .. kind))
      local read = kind == "lua" and loadstring(text)() or json.decode(text)
      assert.same(least.params, read)
    end
    fails(2, folder, {path, "best", "--out", "found.txt"}, "found.txt", ".yaml")
    fails(2, folder, {path, "best", "--trial", "99"}, "no trial 99")
  end)

  it("is joined by other parents at any time", function()
    local path = files.write(folder, "joined", "trials = 40, " .. files.wait(0.03))
    local one = command.start(folder, path, "--parallel", "2")
    local study = fs.join(folder, "runs/sweeps/joined/study.db")
    command.until_true(function() return fs.exists(study) end, "no study")
    succeeds(folder, path, "run", "--quiet")
    assert.is_true(command.ended(one, 60))
    assert.equal(0, one.code)
    local list = trials(folder, path)
    assert.equal(40, #list)
    for _, trial in ipairs(list) do
      assert.equal("done", trial.state)
      assert.equal(1, trial.attempt)
    end
  end)

  it("is stopped by Ctrl-C within a moment, and goes on", function()
    local path = files.write(folder, "stopped", "trials = 3, " .. files.wait(0.7))
    for number, code in pairs {[2] = 130, [15] = 143} do
      local one = command.start(folder, path, "--parallel", "2")
      command.until_true(function()
        return fs.exists(fs.join(folder, "run.log")) and #fs.list(folder) > 1
          and fs.exists(fs.join(folder, "runs/sweeps/stopped/trials"))
          and #fs.list(fs.join(folder, "runs/sweeps/stopped/trials")) >= 1
      end, "no trial began")
      local began = core.C.lt_time()
      ffi.C.kill(one.pid, number)
      assert.is_true(command.ended(one, 60))
      assert.equal(code, one.code)
      assert.is_true(core.C.lt_time() - began < 8)
      assert.is_truthy(fs.read(fs.join(folder, "run.log")):find("stopped by signal " .. number, 1, true))
      for _, trial in ipairs(trials(folder, path)) do assert.is_true(trial.state ~= "running") end
    end
    succeeds(folder, path, "run", "--quiet", "--parallel", "3")
    for _, trial in ipairs(trials(folder, path)) do assert.equal("done", trial.state) end
  end)

  it("keeps what goes wrong in one trial to that trial", function()
    local path = files.write(folder, "wrong", [[trials = 8, trial_timeout = 0.3,
      objective = function(trial)
        local ffi = require "ffi"
        ffi.cdef "int raise(int); int usleep(unsigned); void *signal(int, void *);"
        local n = trial.number
        trial:suggest("x", lt.uniform(0, 1))
        if n == 0 then return 0 / 0 end
        if n == 1 then error "the objective's own mistake" end
        if n == 2 then print "last words" os.exit(9) end
        if n == 3 then ffi.C.signal(11, nil) ffi.C.raise(11) end      -- nil: a sanitizer would catch it
        if n == 4 then ffi.C.usleep(5000000) end
        if n == 5 then return "seven" end
        if n == 7 then error("\255 no text\0\n of ours") end
        if n == 6 and trial.attempt < 3 then ffi.C.raise(9) end
        return 1
      end]])
    local result = sweep(folder, path, "run")
    assert.equal(0, result.code, result.err)
    local list = trials(folder, path)
    assert.is_truthy(list[8].message:find("? no text", 1, true), list[8].message)
    local words = {[0] = "nan", "the objective's own mistake", "code 9 and no result: last words",
      "segmentation fault", "took longer than 0.3 s", "returned a string"}
    for number, text in pairs(words) do
      assert.equal("failed", list[number + 1].state)
      assert.is_truthy(list[number + 1].message:find(text, 1, true), list[number + 1].message)
    end
    assert.equal("done", list[7].state)
    assert.equal(3, list[7].attempt)
    assert.equal("failed", list[8].state)
    -- A process that is killed each time is given up.
    local killed = files.write(folder, "killed", [[trials = 2, objective = function(trial)
      require("ffi").cdef "int raise(int);"
      if trial.number == 0 then require("ffi").C.raise(9) end
      return 1
    end]])
    succeeds(folder, killed, "run", "--retries", "1")
    list = trials(folder, killed)
    assert.equal("failed", list[1].state)
    assert.equal(2, list[1].attempt)
    assert.is_truthy(list[1].message:find("signal 9", 1, true))
    -- ... until somebody wants it again.
    assert.is_truthy(succeeds(folder, killed, "retry").err:find "1 trial will be run again")
    assert.equal("waiting", trials(folder, killed)[1].state)
    assert.is_truthy(succeeds(folder, killed, "retry").err:find "no trial of study killed has failed")
    fails(2, folder, {killed, "retry", "1"}, "no failed trial 1")
    fails(2, folder, {killed, "retry", "one"}, "'one'")
  end)

  it("keeps each trial to processors of its own, if wanted", function()
    local path = files.write(folder, "pinned", [[trials = 4, objective = function(trial)
      require("ffi").cdef "int usleep(unsigned);"
      require("ffi").C.usleep(100000)
      return require("luatrain.core").C.lt_cpus() * 1000 + require("luatrain.core").C.lt_threads()
    end]])
    succeeds(folder, path, "run", "--pin", "--threads", "1", "--parallel",
      tostring(math.min(2, core.C.lt_cpus())))
    for _, trial in ipairs(trials(folder, path)) do assert.same({1001}, trial.values) end
  end)

  it("begins no trial when its time is over", function()
    local path = files.write(folder, "timeout", "trials = 500, " .. files.wait(0.1))
    local began = core.C.lt_time()
    succeeds(folder, path, "run", "--quiet", "--timeout", "0.5")
    assert.is_true(core.C.lt_time() - began < 10)
    local list = trials(folder, path)
    assert.is_true(#list >= 1 and #list < 100)
    for _, trial in ipairs(list) do assert.equal("done", trial.state) end
  end)

  -- A sweep of six trials on a terminal; nil where there is none.
  local function watch(name, seconds, parallel, size)
    if not screen.available() then return pending "tmux is not installed" end
    local path = files.write(folder, name, "trials = 6, " .. files.wait(seconds))
    -- The shell stays, so that what was shown last can be read.
    local line = ("cd %s && %s sweep %s run --parallel %d; sleep 60"):format(folder, program.path, path,
      parallel)
    size.env = {LUATRAIN_PATH = program.library()}
    return screen.open({"sh", "-c", line}, size)
  end

  it("shows a table on a terminal", function()
    local terminal, seen = watch("terminal", 0.5, 2, {columns = 90, rows = 20})
    if not terminal then return end
    command.until_true(function()
      seen = terminal:read()
      return seen:find "2/6" or seen:find "3/6" or seen:find "4/6"
    end, "no progress was shown")
    assert.is_truthy(seen:find "%[=+ *%] %d/6  %d%d:%d%d  ETA %d%d:%d%d  %d done, 0 pruned, 0 failed", seen)
    assert.is_truthy(seen:find "best  trial %d:", seen)
    assert.is_truthy(seen:find "\n +%d  00:0%d  started  ", seen)
    command.until_true(function()
      seen = terminal:read()
      return seen:find "6 done, 0 pruned, 0 failed"
    end, "the end was not shown")
    assert.is_nil(seen:find "ETA", seen)  -- the table is gone
    assert.is_truthy(seen:find "best is trial", seen)
    terminal:close()
  end)

  it("leaves nothing of its table behind on a small terminal", function()
    local terminal, seen = watch("small", 0.8, 6, {columns = 50, rows = 6})
    if not terminal then return end
    command.until_true(function() return terminal:read():find "started" end, "no table was shown")
    command.until_true(function()
      seen = terminal:tmux("capture-pane", "-p", "-S", "-200")
      return seen:find "6 done, 0 pruned, 0 failed, %d%d"
    end, "the end was not shown")
    assert.is_nil(seen:find "ETA", seen)
    assert.is_nil(seen:find "started", seen)
    terminal:close()
  end)

  it("tries each point of a grid once where its file says no number of trials", function()
    local path = files.write(folder, "grid", [[sampler = "grid", trial_timeout = 0,
      space = {x = lt.integer(1, 3), y = lt.choice {"a", "b"}},
      objective = function(trial) return trial:suggest "x" + #trial:suggest "y" end]])
    succeeds(folder, path, "run", "--quiet")
    local seen = {}
    for _, trial in ipairs(trials(folder, path)) do
      assert.equal("done", trial.state, trial.message)
      local key = trial.params.x .. trial.params.y
      assert.is_nil(seen[key])
      seen[key] = true
    end
    assert.equal(6, #core.sorted_keys(seen))
    assert.is_truthy(succeeds(folder, path, "status").out:find "6 of 6 trials are finished")
  end)

  it("stops where every trial fails", function()
    local path = files.write(folder, "hopeless", [[trials = 50, objective = function() error "no data" end]])
    fails(1, folder, {path, "run", "--max-failures", "4"}, "the last 4 trials failed", "no data")
    assert.is_true(#trials(folder, path) < 8)
  end)

  it("asks as it goes: conditional spaces, reports, pruning", function()
    local path = files.write(folder, "conditional", [[trials = 12, pruner = {name = "threshold", upper = 4},
      objective = function(trial)
        local kind = trial:suggest("kind", lt.choice {"deep", "wide"})
        local size = kind == "deep" and trial:suggest("layers", lt.integer(1, 9))
          or trial:suggest("width", lt.integer(10, 20))
        assert(trial:suggest("kind", lt.choice {"deep", "wide"}) == kind)
        for step = 1, 9 do
          trial:report(step, step)
          if trial:should_prune() then
            if size % 2 == 0 then trial:prune() end
            return step
          end
        end
        return 0
      end]])
    succeeds(folder, path, "run", "--quiet")
    local states = {}
    for _, trial in ipairs(trials(folder, path)) do
      states[trial.state] = (states[trial.state] or 0) + 1
      local deep = trial.params.kind == "deep"
      assert.equal(deep, trial.params.layers ~= nil)
      assert.equal(deep, trial.params.width == nil)
      assert.equal(5, trial.reports["5"])
      assert.is_nil(trial.reports["6"])
      if trial.state == "done" then assert.same({5}, trial.values) end
    end
    assert.is_true(states.done > 0 and states.pruned > 0)
  end)

  it("has several objectives and a Pareto front", function()
    local path = files.write(folder, "front", [[trials = 20, direction = {"minimize", "maximize"},
      objective = function(trial)
        local x, y = trial:suggest("x", lt.uniform(0, 1)), trial:suggest("y", lt.uniform(0, 1))
        return {x, x - y}
      end]])
    succeeds(folder, path, "run", "--quiet")
    local front = json.decode(succeeds(folder, path, "best", "--json").out)
    assert.is_true(#front >= 2)
    for _, a in ipairs(trials(folder, path)) do
      for _, b in ipairs(front) do
        assert.is_false(a.values[1] < b.values[1] and a.values[2] > b.values[2])
      end
    end
    fails(2, folder, {path, "best", "--out", "b.json"}, "--trial")
    -- The first objective depends on x alone.
    local first = json.decode(succeeds(folder, path, "importance", "--json").out)
    local second = json.decode(succeeds(folder, path, "importance", "--json", "--objective", "2").out)
    assert.is_true(first.x > first.y and second.y > first.y)
    fails(1, folder, {path, "importance", "--objective", "3"}, "there are 2")
    succeeds(folder, path, "best", "--out", "b.json", "--trial", ("%d"):format(front[1].number))
    assert.same(front[1].params, json.load(fs.join(folder, "b.json")))
  end)

  it("is written for TensorBoard, and again", function()
    local path = files.write(folder, "board", [[trials = 4, objective = function(trial)
      local x = trial:suggest("x", lt.uniform(0, 1))
      trial:report(x + 1, 1)
      if trial.number == 2 then trial:prune() end
      if trial.number == 3 then error "no" end
      return x
    end]])
    succeeds(folder, path, "run", "--quiet")
    for _ = 1, 2 do
      assert.is_truthy(succeeds(folder, path, "tensorboard").err:find "4 trials are written")
      for number = 0, 3 do
        local out = fs.join(folder, "runs/sweeps/board/tensorboard", ("trial%05d"):format(number))
        local list = fs.list(out)
        assert.equal(1, #list)
        local text = fs.read(fs.join(out, list[1]))
        for _, part in ipairs {"_hparams_/session_start_info", "_hparams_/session_end_info", "value"} do
          assert.is_truthy(text:find(part, 1, true))
        end
      end
    end
  end)

  it("helps, and refuses what it does not know", function()
    local path = files.write(folder, "help", files.wait(0))
    for _, words in ipairs {{"--help"}, {path, "--help"}, {path, "run", "--help"}, {path, "best", "-h"}} do
      assert.is_truthy(sweep(folder, unpack(words)).out:find "usage: luatrain sweep")
    end
    assert.is_truthy(program.run({"help", "sweep"}).out:find "usage: luatrain sweep")
    fails(2, folder, {path}, "name a command")
    fails(2, folder, {path, "rnu"}, "did you mean run?")
    fails(2, folder, {path, "run", "--paralel", "2"}, "did you mean --parallel?")
    fails(2, folder, {path, "run", "--pin", "--threads", "500"}, "do not fit on")
    fails(2, folder, {path, "run", "now"}, "unexpected argument 'now'")
    fails(2, folder, {path, "run", "--study", "a study"}, "--study", "'a study'")
    fails(3, folder, {"nowhere.lua", "run"}, "nowhere.lua", "no such sweep file")
    fails(4, folder, {path, "status"}, "study.db", "no such study")
  end)

  it("says in one line what is wrong with a sweep file", function()
    local function refused(fields, ...)
      local path = files.write(folder, "bad", fields)
      fails(3, folder, {path, "run"}, ...)
    end
    refused("objective = function(t) return t:suggest('x', lt.uniform(0, 1)) end, trails = 3", "no 'trails'",
      "did you mean trials?")
    refused("trials = 3", "objective is missing")
    refused("space = {x = lt.uniform(2, 1)}, objective = print", "bad.lua:2: ", "upside down", "low is 2")
    refused("space = {x = 3}, objective = print", "'x'", "lt.uniform")
    refused("objective = print, sampler = 'tpee'", "did you mean 'tpe'?")
    refused("objective = print, pruner = {name = 'asha', etta = 3}", "etta", "eta")
    refused("objective = print, direction = 'maximise'", "did you mean maximize?")
    refused("objective = 'val_loss'", "recipe is missing")
    refused("objective = print, trials = 0", "trials", "at least 1")
    refused("objective = print, trials = 2.5", "trials", "whole number")
    refused("objective = print, trials = math.huge", "trials", "whole number")
    refused("objective = print, sampler = 'grid'", "grid: this sampler needs a declared space")
    refused("objective = print, sampler = 'cmaes', direction = {'minimize', 'minimize'}", "one objective")
    refused("name = 'a b', objective = print", "'a b'")
    refused("objective = = 3", "bad.lua:2")
    fs.write(fs.join(folder, "empty.lua"), "local x = 1")
    fails(3, folder, {"empty.lua", "run"}, "returned nothing")
  end)

  it("keeps two studies of one name apart", function()
    local path = files.write(folder, "twice", "trials = 2, " .. files.wait(0))
    succeeds(folder, path, "run", "--quiet")
    files.write(folder, "twice", "trials = 2, direction = 'maximize', " .. files.wait(0))
    fails(3, folder, {path, "run"}, "called 'twice' is there already", "directions", "maximize", "--study")
    succeeds(folder, path, "run", "--quiet", "--study", "other", "--storage", "runs/sweeps/twice/study.db")
    fails(4, folder, {path, "status", "--study", "third", "--storage", "runs/sweeps/twice/study.db"},
      "no study is called 'third'", "other, twice")
  end)

  it("refuses a storage of something else", function()
    local path = files.write(folder, "storage", files.wait(0))
    fs.write(fs.join(folder, "notes.txt"), ("notes\n"):rep(200))
    fails(4, folder, {path, "run", "--storage", "notes.txt"}, "notes.txt", "no study")
    local server = "postgresql://me@/x?host=" .. folder
    local there = pcall(require("ffi").load, "libpq.so.5")
    fails(5, folder, {path, "run", "--storage", server}, there and folder or "package libpq5")
    fails(5, folder, {path, "run", "--storage", "/proc/no/where.db"}, "/proc/no")
  end)

  it("tells in one line that the disk is full", function()
    -- A file system of 1 MiB, in a namespace of its own.
    local full = fs.join(folder, "full")
    fs.mkdir(full)
    local with = ("unshare -rm sh -c 'mount -t tmpfs -o size=1m none %s && cd %s && exec \"$0\" \"$@\"' %%s")
      :format(full, full)
    local probe = program.run({"-e", "1"}, {with = with})
    if probe.code ~= 0 then
      pending "no file system of one's own may be mounted here"
      return
    end
    local path = files.write(folder, "full", [[trials = 100000, objective = function(trial)
      for i = 1, 200 do trial:suggest("parameter" .. i .. ("x"):rep(100), lt.uniform(0, 1)) end
      return 1
    end]])
    local result = program.run({"sweep", path, "run", "--quiet"}, {with = with, timeout = 60})
    assert.equal(5, result.code, result.err)
    assert.is_truthy(program.last_line(result.err):find "full", result.err)
  end)
end)
