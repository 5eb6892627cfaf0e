local lt = require "luatrain"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local program = require "program"
local hdf5 = lt.data.hdf5

local folder = program.folder()
local function path(name) return fs.join(folder, name) end

-- A job of five shards of 40 rows, assembled; what is there already is not made again.
local job = [[
local shards = lt.data.hdf5.shards(arg[1] .. "/shards", {seed = 1, names = {"a", "b"}})
for i = 1, 5 do
  if not shards:has(i) then
    shards:write(i, function(w)
      lt.manual_seed(i)
      w:tensor("audio", lt.rand(40, 3000), {gzip = 1, chunk = {10, 3000}})
      w:tensor("params/x", lt.rand(40, 3))
      local names = {}
      for k = 1, 40 do names[k] = ("preset %d"):format(i * 100 + k) end
      w:strings("metadata/name", names)
      w:attributes("/", {rate = 44100, names = {"a", "b"}})
      w:attributes("audio", {unit = "full scale"})
    end)
  end
end
shards:assemble(arg[1] .. "/whole.h5", 5, {layout = {audio = {gzip = 4, chunk = {64, 3000}}},
  finish = function(w) w:attributes("/", {done = true}) end})
lt.data.hdf5.extend(arg[1] .. "/whole.h5", function(w)
  w:tensor("features/mel", lt.full({200, 8}, 3), {chunk = {1, 8}})
end)
]]

local function run_job(target, options)
  fs.write(path "job.lua", job)
  return program.run({path "job.lua", target}, options)
end

describe("shards", function()
  teardown(program.clean)

  it("are whole or absent, and refuse other settings", function()
    local shards = hdf5.shards(path "some", {seed = 1, list = {1, 2}})
    assert.same({1, 2, 3}, shards:missing(3))
    shards:write(2, function(w) w:tensor("x", lt.ones(2)) end)
    pcall(shards.write, shards, 3, function(w)
      w:tensor("x", lt.ones(2))
      error "no"
    end)
    assert.same({1, 3}, hdf5.shards(path "some", {seed = 1, list = {1, 2}}):missing(3))
    local ok, e = pcall(hdf5.shards, path "some", {seed = 2, list = {1, 2}, more = true})
    assert.is_false(ok)
    assert.equal(3, failure.of(e).code)
    assert.is_truthy(tostring(e):find("more (was not set, is true), seed (was 1, is 2)", 1, true),
      tostring(e))
    ok, e = pcall(shards.assemble, shards, path "some.h5", 3)
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find("2 of 3 shards are missing, the first is number 1", 1, true))
    shards:write(1, function(w) w:tensor("x", lt.ones(2, 3)) end)
    shards:write(3, function(w) w:tensor("x", lt.ones(2)) end)
    ok, e = pcall(shards.assemble, shards, path "some.h5", 3)
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find("'x' is unlike that of shard 1", 1, true))
    assert.is_false(fs.exists(path "some.h5"))
    shards:remove()
    assert.is_false(fs.exists(path "some"))
  end)

  it("are assembled in their order", function()
    fs.mkdir(path "whole")
    local result = run_job(path "whole")
    assert.equal(0, result.code, result.err)
    local f = hdf5.open(path "whole/whole.h5")
    assert.same({200, 3000}, f:dataset "audio".shape)
    assert.equal("gzip(4)", f:dataset "audio".filters)
    assert.equal("preset 301", f:strings "metadata/name" [81])
    local shard = hdf5.open(path "whole/shards/shard-000003.h5")
    assert.same(shard:dataset "audio":read():flat(), f:dataset "audio":read(81, 40):flat())
    assert.same({rate = 44100, names = {"a", "b"}, done = true}, f:attributes())
    assert.same({unit = "full scale"}, f:attributes "audio")
    shard:close()
    f:close()
  end)

  it("leave the old file where the disk is full", function()
    fs.write(path "full.lua", [[
      local path, gzip = arg[1], tonumber(arg[2])
      local f = arg[3] == "extend" and lt.data.hdf5.extend or lt.data.hdf5.write
      f(path, function(w) w:tensor("y", lt.rand(2000, 256), {gzip = gzip, chunk = {10, 256}}) end)
    ]])
    hdf5.write(path "full.h5", function(w) w:tensor("x", lt.ones(50)) end)
    local before = fs.read(path "full.h5")
    for _, way in ipairs {"write", "extend"} do
      for _, gzip in ipairs {"", "4"} do
        local result = program.run({path "full.lua", path "full.h5", gzip, way},
          {with = "trap '' XFSZ; ulimit -f 1000; %s"})
        assert.equal(5, result.code, result.err)
        local line = program.last_line(result.err)
        assert.is_truthy(line:find("cannot write .*full%.h5.*%(File too large%)"), line)
        assert.equal(before, fs.read(path "full.h5"))
        for _, name in ipairs(fs.list(folder)) do assert.is_nil(name:find("%.tmp%-")) end
      end
    end
  end)

  it("survive 20 kills: the file resumed equals the one never interrupted", function()
    if not fs.exists(path "whole/whole.h5") then
      fs.mkdir(path "whole")
      run_job(path "whole")
    end
    local wanted = fs.read(path "whole/whole.h5")
    fs.mkdir(path "killed")
    local kills = 0
    -- At each durable step in turn: the n-th fsync, then the n-th rename.
    for n = 1, 7 do
      for _, step in ipairs {"fsync", "rename", "open"} do
        local result = run_job(path "killed", {env = {LT_FAULT = ("%s:%d:KILL"):format(step, n)}})
        if result.killed then kills = kills + 1 end
        if fs.exists(path "killed/whole.h5") then
          local f = hdf5.open(path "killed/whole.h5")
          assert.same({200, 3000}, f:dataset "audio".shape)
          f:close()
        end
        if step == "open" then fs.remove_tree(path "killed/shards") end
      end
    end
    assert.is_true(kills >= 14, kills .. " kills")
    kills = 0
    for i = 1, 20 do
      if i % 5 == 0 then fs.remove_tree(path "killed") fs.mkdir(path "killed") end
      local result = run_job(path "killed", {timeout = 0.01 * i})
      if result.killed then kills = kills + 1 end
    end
    assert.is_true(kills >= 3, kills .. " kills")
    local result = run_job(path "killed")
    assert.equal(0, result.code, result.err)
    assert.is_true(wanted == fs.read(path "killed/whole.h5"))
    for _, name in ipairs(fs.list(path "killed")) do assert.is_nil(name:find "h5%.tmp.*tmp") end
  end)
end)
