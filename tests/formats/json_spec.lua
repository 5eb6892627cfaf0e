-- JSON: exact numbers, refusals with their place, bytes that depend on the value alone.
local ffi = require "ffi"
local fs = require "luatrain.fs"
local json = require "luatrain.json"

local function refused(words, f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  assert.is_truthy(message:find(words, 1, true), message)
end

describe("numbers", function()
  it("survive bit for bit, whatever they are", function()
    local u = ffi.new "union { uint32_t w[2]; double d; }"
    local back = ffi.new "union { uint32_t w[2]; double d; }"
    math.randomseed(1)
    for _ = 1, 20000 do
      -- All exponents but that of NaN and infinity.
      u.w[0], u.w[1] = math.random(0, 4294967295),
        math.random(0, 2046) * 2 ^ 20 + math.random(0, 2 ^ 20 - 1) + math.random(0, 1) * 2 ^ 31
      back.d = json.decode(json.encode(u.d))
      assert(u.w[0] == back.w[0] and u.w[1] == back.w[1], json.encode(u.d))
    end
    for _, x in ipairs { 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 2 ^ 53,
      2 ^ 53 + 2, 123456789012345678 } do
      assert.are.equal(x, json.decode(json.encode(x)))
    end
  end)

  it("are short and plain", function()
    assert.are.equal("[0,-0,1,-3,0.1,1e+300,1e+15,999999999999999,0.001,1e-07]",
      json.encode { 0, -0.0, 1, -3, 0.1, 1e300, 1e15, 999999999999999, 0.001, 1e-7 })
    assert.are.equal("[9223372036854775807,18446744073709551615]",
      json.encode { 9223372036854775807LL, 18446744073709551615ULL })
    assert.are.equal("-inf", tostring(1 / json.decode "-0"))
  end)

  it("that JSON has not are refused, or null when asked", function()
    refused("the value.loss[2] is nan", json.encode, { loss = { 1, 0 / 0 } })
    refused("inf", json.encode, 1 / 0)
    assert.are.equal("[null,null,1]", json.encode({ 0 / 0, -1 / 0, 1 }, { nonfinite = "null" }))
    for _, text in ipairs { "NaN", "Infinity", "-Infinity", "0x10", "01", "-", "1.", ".5", "1e", "+1",
      "1e+", "--1", "1_0" } do
      refused("json:1:", json.decode, text)
    end
    refused("too large", json.decode, "1e999")
  end)
end)

describe("objects and arrays", function()
  it("are written sorted", function()
    assert.are.equal('{"a":{"x":1,"y":[]},"b":[1,[2,{}]],"c":null}',
      json.encode { c = json.null, b = { 1, { 2, {} } }, a = { y = json.array(), x = 1 } })
  end)

  it("are written for people too", function()
    assert.are.equal('{\n  "a": [1, 2],\n  "b": {\n    "c": {}\n  },\n  "d": [\n    [],\n    [1]\n  ]\n}',
      json.encode({ a = { 1, 2 }, b = { c = {} }, d = { json.array(), { 1 } } }, { pretty = true }))
  end)

  it("come back as they were", function()
    local value = { name = "x", list = { 1, 2, { deep = true } }, empty = json.array(), none = {} }
    for _, options in ipairs { {}, { pretty = true }, { pretty = "\t" } } do
      local text = json.encode(value, options)
      assert.are.same(value, json.decode(text))
      assert.are.equal(text, json.encode(json.decode(text), options))
    end
    assert.are.same({ 1, json.null }, json.decode "[1,null]")
    assert.are.same({ 1, false }, json.decode("[1,null]", { null = false }))
  end)

  it("that are neither are refused", function()
    refused("mixes", json.encode, { 1, 2, a = 3 })
    refused("holes", json.encode, { [1] = 1, [4] = 4 })
    refused("holes", json.encode, { [1.5] = 1 })
    refused("key of type boolean", json.encode, { [true] = 1 })
    refused("is a function", json.encode, { f = print })
    local loop = {}
    loop.loop = loop
    refused("deeper than 200", json.encode, loop)
  end)
end)

describe("strings", function()
  it("are escaped and unescaped", function()
    local text = "\"\\/\b\f\n\r\t\0\1\31 é 😀 \127"
    assert.are.equal(text, json.decode(json.encode(text)))
    assert.are.equal([["\"\\/\b\f\n\r\t\u0000\u0001\u001f é 😀 ]] .. "\127\"", json.encode(text))
    assert.are.equal("é😀/", json.decode [["\u00e9\ud83d\ude00\/"]])
  end)

  it("are UTF-8", function()
    for _, bad in ipairs { "\128", "\192\128", "\195", "\224\128\128", "\237\160\128", "\244\144\128\128",
      "\248\136\128\128\128", "a\255" } do
      refused("UTF-8", json.encode, bad)
      refused("UTF-8", json.decode, '"' .. bad .. '"')
    end
    refused("surrogate", json.decode, [["\ud800"]])
    refused("surrogate", json.decode, [["\udc00\ud800"]])
    refused("hexadecimal", json.decode, [["\u12g4"]])
    refused("unknown escape", json.decode, [["\x"]])
    refused("control character \\x0a", json.decode, '"\n"')
  end)
end)

describe("bad text", function()
  it("is refused with file, line and column", function()
    for text, words in pairs {
      ['{"a":1,"a":2}'] = 'f.json:1:8: the key "a" is there twice',
      ["[1,]"] = "f.json:1:4: a value should follow here, not ']'",
      ['{"a":1,}'] = "f.json:1:8: a key in quotes",
      ['\n\n {"a" 1}'] = "f.json:3:7: ':' should follow",
      ["[1 2]"] = "f.json:1:4: ',' or ']'",
      ["[1,\n 2,\n tru]"] = "f.json:3:2: a value",
      ["{} {}"] = "f.json:1:4: text after",
      ["// x\n1"] = "f.json:1:1:",
      ['"abc'] = "f.json:1:1: this string does not end",
      [""] = "f.json:1:1: the text ends",
      [("["):rep(300)] = "f.json:1:201: nested deeper than 200",
    } do
      refused(words, json.decode, text, { name = "f.json" })
    end
  end)

  it("is refused wherever it is cut", function()
    local text = json.encode { a = { 1.5, true, false, json.null, "x\n\195\169" }, b = { c = {} } }
    for n = 0, #text - 1 do
      assert.is_false(pcall(json.decode, text:sub(1, n)), text:sub(1, n))
    end
  end)

  it("never raises anything but a sentence with a place", function()
    math.randomseed(2)
    local text = json.encode { a = { 1.5, true, json.null, "x\n\\" }, b = { c = -1e-7 } }
    local good_count = 0
    for _ = 1, 5000 do
      local at, with = math.random(#text), string.char(math.random(0, 255))
      local changed = text:sub(1, at - 1) .. with .. text:sub(at + math.random(0, 2))
      local good, message = pcall(json.decode, changed)
      if good then good_count = good_count + 1
      else assert.is_truthy(message:find "json:%d+:%d+: ", message) end
    end
    assert.is_true(good_count > 100 and good_count < 4500)
  end)
end)

describe("files", function()
  it("are saved and loaded", function()
    local directory = fs.temporary_directory()
    local path = directory .. "/x.json"
    json.save(path, { b = 1, a = { 1, 2 } })
    assert.are.equal('{\n  "a": [1, 2],\n  "b": 1\n}\n', fs.read(path))
    assert.are.same({ b = 1, a = { 1, 2 } }, json.load(path))
    refused(path, json.save, path, { 0 / 0 })
    fs.write(path, "{\n x}")
    refused(path .. ":2:2: a key", json.load, path)
    refused("cannot open", json.load, directory .. "/none")
    fs.remove_tree(directory)
  end)
end)
