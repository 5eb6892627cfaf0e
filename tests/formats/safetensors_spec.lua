-- safetensors: the reference's bytes, its test vectors, every refusal, truncation, faults.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local safetensors = require "luatrain.safetensors"
local C, check = core.C, core.check

local golden = "tests/golden/formats.safetensors"  -- written by the reference: make_formats.py

local directory, path
before_each(function()
  directory = fs.temporary_directory()
  path = directory .. "/x.safetensors"
end)
after_each(function()
  check(C.lt_file_fault(nil))
  fs.remove_tree(directory)
end)

-- A file with this header (padded with spaces to `length` where given) and data.
local function file_of(header, data, length)
  local n = length or #header
  local count, head = n, {}
  for i = 1, 8 do
    head[i] = string.char(count % 256)
    count = math.floor(count / 256)
  end
  return table.concat(head) .. header .. (" "):rep(n - #header) .. (data or "")
end

local function refused(words, content)
  fs.write(path, content)
  for _, f in ipairs { safetensors.load, safetensors.info } do
    local good, message = pcall(f, path)
    assert.is_false(good)
    assert.is_truthy(message:find(words, 1, true), message)
    assert.is_truthy(message:find(path, 1, true), message)
  end
end

local function accepted(content)
  fs.write(path, content)
  local tensors, metadata = safetensors.load(path)
  return tensors, metadata
end

describe("a file of the reference", function()
  it("is read, listed, and written again byte for byte", function()
    local tensors, metadata = safetensors.load(golden)
    assert.are.equal("pt", metadata.format)
    assert.are.same({ 3, 4 }, tensors["a.weight"]:size())
    assert.are.equal("bf16", tensors.b:dtype())
    assert.are.equal(5, tensors.n:item())
    assert.are.same({ 0, 3 }, tensors['é"\n']:size())
    safetensors.save(path, tensors, metadata)
    assert.are.equal(fs.read(golden), fs.read(path))
    local list = safetensors.info(golden)
    assert.are.equal(10, #list)
    assert.are.equal("n", list[1].name)
    assert.are.equal("I64", list[1].file_dtype)
  end)

  it("is read in part", function()
    local tensors = safetensors.load(golden, { "a.bias" })
    assert.are.same({ 3 }, tensors["a.bias"]:size())
    assert.is_nil(tensors.n)
    local good, message = pcall(safetensors.load, golden, { "a.bias", "nothing" })
    assert.is_false(good)
    assert.is_truthy(message:find("no tensor 'nothing'", 1, true))
  end)

  it("is refused at every length but its own", function()
    local content = fs.read(golden)
    local out = ffi.new "lt_safetensors *[1]"
    for n = 0, #content - 1 do
      assert.are.equal(C.LT_ERR_FORMAT, C.lt_safetensors_parse(out, "cut", content:sub(1, n), n))
      assert.is_truthy(ffi.string(C.lt_error()):find("cut: ", 1, true))
    end
    for n = 0, #content - 1, 100 do refused("", content:sub(1, n)) end
    refused("the header describes", content .. "x")
  end)
end)

describe("the reference's valid vectors", function()
  it("are accepted", function()
    local tensors, metadata = accepted(file_of('{"__metadata__":{"framework":"pt"}}', "", 40))
    assert.are.same({ framework = "pt" }, metadata)
    assert.is_nil(next(tensors))
    local i32 = '{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}'
    assert.are.same({ 2, 2 }, accepted(file_of(i32, ("\0"):rep(16))).test:size())
    local scalar = '{"test":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}'
    assert.are.same({}, accepted(file_of(scalar, ("\0"):rep(4))).test:size())
    local none = '{"test":{"dtype":"I32","shape":[2,0],"data_offsets":[0, 0]}}'
    assert.are.same({ 2, 0 }, accepted(file_of(none)).test:size())
    for _, blank in ipairs { "{}\r \t\n", "\t\n{}\r ", "{}      " } do accepted(file_of(blank)) end
    accepted(file_of '{"__metadata__":null}')
    tensors = accepted(file_of('{"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\/":' ..
      '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', "a"))
    assert.is_truthy(tensors["Aé€😀/"])
    accepted(file_of('{"x":{"dtype":"U8","more":[{"a":[1.5e-3,true,null,"\\u00e9"]}],"shape":[1],' ..
      '"data_offsets":[0,1]}}', "a"))
    local big = "\0\0\0\0\0\0\128\63\0\0\0\64\0\0\64\64\0\0\128\64\0\0\160\64"
    local attn = accepted(file_of(
      '{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}', big, 72)).attn0
    for i = 0, 5 do assert.are.equal(i, attn:get(1, 1, math.floor(i / 3) + 1, i % 3 + 1)) end
  end)

  it("of types that tensors cannot hold are listed, not read", function()
    local header = '{"f":{"dtype":"F4","shape":[1,2],"data_offsets":[0,1]}}'
    fs.write(path, file_of(header, "a", 64))
    local list = safetensors.info(path)
    assert.are.equal("F4", list[1].file_dtype)
    assert.is_nil(list[1].dtype)
    local good, message = pcall(safetensors.load, path)
    assert.is_false(good)
    assert.is_truthy(message:find("'f' has dtype F4", 1, true), message)
    fs.write(path, file_of('{"x":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}', "a"))
    assert.are.equal(9, #safetensors.info(path)[1].shape)
    good, message = pcall(safetensors.load, path)
    assert.is_false(good)
    assert.is_truthy(message:find("9 dimensions", 1, true), message)
  end)

  it("in mixed order match an independent writer", function()
    local a, b = lt.tensor({ 1, 2, 3 }, "u8"), lt.tensor { 1, 2 }
    safetensors.save(path, { a = a, b = b }, {})
    local text = fs.read(path)
    local header = '{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
      .. ',"a":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}'
    local padded = math.ceil(#header / 8) * 8
    assert.are.equal(file_of(header, "\0\0\128\63\0\0\0\64\1\2\3", padded), text)
  end)
end)

-- Headers with one thing wrong, and words that must be in the refusal.
local x = '"x":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}'
local invalid = {
  { "its header's length alone takes 8", "" },
  { "its header's length alone takes 8", "\60\0\0\0\0\0\0" },
  { "the file ends after 0", "\60\0\0\0\0\0\0\0" },
  { "more than 100000000", "\60\0\0\0\0\255\255\255" },
  { "the header should have 100000000 bytes", "\0\225\245\5\0\0\0\0x" },
  { "byte 8: not UTF-8", file_of "\255" },
  { "it ends too early", file_of "{" },
  { "should begin with '{'", file_of "[]" },
  { "it ends too early", file_of "" },
  { "text after the end", file_of "{}{}" },
  { "20 bytes of data, the header describes 16", file_of("{" .. x .. "}", ("\0"):rep(20)) },
  { "the file is cut short", file_of("{" .. x .. "}", ("\0"):rep(14)) },
  { "'x' is there twice", file_of("{" .. x .. "," .. x .. "}", ("\0"):rep(16)) },
  { "'x' has 4 bytes in data_offsets, its shape and dtype I32 need 16",
    file_of('{"x":{"dtype":"I32","shape":[2,2],"data_offsets":[0,4]}}', ("\0"):rep(4)) },
  { "beyond 64 bits",
    file_of('{"x":{"dtype":"I32","shape":[2,18446744073709551614],"data_offsets":[0,16]}}',
      ("\0"):rep(16)) },
  { "beyond 64 bits",
    file_of('{"x":{"dtype":"I32","shape":[2,9223372036854775807],"data_offsets":[0,16]}}',
      ("\0"):rep(16)) },
  { "beyond 64 bits",
    file_of('{"x":{"dtype":"I32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}') },
  { "beyond 64 bits", file_of('{"x":{"dtype":"I32","shape":[18446744073709551616],"data_offsets":[0,0]}}') },
  { "does not fill whole bytes",
    file_of('{"x":{"dtype":"F4","shape":[1,3],"data_offsets":[0,2]}}', "ab") },
  { "where 0 should begin", file_of('{"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', "ab") },
  { "where 1 should begin", file_of('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' ..
    '"y":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}', "abc") },
  { "where 2 should begin", file_of('{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},' ..
    '"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', "abc") },
  { "where 0 should begin", file_of('{"x":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', "a") },
  { "unknown dtype 'F33'", file_of('{"x":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}', "abcd") },
  { "'x' has no 'shape'", file_of('{"x":{"dtype":"U8","data_offsets":[0,1]}}', "a") },
  { "'x' has no 'dtype'", file_of('{"x":{}}', "a") },
  { "'x' has 'shape' twice",
    file_of('{"x":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', "a") },
  { "whole number", file_of('{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', "a") },
  { "whole number", file_of('{"x":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', "a") },
  { "whole number", file_of('{"x":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', "a") },
  { "leading zero", file_of('{"x":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}', "a") },
  { "list of two numbers", file_of('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', "a") },
  { "list of two numbers", file_of('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0]}}', "a") },
  { "should be an object", file_of '{"x":1}' },
  { "only strings", file_of '{"__metadata__":{"a":1}}' },
  { "the key 'a' twice", file_of '{"__metadata__":{"a":"1","b":"","a":"2"}}' },
  { "__metadata__ is there twice", file_of '{"__metadata__":{},"__metadata__":{}}' },
  { "unknown escape", file_of '{"\\x":1}' },
  { "malformed \\u", file_of '{"\\ud800":1}' },
  { "control character", file_of '{"\n":1}' },
  { "nested too deep", file_of('{"x":{"more":' .. ("["):rep(200) .. ("]"):rep(200) .. "}}") },
  { "it ends too early", file_of('{"x":{"more":' .. ("["):rep(100)) },
}

describe("an invalid file", function()
  for i, case in ipairs(invalid) do
    it(("is refused: %d %s"):format(i, case[1]), function() refused(case[1], case[2]) end)
  end

  it("has no error but a sentence, whatever is changed", function()
    local content = fs.read(golden)
    math.randomseed(3)
    for _ = 1, 2000 do
      local at = math.random(600)
      local changed = content:sub(1, at - 1) .. string.char(math.random(0, 255)) .. content:sub(at + 1)
      local out = ffi.new "lt_safetensors *[1]"
      local status = C.lt_safetensors_parse(out, "x", changed, #changed)
      if status == 0 then C.lt_safetensors_close(out[0])
      else assert.are.equal(C.LT_ERR_FORMAT, status) end
    end
  end)

  it("that cannot be opened is named", function()
    local good, message = pcall(safetensors.load, directory .. "/none")
    assert.is_false(good)
    assert.is_truthy(message:find("/none: No such file", 1, true), message)
    good, message = pcall(safetensors.load, directory)
    assert.is_false(good)
    assert.is_truthy(message:find("not a regular file", 1, true), message)
  end)
end)

describe("very many tensors", function()
  it("are read in time", function()
    local parts, n = {}, 200000
    for i = 1, n do
      parts[i] = ('"t%d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'):format(i * 7919 % n, i - 1, i)
    end
    local content = file_of("{" .. table.concat(parts, ",") .. "}", ("x"):rep(n))
    local out = ffi.new "lt_safetensors *[1]"
    local start = lt.time()
    check(C.lt_safetensors_parse(out, "x", content, #content))
    -- A fifth of them; quadratic work would take minutes.
    assert.is_true(lt.time() - start < 10)
    assert.are.equal(n, tonumber(C.lt_safetensors_count(out[0])))
    assert.are.equal(n - 1, tonumber(C.lt_safetensors_find(out[0], "t0", 2)))
    assert.are.equal(-1, tonumber(C.lt_safetensors_find(out[0], "t" .. n, #tostring(n) + 1)))
    C.lt_safetensors_close(out[0])
  end)
end)

describe("writing", function()
  it("takes tensors however they lie in memory", function()
    local t = lt.arange(12):view(3, 4)
    safetensors.save(path, { whole = t, turned = t:transpose(1, 2), part = t:narrow(2, 2, 2) })
    local back = safetensors.load(path)
    assert.are.same({ 4, 3 }, back.turned:size())
    assert.are.equal(t:get(2, 3), back.turned:get(3, 2))
    assert.are.equal(t:get(3, 2), back.part:get(3, 1))
  end)

  it("refuses what no file can hold", function()
    local t = lt.zeros(1)
    local function fails(words, tensors, metadata)
      local good, message = pcall(safetensors.save, path, tensors, metadata)
      assert.is_false(good)
      assert.is_truthy(message:find(words, 1, true), message)
      assert.is_false(fs.exists(path))
    end
    fails("__metadata__", { __metadata__ = t })
    fails("plain UTF-8", { ["a\255"] = t })
    fails("plain UTF-8", { ["a\0b"] = t })
    fails("not a tensor", { a = 1 })
    fails("metadata.k", { a = t }, { k = 1 })
    t:release()
    fails("released", { a = t })
  end)

  it("leaves the old file when the disk fails", function()
    local t = lt.zeros(100000)
    safetensors.save(path, { a = lt.ones(1) })
    local old = fs.read(path)
    for _, spec in ipairs { "write:1:ENOSPC", "write:2:ENOSPC", "fsync:1:EIO", "rename:1:EIO" } do
      check(C.lt_file_fault(spec))
      local good, message = pcall(safetensors.save, path, { a = t })
      check(C.lt_file_fault(nil))
      assert.is_false(good, spec)
      assert.is_truthy(message:find(path, 1, true), message)
      assert.are.equal(old, fs.read(path))
      assert.are.same({ "x.safetensors" }, fs.list(directory))
    end
  end)

  it("does not hold on to tensors", function()
    collectgarbage()
    collectgarbage()
    local before = lt.memory().storages
    lt.scope(function() safetensors.save(path, { a = lt.ones(5) }); safetensors.load(path) end)
    assert.are.equal(before, lt.memory().storages)
  end)
end)

describe("a NaN from a file", function()
  it("with any bits is a NaN in Lua", function()
    local head = '{"x":{"dtype":"F32","shape":[64],"data_offsets":[0,256]},' ..
      '"y":{"dtype":"F64","shape":[64],"data_offsets":[256,768]}}'
    local tensors = accepted(file_of(head, ("\255\255\255\255"):rep(64) ..
      ("\255\255\255\255\255\255\253\255"):rep(64)))
    for _, name in ipairs { "x", "y" } do
      for i = 1, 64 do
        local value = tensors[name]:get(i)
        assert(type(value) == "number" and value ~= value)
      end
    end
  end)
end)
