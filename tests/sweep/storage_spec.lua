-- Where studies live: claims, ends, dead parents, incremental reading; the same on SQLite and PostgreSQL.
local command = require "sweep.command"
local fs = require "luatrain.fs"
local postgres = require "sweep.postgres"
local program = require "program"
local storage = require "luatrain.sweep.storage"

local spec = {directions = {"minimize"}, objective = "function"}

-- A finished trial as the runner tells it.
local function ended(trial, state, value)
  return {number = trial.number, attempt = trial.attempt, state = state or "done", params = '{"x":1.5}',
    distributions = '{"x":{"kind":"float"}}', reports = '{"1":0.5}', values = {value or 2}}
end

-- A parent like this process, or one that has died: of a process number that nobody has.
local function parent(name, dead)
  local one = storage.identity()
  one.id = one.id .. name
  if dead then one.pid = 2 ^ 22 + 7 end
  return one
end

local function behaves_on(title, open)
  describe("a study on " .. title, function()
    local store, study
    local count = 0
    before_each(function()
      store = open()
      count = count + 1
      study = store:make_study("study" .. count, spec).id
    end)
    after_each(function() store:close() end)

    local function claim(who, n, target)
      return store:exchange(study, who, {claim = n, target = target or 100}).claimed
    end

    it("gives each trial once, up to its number of trials", function()
      local parents, held = {parent "a", parent "b"}, {{}, {}}
      local seen, total = {}, 0
      for i = 1, 12 do
        local k = i % 2 + 1
        local answer = store:exchange(study, parents[k], {claim = 3, target = 20, held = held[k]})
        for _, trial in ipairs(answer.claimed) do
          assert.is_nil(seen[trial.number])
          assert.equal(1, trial.attempt)
          seen[trial.number], held[k][trial.number], total = true, true, total + 1
        end
      end
      assert.equal(20, total)
      for number = 0, 19 do assert.is_true(seen[number]) end
    end)

    it("ends a trial by its owner and attempt alone", function()
      local a, b = parent "a", parent "b"
      local trial = claim(a, 1)[1]
      local answer = store:exchange(study, b, {finished = {ended(trial)}})
      assert.is_true(answer.foreign[trial.number])
      local stale = ended(trial)
      stale.attempt = 7
      assert.is_true(store:exchange(study, a, {finished = {stale}}).foreign[trial.number])
      assert.equal("running", store:changes(study, 0)[1].state)
      assert.same({}, store:exchange(study, a, {finished = {ended(trial, "done", 3)}}).foreign)
      -- Told twice, as after a commit whose answer was lost: it is ours still, and nothing changes.
      assert.same({}, store:exchange(study, a, {finished = {ended(trial, "done", 3)}}).foreign)
      local row = store:changes(study, 0)[1]
      assert.equal("done", row.state)
      assert.equal("[3]", row.outcome_text)
      assert.equal('{"x":1.5}', row.params_text)
      assert.is_true(row.finished >= row.started)
    end)

    it("tells only what has changed", function()
      local a = parent "a"
      local trials = claim(a, 3)
      local rows, newest = store:changes(study, 0)
      assert.equal(3, #rows)
      assert.same({}, (store:changes(study, newest)))
      store:exchange(study, a, {finished = {ended(trials[2])}})
      rows = store:changes(study, newest)
      assert.equal(1, #rows)
      assert.equal(trials[2].number, rows[1].number)
    end)

    it("runs the trials of dead parents again, at once on the same machine", function()
      local a, b = parent "a", parent("b", true)
      store:heartbeat(study, a)
      store:heartbeat(study, b)
      local lost, kept = claim(b, 2), claim(a, 1)
      assert.equal(2, store:recover(study, a, 1000))
      assert.equal(0, store:recover(study, a, 1000))
      local held = {[kept[1].number] = true}
      local again = store:exchange(study, a, {claim = 3, target = 3, held = held}).claimed
      assert.equal(2, #again)
      assert.equal(lost[1].number, again[1].number)
      assert.equal(2, again[1].attempt)
      assert.equal(0, again[1].lost)
      -- The dead one comes back with a result: too late.
      assert.is_true(store:exchange(study, b, {finished = {ended(lost[1])}}).foreign[lost[1].number])
    end)

    it("waits out the silence of a parent on another machine", function()
      local a, b = parent "a", parent "b"
      b.place, b.pid = "another machine", 1
      store:heartbeat(study, b)
      claim(b, 1)
      assert.equal(0, store:recover(study, a, 1000))
      assert.equal(1, store:recover(study, a, -1))
    end)

    it("gives a trial up when its process was killed too often", function()
      local a = parent "a"
      for k = 1, 3 do
        local trial = claim(a, 1)[1]
        assert.equal(0, trial.number)
        assert.equal(k, trial.attempt)
        store:exchange(study, a, {lost = {{number = 0, attempt = k, lost = trial.lost, message = "killed"}},
          retries = 2})
      end
      local row = store:changes(study, 0)[1]
      assert.equal("failed", row.state)
      assert.equal("killed", row.message)
      assert.same({0}, store:retry(study))
      assert.equal("waiting", store:changes(study, 0)[1].state)
      assert.has_error(function() store:retry(study, {0}) end)
    end)

    it("lets go of what a parent ran when it leaves", function()
      local a = parent "a"
      store:heartbeat(study, a)
      claim(a, 2)
      assert.equal(1, #store:parents(study, 1000))
      store:leave(study, a)
      assert.equal(0, #store:parents(study, 1000))
      for _, row in ipairs(store:changes(study, 0)) do assert.equal("waiting", row.state) end
    end)

    it("keeps texts and names as they are", function()
      local name = "it's \"a\" study\\ ünï"
      store:make_study(name, {directions = {"maximize"}, note = "x\ny"})
      assert.same({directions = {"maximize"}, note = "x\ny"}, store:study(name).spec)
      assert.is_nil(store:study "none")
    end)
  end)
end

describe("storage", function()
  teardown(program.clean)

  local path = fs.join(program.folder(), "deep/er/study.db")
  behaves_on("SQLite", function() return storage.open(path, {create = true}) end)

  local why = postgres.missing()
  if why then
    pending("a study on PostgreSQL: " .. why)
  else
    local server
    setup(function() server = postgres.start() end)
    teardown(function() if server then server.stop() end end)
    behaves_on("PostgreSQL", function() return storage.open(server.url, {create = true}) end)

    it("outlives a restart of the server, whatever is asked next", function()
      local store = storage.open(server.url, {create = true})
      local study = store:make_study("restarted", spec).id
      local a = parent "a"
      local trial = store:exchange(study, a, {claim = 1, target = 1}).claimed[1]
      local function after_restart(method, ...)
        server.restart()
        return store[method](store, study, ...)
      end
      after_restart("heartbeat", a)
      assert.equal(1, #after_restart("parents", 1000))
      assert.equal(0, after_restart("recover", a, 1000))
      assert.same({}, after_restart("exchange", a, {finished = {ended(trial)}}).foreign)
      assert.equal("done", after_restart("changes", 0)[1].state)
      store:close()
    end)

    it("names the server that is not there, without the password", function()
      local ok, e = pcall(storage.open, "postgresql://me:secret@/postgres?host=/nowhere")
      assert.is_false(ok)
      assert.is_truthy(tostring(e):find("/nowhere", 1, true))
      assert.is_nil(tostring(e):find("secret", 1, true))
      assert.equal("io", e.kind)
    end)
  end

  it("writes and reads numbers of any name and size", function()
    local map = {lr = 1.0000000000000002e-5, ["a.b"] = -3, ['quo"te'] = 1, ["back\\slash"] = 2,
      ["com,ma"] = 3, big = 2 ^ 53, inf = math.huge}
    assert.same(map, storage.numbers(storage.numbers_text(map)))
    local reports = storage.numbers(storage.numbers_text {[1] = 0.5, [20] = 0 / 0}, tonumber)
    assert.equal(0.5, reports[1])
    assert.is_true(reports[20] ~= reports[20])
    assert.same({}, storage.numbers "{}")
    assert.same({a = 1.5, ["b c"] = -2e-300}, storage.numbers '{"a": 1.5, "b c": -2e-300}')
    for _, bad in ipairs {"", "{", '{"a"', '{"a":', '{"a":x}', '{"a":1', '{"a":1;"b":2}', '"a":1}'} do
      assert.has_error(function() storage.numbers(bad) end)
    end
  end)

  it("waits for a process that has locked a file which is no log yet", function()
    local folder = program.folder()
    local file, mark = fs.join(folder, "study.db"), fs.join(folder, "mark")
    storage.open(file, {create = true}):close()
    fs.write(fs.join(folder, "lock.lua"), ([[
      local db = require("luatrain.sweep.sqlite").open(%q)
      db:query "PRAGMA journal_mode = DELETE"
      db:begin()
      require("luatrain.fs").write(%q, "locked")
      local ffi = require "ffi"
      ffi.cdef "int usleep(unsigned);"
      ffi.C.usleep(700000)
      db:commit()
    ]]):format(file, mark))
    local process = require "luatrain.process"
    local locker = process.start {program.path, fs.join(folder, "lock.lua")}
    command.until_true(function() return fs.exists(mark) end, "the file was not locked")
    local store = storage.open(file)
    assert.same({}, store:names())
    store:close()
    assert.is_false(process.running(locker, 5))
    assert.equal(0, locker.code)
  end)

  it("refuses files of something else, and leaves them as they are", function()
    local folder = program.folder()
    local function refused(name, text, ...)
      local file = fs.join(folder, name)
      if text then fs.write(file, text) end
      local ok, e = pcall(storage.open, file, {create = true})
      assert.is_false(ok)
      assert.equal("data", e.kind)
      for _, part in ipairs {file, ...} do assert.is_truthy(tostring(e):find(part, 1, true), tostring(e)) end
      assert.is_nil(tostring(e):find "\n")
      if text then assert.equal(text, fs.read(file)) end
    end
    refused("notes.txt", ("these are notes\n"):rep(100), "no SQLite database")
    fs.mkdir(fs.join(folder, "folder"))
    refused("folder", nil, "directory")
    local other = require("luatrain.sweep.sqlite").open(fs.join(folder, "newer.db"), {create = true})
    other:query "CREATE TABLE luatrain_format (version BIGINT)"
    other:query "INSERT INTO luatrain_format (version) VALUES (99)"
    other:close()
    refused("newer.db", nil, "format 99")
    local process = require "luatrain.process"
    if process.which "sqlite3" then
      local file = fs.join(folder, "other.db")
      assert.is_true(process.run({"sqlite3", file, "CREATE TABLE birds (name TEXT)"}).ok)
      refused("other.db", fs.read(file), "another program")
    end
  end)
end)
