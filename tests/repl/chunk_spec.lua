-- When an input is whole, and what it is compiled to.
local chunk = require "luatrain.repl.chunk"
local host = require "luatrain.host"
local lexer = require "luatrain.repl.lexer"

describe("whether an input is whole", function()
  local cases = {
    whole = {"", "  ", "1 + 1", "x", "a, b", "f(1)", "x = 3", "local x", "return 1", "-- a comment",
      "x -- with a comment", "'a string'", "[[long\nstring]]", "--[[ long\ncomment ]]", "f{\n1,\n2\n}",
      "for i = 1, 3 do print(i) end", "function f()\n  return 1\nend", "if a then b() else c() end",
      "repeat x = 1 until true", "local t = {1, 2}", "print 'near <eof>'", "a.b.c", "a:b()", "é = 1", "x;",
      "goto done ::done::", "while true do break end", "f(function()\n  return 2\nend)",
      "x = 3; x * 2", "f()\nx", "f() ; a, b"},
    part = {"1 +", "x =", "local", "local function f()", "f(", "{1,", "[[long", "--[[ comment", "a.", "a:b",
      "for i = 1, 3 do", "while true do", "if a then", "if a then b() else", "if a then elseif b", "repeat",
      "function f(a,", "f(function()", "x = {\n  a = 1,", "return {", "[==[ ]]", "not", "do local a = 1"},
    wrong = {"x y", "1 = 2", "for = 3", "'open string", "end", ")", "a b c", "x = = 1", "local 3", "f())",
      "goto nowhere", "break 1", "'near <eof>' x"},
  }
  for state, texts in pairs(cases) do
    for _, text in ipairs(texts) do
      it(("%q is %s"):format(text, state), function() assert.equal(state, (chunk.state(text))) end)
    end
  end

  it("tells what is wrong", function()
    local _, message = chunk.state "x y"
    assert.matches("near 'y'", message)
  end)
end)

describe("a compiled input", function()
  local function values(text, reserved)
    local f, is_expression, kept = assert(chunk.compile(text, "=[1]", reserved))
    return {f()}, is_expression, kept
  end

  it("returns the values of an expression", function()
    local list, is_expression = values "1 + 1, 'a' -- and a comment"
    assert.same({2, "a"}, list)
    assert.is_true(is_expression)
  end)

  it("returns the values of an expression behind statements", function()
    assert.same({6}, (values "do local y = 1 end return 6"))
    local list, is_expression = values("local x = 3; x * 2", {x = 1})
    assert.same({6}, list)
    assert.is_true(is_expression)
    assert.same({"x = 3;\n", "x"}, {chunk.split "x = 3;\nx"})
    assert.same({"7"}, (values "local _ = 7\ntostring(_)"))
    assert.same({"5"}, (values "for _ = 1, 2 do end; tostring(5) -- and a comment"))
    assert.same({}, (values("result = 3\n-tostring(1)", {})))     -- one statement
    assert.equal(2, rawget(_G, "result"))
    rawset(_G, "result", nil)
  end)

  it("makes locals of the outermost level global, no others", function()
    local env = setmetatable({}, {__index = _G})
    local f = assert(chunk.compile("local a, b = 1, 2\nlocal c\n"
      .. "local function d(x) local y = x return y end\ndo local e = 5 end", "=[1]", {}))
    setfenv(f, env)
    f()
    assert.equal(1, rawget(env, "a"))
    assert.equal(2, rawget(env, "b"))
    assert.is_nil(rawget(env, "c"))
    assert.equal(7, rawget(env, "d")(7))
    assert.is_nil(rawget(env, "e"))
    assert.is_nil(rawget(env, "y"))
  end)

  it("leaves names alone that the library needs", function()
    local before = type
    local _, _, kept = values("local type = 3; return type", {type = before})
    assert.same({"type"}, kept)
    assert.equal(before, _G.type)
  end)

  it("keeps lines, and columns of expressions", function()
    local f = chunk.compile("x = 1\nfor i = 1, 2 do\n  error 'here'\nend", "=[4]", {})
    local ok, e = pcall(f)
    assert.is_false(ok)
    assert.equal("[4]:3: here", e)
  end)

  it("has its error on its own line", function()
    for text, line in pairs {["nil_name.x -- why"] = 1,
      ["{\n1,\nnil_name.x\n}"] = 3, ["x = 1; nil_name.x"] = 1} do
      local f = chunk.compile(text, "=[4]", {})
      local ok, e = pcall(setfenv(f, {}))
      assert.is_false(ok)
      assert.matches("^%[4%]:" .. line .. ":", e)
    end
  end)

  it("is not confused by strings, comments and names like keywords", function()
    local text = "local s = 'while true do' -- do\n"
      .. "local t = {['end'] = [[function()]], x = '\\'do'}\nreturn s, t"
    assert.equal("while true do", values(text, {s = 1, t = 1})[1])
  end)

  it("looks at the interrupt in every kind of loop", function()
    for text, times in pairs {["while true do end"] = 1, ["repeat until false"] = 1, ["x = 1"] = 0,
      ["for i = 1, 2 do for _ in f do end end"] = 2, ["::again:: goto again"] = 1, ["'while true do'"] = 0,
      ["local function f(a, b) return f(b, a) end"] = 1, ["x.goto = function() end"] = 1} do
      local _, count = chunk.transform(text):gsub(chunk.check_name .. "%(%);", "")
      assert.equal(times, count, text)
    end
  end)

  it("can have blocks begin with a parenthesis", function()
    assert.same({3}, (values "do (function() end)() end return 3"))
  end)

  it("may make globals although they are strict", function()
    local before = getmetatable(_G)
    host.strict()
    local f = chunk.compile("luatrain_test_global = 5", "=[1]", {})
    local ok, e = pcall(f)
    setmetatable(_G, before)
    assert.is_true(ok, e)
    assert.equal(5, rawget(_G, "luatrain_test_global"))
    rawset(_G, "luatrain_test_global", nil)
  end)
end)

describe("words", function()
  it("have their kinds and places", function()
    local list = {}
    for _, token in ipairs(lexer.tokens "local x = 0x1F .. 'a\\'b' -- c") do
      list[#list + 1] = token.kind .. " " .. token.text
    end
    assert.same({"keyword local", "name x", "operator =", "number 0x1F", "operator ..", "string 'a\\'b'",
      "comment -- c"}, list)
  end)

  it("are apart from hexadecimal numbers", function()
    local list = {}
    for _, token in ipairs(lexer.tokens "0x1F+abc-0x1p-3LL") do list[#list + 1] = token.text end
    assert.same({"0x1F", "+", "abc", "-", "0x1p-3LL"}, list)
  end)

  it("tell strings without an end", function()
    for _, text in ipairs {"'abc", '"abc\\"', "[[abc", "[==[abc]]", "--[[abc"} do
      local tokens = lexer.tokens("x = " .. text)
      assert.is_true(tokens[#tokens].open, text)
    end
  end)

  it("take a long text in a moment", function()
    assert.equal(200000 * 3, #lexer.tokens(("x = 1\n"):rep(200000)))
  end)
end)

describe("the indentation", function()
  for _, case in ipairs {
    {"for i = 1, 3 do", 0, 1}, {"for i = 1, 3 do\n  x()", 1, 1}, {"for i = 1, 3 do\n  end", 0, 0},
    {"f({\n1,\n})", 0, 0}, {"if x then\n  else", 0, 1}, {"f(function()\nx()\nend)", 0, 0}, {"x = 1", 0, 0},
    {"if a then\n  if b then\n    x()\n  end", 1, 1}, {"repeat\nuntil x", 0, 0}, {"end", 0, 0}} do
    it(("of %q"):format(case[1]), function()
      local own, following = lexer.indentation(case[1])
      assert.same({case[2], case[3]}, {own, following})
    end)
  end
end)
