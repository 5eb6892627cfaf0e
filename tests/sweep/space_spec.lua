-- Search spaces: what they hold, how they are written down, what is refused.
local space = require "luatrain.sweep.space"

-- One distribution of every kind.
local function kinds()
  return {
    lt.uniform(-2, 3), lt.log_uniform(1e-5, 1e-2), lt.integer(3, 11), lt.integer(1, 300, { log = true }),
    lt.integer(2, 15, { step = 4 }), lt.step(0, 0.5, 0.1), lt.choice { "relu", 2, true, false },
    lt.uniform(4, 4),
  }
end

local function refused(words, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  message = tostring(message)
  assert.is_nil(message:find "\n", "one line")
  assert.is_truthy(message:find(words, 1, true), message)
end

describe("a search space", function()
  it("names itself as a script writes it", function()
    local names = {}
    for i, d in ipairs(kinds()) do names[i] = tostring(d) end
    assert.are.same({ "uniform(-2, 3)", "log_uniform(1e-05, 0.01)", "integer(3, 11)",
      "integer(1, 300, {log = true})", "integer(2, 14, {step = 4})", "step(0, 0.5, 0.1)",
      "choice {'relu', 2, true, false}", "uniform(4, 4)" }, names)
  end)

  it("holds its values and no others", function()
    local d = kinds()
    for _, case in ipairs {
      { 1, -2, true }, { 1, 3, true }, { 1, 3.001, false }, { 1, 0 / 0, false }, { 1, "1", false },
      { 2, 1e-5, true }, { 2, 0, false }, { 3, 5, true }, { 3, 5.5, false }, { 3, 12, false },
      { 5, 14, true }, { 5, 12, false }, { 5, 15, false }, { 6, 0.1 * 3, true }, { 6, 0.25, false },
      { 7, "relu", true }, { 7, 2, true }, { 7, false, true }, { 7, "2", false }, { 7, 1, false },
    } do
      local one, value, is_in = d[case[1]], case[2], case[3]
      assert.are.equal(is_in, space.contains(one, value), tostring(one) .. tostring(value))
    end
  end)

  it("goes to the unit interval and back", function()
    for _, d in ipairs(kinds()) do
      local last = -1
      for i = 0, 200 do
        local value = space.from_unit(d, i / 200)
        assert.is_true(space.contains(d, value), tostring(d))
        local u = space.to_unit(d, value)
        local back = space.from_unit(d, u)
        if type(value) == "number" then
          assert.is_true(math.abs(back - value) <= 1e-12 * math.abs(value), tostring(d))
        else
          assert.are.equal(value, back)
        end
        assert.is_true(u >= last - 1e-12, "the order is kept")
        last = u
      end
    end
  end)

  it("gives discrete values the same room", function()
    for _, d in ipairs { lt.integer(3, 11), lt.integer(2, 15, { step = 4 }), lt.step(0, 0.5, 0.1),
      lt.choice { "a", "b", "c" } } do
      local counts, n = {}, space.count(d)
      for i = 0, 100 * n - 1 do
        local key = space.from_unit(d, (i + 0.5) / (100 * n))
        counts[key] = (counts[key] or 0) + 1
      end
      local values = space.values(d)
      assert.are.equal(n, #values)
      for _, value in ipairs(values) do assert.are.equal(100, counts[value], tostring(d)) end
    end
  end)

  it("survives JSON", function()
    for _, d in ipairs(kinds()) do
      local text = space.to_json(d)
      local back = space.from_json(text)
      assert.is_true(space.same(d, back))
      assert.are.equal(tostring(d), tostring(back))
      assert.are.equal(text, space.to_json(back))
    end
    local d = space.from_json(lt.json.decode(space.to_json(lt.log_uniform(0.1, 0.3))))
    assert.are.equal(0.3, d.high)
  end)

  it("tells distributions apart", function()
    local list = kinds()
    for i, a in ipairs(list) do
      for k, b in ipairs(kinds()) do assert.are.equal(i == k, space.same(a, b), i .. " " .. k) end
    end
    assert.is_false(space.same(lt.choice { "a", "b" }, lt.choice { "b", "a" }))
    assert.is_false(space.same(lt.uniform(1, 2), lt.log_uniform(1, 2)))
  end)

  it("stores choices by position", function()
    local d = lt.choice { "relu", 2, false }
    for i, value in ipairs { "relu", 2, false } do
      assert.are.equal(i, space.to_stored(d, value))
      assert.are.equal(value, space.from_stored(d, i))
    end
    assert.are.equal(7.5, space.from_stored(lt.uniform(1, 9), space.to_stored(lt.uniform(1, 9), 7.5)))
    refused("'gelu' is none of choice {'relu', 2, false}", function() space.to_stored(d, "gelu") end)
    refused("choice number 4", function() space.from_stored(d, 4) end)
  end)

  it("refuses what makes no sense, in one line", function()
    refused("uniform: the range is upside down: low is 3, high is 1", function() lt.uniform(3, 1) end)
    refused("low is nil; wanted a finite number", function() lt.uniform() end)
    refused("high is 'x'; wanted a finite number", function() lt.uniform(1, "x") end)
    refused("high is inf; wanted a finite number", function() lt.uniform(1, math.huge) end)
    refused("low is nan", function() lt.uniform(0 / 0, 1) end)
    refused("low is 0; a logarithmic range begins above 0", function() lt.log_uniform(0, 1) end)
    refused("low is -1; a logarithmic", function() lt.integer(-1, 5, { log = true }) end)
    refused("low is 0.5; wanted a whole number", function() lt.integer(0.5, 5) end)
    refused("unknown option 'stp'; did you mean 'step'?", function() lt.integer(1, 5, { stp = 2 }) end)
    refused("has no step other than 1, here it is 2",
      function() lt.integer(1, 5, { step = 2, log = true }) end)
    refused("step is 0; wanted a number above 0", function() lt.step(0, 1, 0) end)
    refused("the third argument, the step, is missing", function() lt.step(0, 1) end)
    refused("there is nothing to choose from", function() lt.choice {} end)
    refused("there is nothing to choose from", function() lt.choice "a" end)
    refused("a choice is nan", function() lt.choice { 0 / 0 } end)
    refused("'a' is there twice", function() lt.choice { "a", "b", "a" } end)
    refused("the choices have the key 'c'", function() lt.choice { "a", c = 2 } end)
    refused("'lr' is a number; wanted lt.uniform", function() space.check { lr = 3 } end)
    refused("the kind is 'flaot'; there are", function() space.from_json '{"kind": "flaot"}' end)
    refused("unknown option 'lo'; did you mean", function() space.from_json '{"kind": "float", "lo": 1}' end)
    refused("did you mean lt.log_uniform?", function() return lt.loguniform end)
  end)
end)
