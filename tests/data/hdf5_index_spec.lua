-- Large chunk indices, the side file that remembers them, and the bound on decoded chunks.
local ffi = require "ffi"
local lt = require "luatrain"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local hdf5 = lt.data.hdf5

local ROWS = 6000
local folder, file

-- Row i holds i + shift in both columns.
local function write(path, shift)
  hdf5.write(path, function(w)
    local rows = lt.arange(1 + shift, ROWS + 1 + shift):to "f32":reshape(ROWS, 1)
    w:tensor("group/x", rows:expand(ROWS, 2):contiguous(), {chunk = {1, 2}})
  end)
end

local function side_files()
  local list = {}
  for _, name in ipairs(fs.list(folder)) do
    if name:find("^%.large%.h5%.chunks%-%x+$") then list[#list + 1] = fs.join(folder, name) end
  end
  return list
end

-- Opens the file anew and reads some rows, which must hold their numbers + shift.
local function expect(shift)
  local f = hdf5.open(file)
  local set = f:dataset "group/x"
  assert.is_true(set.direct)
  local rows = {ROWS, 1, 4097, 77}
  local x = set:rows(rows)
  for k, row in ipairs(rows) do
    assert.equal(row + shift, x:get(k, 1))
    assert.equal(row + shift, x:get(k, 2))
  end
  f:close()
end

describe("an index of many chunks", function()
  setup(function()
    folder = fs.temporary_directory()
    file = fs.join(folder, "large.h5")
    write(file, 0)
  end)
  teardown(function() fs.remove_tree(folder) end)

  it("is remembered beside the file, and read from there", function()
    assert.same({}, side_files())
    expect(0)
    assert.equal(1, #side_files())
    local text = fs.read(side_files()[1])
    assert.equal("LTCHUNK1", text:sub(1, 8))
    expect(0)
    assert.equal(text, fs.read(side_files()[1]))
  end)

  it("notices a changed file", function()
    expect(0)
    write(file, 100)
    expect(100)
    assert.equal(1, #side_files())
    write(file, 0)
    expect(0)
  end)

  it("is not misled by a damaged, cut or foreign side file", function()
    expect(0)
    local path = side_files()[1]
    local text = fs.read(path)
    for _, wrong in ipairs {"", "LTCHUNK1", text:sub(1, -2), text .. "x", ("\0"):rep(#text),
      text:sub(1, 2000) .. "\255\255" .. text:sub(2003)} do
      fs.write(path, wrong)
      expect(0)
      assert.equal(text, fs.read(path))  -- and put right again
    end
  end)

  it("does without where the folder cannot be written", function()
    for _, path in ipairs(side_files()) do fs.remove(path) end
    core.check(core.C.lt_file_fault "open:1+:EACCES")
    local ok, e = pcall(expect, 0)
    core.check(core.C.lt_file_fault "")
    assert.is_true(ok, tostring(e))
    assert.same({}, side_files())
  end)
end)

describe("decoded chunks", function()
  it("stay within their limit, whatever is read", function()
    local path = fs.temporary_directory()
    local before = hdf5.cache()
    local chunk = 64 * 256 * 4
    lt.manual_seed(5)
    local x = lt.rand(64 * 24, 256)
    hdf5.write(fs.join(path, "x.h5"), function(w) w:tensor("x", x, {gzip = 1, chunk = {64, 256}}) end)
    assert.equal(3 * chunk, hdf5.cache(3 * chunk))
    local f = hdf5.open(fs.join(path, "x.h5"))
    local set = f:dataset "x"
    local order = ffi.new("int64_t[?]", 64 * 24)
    core.C.lt_loader_order(order, 64 * 24, 3, 1)
    for from = 0, 64 * 24 - 1, 32 do
      local rows = {}
      for k = 1, 32 do rows[k] = tonumber(order[from + k - 1]) + 1 end
      lt.scope(function()
        local y = set:rows(rows)
        for k = 1, 32, 5 do assert.equal(0, (y[k] - x[rows[k]]):abs():max():item()) end
      end)
      assert.is_true(tonumber(core.C.lt_hdf5_cached()) <= 3 * chunk)
    end
    -- A chunk larger than the limit is read all the same, and not kept.
    hdf5.cache(chunk / 2)
    assert.equal(0, tonumber(core.C.lt_hdf5_cached()))
    assert.equal(0, (set:read(100, 3) - x:narrow(1, 100, 3)):abs():max():item())
    assert.equal(0, tonumber(core.C.lt_hdf5_cached()))
    hdf5.cache(before)
    f:close()
    fs.remove_tree(path)
  end)
end)
