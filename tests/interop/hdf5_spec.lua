-- h5py reads what luatrain writes, and the other way round. The Python is the one that
-- LUATRAIN_PEER_PYTHON names, else python3; without h5py there is nothing to compare with.
local ffi = require "ffi"
local core = require "luatrain.core"
local lt = require "luatrain"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local hdf5 = lt.data.hdf5

local python = os.getenv "LUATRAIN_PEER_PYTHON" or "python3"
local peer = "tests/interop/hdf5_peer.py"

local function has_h5py()
  local ok, result = pcall(process.run, {python, "-c", "import h5py"})
  return ok and result.ok
end

describe("h5py", function()
  local folder
  setup(function() folder = fs.temporary_directory() end)
  teardown(function() fs.remove_tree(folder) end)
  local available = has_h5py()

  local function test(name, f)
    it(name, function()
      if not available then
        return pending("no h5py for " .. python .. " (LUATRAIN_PEER_PYTHON names another)")
      end
      f()
    end)
  end

  local function run(...)
    local result = process.run {python, peer, ...}
    assert.is_true(result.ok, result.output)
    return result.output
  end

  test("reads what luatrain writes", function()
    local path = fs.join(folder, "ours.h5")
    local layouts = {plain = {}, chunks = {chunk = {3, 4}}, gzip = {gzip = 6},
      shuffle_gzip = {gzip = 1, shuffle = true, chunk = {5, 7}},
      gzip_sum = {gzip = 9, fletcher32 = true, chunk = {1, 7}}, sum = {fletcher32 = true}}
    hdf5.write(path, function(w)
      for layout, options in pairs(layouts) do
        for _, dtype in ipairs {"f32", "f64", "f16", "i64", "i32", "u8", "bool"} do
          local x = lt.arange(0, 13 * 7):remainder(dtype == "bool" and 2 or 100):reshape(13, 7)
          w:tensor(layout .. "/" .. dtype, dtype == "bool" and x:gt(0) or x:to(dtype), options)
        end
      end
      w:strings("strings", {"a", "", "für"})
      local many = {}
      for i = 1, 9000 do many[i] = "parameter " .. i end
      w:attributes("/", {rate = 44100, ratio = 0.5, on = true, text = "für", texts = {"a", "", "für"},
        numbers = {1, 2.5}, flags = {true, false}, many = many})
      w:attributes("gzip/f32", {unit = "Hz"})
    end)
    assert.equal("42 data sets\n", run("read", path))
  end)

  test("writes what luatrain reads", function()
    for _ = 1, 3 do
      run("write", folder)
      for k = 0, 11 do
        local f = hdf5.open(fs.join(folder, k .. ".h5"))
        local x = f:dataset "x":read()
        local bytes = ffi.string(x:data(), x:numel() * core.C.lt_dtype_size(x.c.dtype))
        assert.is_true(bytes == fs.read(fs.join(folder, k .. ".raw")), k)
        f:close()
      end
    end
  end)
end)
