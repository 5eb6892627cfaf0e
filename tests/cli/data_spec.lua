-- `luatrain data check` and `luatrain info` on HDF5 files, as a user meets them.
local lt = require "luatrain"
local fs = require "luatrain.fs"
local program = require "program"
local hdf5 = lt.data.hdf5

local folder = program.folder()
local file = fs.join(folder, "sounds.h5")

local function check(path, command)
  return program.run({command or "data", command and path or "check", not command and path or nil})
end

local function fails(code, path, ...) return program.failed(check(path), code, ...) end

local function changed(name, change)
  local path = fs.join(folder, name)
  fs.write(path, change(fs.read(file)))
  return path
end

describe("luatrain data check", function()
  setup(function()
    lt.manual_seed(1)
    hdf5.write(file, function(w)
      w:tensor("audio", lt.rand(40, 300), {gzip = 4, chunk = {8, 300}})
      w:tensor("features/mel", lt.rand(40, 6), {chunk = {1, 6}, fletcher32 = true})
      w:tensor("note", lt.arange(0, 40):to "i64")
      w:strings("hash", {"a", "b", "c"})
      w:attributes("/", {rate = 44100})
    end)
  end)
  teardown(program.clean)

  it("finds a whole file whole, and says what is in it", function()
    local result = check(file)
    assert.equal(0, result.code, result.err)
    for _, text in ipairs {"audio", "(40, 300) in chunks of (8, 300), gzip(4): whole", "features/mel",
      "fletcher32: whole", "i64   (40): whole", "strings (3): whole", file .. ": whole"} do
      assert.is_truthy(result.out:find(text, 1, true), text)
    end
    local told = check(file, "info")
    assert.equal(0, told.code, told.err)
    assert.is_truthy(told.out:find("(40, 300) in chunks of (8, 300), gzip(4)", 1, true))
    assert.equal("", result.err)
  end)

  it("names a damaged chunk, by file, data set and number", function()
    local path = changed("chunk.h5", function(text)
      local at = 0
      for _ = 1, 2 do at = text:find("\120\94", at + 1, true) end
      return text:sub(1, at + 9) .. "\255\0\255" .. text:sub(at + 13)
    end)
    local result = fails(4, path,
      "chunk.h5: data set 'audio', chunk 2 of 5 (rows 9 to 16): its gzip data is damaged")
    assert.is_truthy(result.out:find("audio[^\n]*DAMAGED in 1 places"))
    assert.is_truthy(result.out:find("features/mel[^\n]*whole"))
    assert.is_truthy(hdf5.open(path):dataset("audio"):read(1, 8))  -- the others are still read
  end)

  it("finds a damaged checksum", function()
    local f = hdf5.open(file)
    local row = f:dataset "features/mel":read(17, 1)
    local bytes = require("ffi").string(row:data(), 24)
    f:close()
    local path = changed("sum.h5", function(text)
      local at = text:find(bytes, 1, true)
      return text:sub(1, at + 3) .. string.char((text:byte(at + 4) + 1) % 256) .. text:sub(at + 5)
    end)
    fails(4, path, "data set 'features/mel', chunk 17 of 40 (rows 17 to 17): the checksum is")
  end)

  it("finds files cut short, at any length", function()
    local size = #fs.read(file)
    for i = 0, 24 do
      local path = changed("cut.h5", function(text) return text:sub(1, math.floor(size * i / 25)) end)
      fails(4, path, "cut.h5")
      local ok, e = pcall(hdf5.open, path)
      assert.is_false(ok)
      assert.equal(4, (require("luatrain.cli").explain(e)))
    end
  end)

  it("survives files that crash HDF5's library", function()
    fails(4, program.here "tests/golden/hdf5/crash.h5", "crash.h5: HDF5's library crashes on it")
  end)

  it("refuses files that lead elsewhere or need filters that are not there", function()
    local result = fails(4, program.here "tests/golden/hdf5/v108.h5", "(and 4 more)")
    for _, text in ipairs {"'bad/external_link' is a link to another file", "filter 32000 (lzf)",
      "virtual data set", "external storage"} do
      assert.is_truthy((result.out .. result.err):find(text, 1, true), text)
    end
  end)

  it("says what is wrong with a command", function()
    fails(5, fs.join(folder, "nothing.h5"), "nothing.h5", "no such file")
    fails(4, program.here "build.sh", "this is no HDF5 file")
    local function usage(args, text)
      local answer = program.run(args)
      assert.equal(2, answer.code)
      assert.is_truthy(answer.err:find(text, 1, true), answer.err)
    end
    usage({"data"}, "name a command")
    usage({"data", "chekc"}, "did you mean check?")
    usage({"data", "check"}, "name a file")
    assert.is_truthy(program.run({"data", "--help"}).out:find("usage: luatrain data check", 1, true))
  end)
end)
