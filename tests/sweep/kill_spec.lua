-- Studies that are killed: workers and parents die at random instants, and in the end each trial is finished
-- once. In full (200 trials, 50 kills, minutes) by
--
--   LUATRAIN_KILLS=50 build/luatrain tests/run.lua tests/sweep/kill_spec.lua
local ffi = require "ffi"
local command = require "sweep.command"
local core = require "luatrain.core"
local files = require "sweep.files"
local fs = require "luatrain.fs"
local postgres = require "sweep.postgres"
local program = require "program"
local C = core.C

local kills = tonumber(os.getenv "LUATRAIN_KILLS") or 12
local count = kills * 4

local function start(folder, path, storage)
  return command.start(folder, path, "--parallel", "2", "--quiet", "--retries", "100", "--storage", storage)
end

local function children(pid)
  local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
  local list = {}
  for number in (file and file:read "*a" or ""):gmatch "%d+" do list[#list + 1] = tonumber(number) end
  if file then file:close() end
  return list
end

-- Runs a study, killing as it goes; returns how many died of each kind, and how many parents there were.
local function torment(folder, path, storage)
  local dead, parents = {worker = 0, parent = 0}, 1
  local parent = start(folder, path, storage)
  local wanted = math.floor(kills / 2)
  while dead.worker + dead.parent < kills do
    ffi.C.usleep(math.random(5, 250) * 1000)
    if command.ended(parent, 0) then return dead, parents, parent.code end
    local list = children(parent.pid)
    if dead.parent < wanted and math.random() < 0.5 or dead.worker >= kills - wanted then
      ffi.C.kill(parent.pid, 9)
      command.ended(parent, 10)
      dead.parent = dead.parent + 1
      parent, parents = start(folder, path, storage), parents + 1
    elseif #list > 0 then
      if ffi.C.kill(list[math.random(#list)], 9) == 0 then dead.worker = dead.worker + 1 end
    end
  end
  assert.is_true(command.ended(parent, 300))
  return dead, parents, parent.code
end

local function survives(name, storage)
  local folder = program.folder()
  local path = files.write(folder, name, ("trials = %d, %s"):format(count, files.wait(0.06)))
  local seed = tonumber(os.getenv "LUATRAIN_SEED") or 1
  math.randomseed(seed)
  local dead, parents, code = torment(folder, path, storage)
  assert.equal(0, code, fs.read(fs.join(folder, "run.log")))
  assert.equal(kills, dead.worker + dead.parent, "the study was over before all kills were done")
  assert.is_true(dead.worker > 0 and dead.parent > 0)
  assert.equal(dead.parent + 1, parents)
  local list, again = command.trials(folder, path, "--storage", storage), 0
  assert.equal(count, #list)
  for i, trial in ipairs(list) do
    assert.equal(i - 1, trial.number)
    assert.equal("done", trial.state, trial.message)
    assert.equal(1, #trial.values)
    again = again + trial.attempt - 1
  end
  -- Somebody must have been hit in the middle of a trial, or this was no test.
  assert.is_true(again > 0)
end

describe("a killed sweep", function()
  teardown(program.clean)

  it("has each trial once in the end, on SQLite", function()
    survives("sqlite", fs.join(program.folder(), "study.db"))
  end)

  it("has each trial once in the end, on PostgreSQL", function()
    local why = postgres.missing()
    if why then
      pending(why)
      return
    end
    local server = postgres.start()
    local ok, e = pcall(survives, "postgres", server.url)
    server.stop()
    if not ok then error(e, 0) end
  end)

  it("goes on when the server of its study restarts", function()
    local why = postgres.missing()
    if why then
      pending(why)
      return
    end
    local server, folder = postgres.start(), program.folder()
    local path = files.write(folder, "restart", "trials = 16, " .. files.wait(0.15))
    local parent = start(folder, path, server.url)
    ffi.C.usleep(500000)
    local ok, e = pcall(server.restart)
    local ended = command.ended(parent, 60)
    local read, list = pcall(command.trials, folder, path, "--storage", server.url)
    server.stop()
    assert.is_true(ok, e)
    assert.is_true(ended)
    assert.equal(0, parent.code, fs.read(fs.join(folder, "run.log")))
    assert.is_true(read, list)
    assert.equal(16, #list)
    for _, trial in ipairs(list) do
      assert.equal("done", trial.state)
      assert.equal(1, trial.attempt)
    end
  end)

  it("leaves no process behind", function()
    local folder = program.folder()
    local path = files.write(folder, "orphans", "trials = 4, " .. files.wait(30))
    local parent = start(folder, path, "study.db")
    local deadline = C.lt_time() + 20
    while #children(parent.pid) < 2 and C.lt_time() < deadline do ffi.C.usleep(10000) end
    ffi.C.usleep(200000)
    local list = children(parent.pid)
    assert.equal(2, #list)
    ffi.C.kill(parent.pid, 9)
    command.ended(parent, 10)
    deadline = C.lt_time() + 5
    for _, pid in ipairs(list) do
      local function lives()
        local file = io.open(("/proc/%d/stat"):format(pid))
        local text = file and file:read "*a" or ""
        if file then file:close() end
        return text:match "%) [^ZX]" ~= nil
      end
      while lives() and C.lt_time() < deadline do ffi.C.usleep(10000) end
      assert.is_false(lives(), "process " .. pid .. " outlived its parent")
    end
  end)
end)
