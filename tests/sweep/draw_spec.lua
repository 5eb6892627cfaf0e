-- Random numbers and the normal distribution of sweeps.
local draw = require "luatrain.sweep.draw"
local normal = require "luatrain.sweep.normal"

describe("the stream of a sweep", function()
  it("is Philox4x32-10, by the known answers of its authors", function()
    for _, case in ipairs {
      { { 0, 0, 0, 0, 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
      { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
        { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
      { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0 },
        { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    } do
      assert.are.same(case[2], { draw.philox(unpack(case[1])) })
    end
  end)

  it("depends on seed, number and name, each of them", function()
    local function first(...) return draw.stream(...):uniform() end
    assert.are.equal(first(1, 2, "lr"), first(1, 2, "lr"))
    local seen = {}
    for _, one in ipairs { { 1, 2, "lr" }, { 2, 2, "lr" }, { 1, 3, "lr" }, { 1, 2, "rl" }, { 1, 2, "" },
      { 2 ^ 40 + 1, 2, "lr" } } do
      local x = first(unpack(one))
      assert.is_nil(seen[x])
      seen[x] = true
    end
  end)

  it("gives numbers of the right distribution", function()
    local stream = draw.stream(7, 1, "moments")
    local n, sum, squares, low = 20000, 0, 0, 1
    for _ = 1, n do
      local u = stream:uniform()
      assert.is_true(u >= 0 and u < 1)
      sum, squares, low = sum + u, squares + u * u, math.min(low, u)
    end
    assert.is_true(math.abs(sum / n - 1 / 2) < 0.01 and math.abs(squares / n - 1 / 3) < 0.01)
    assert.is_true(low < 1e-3)
    sum, squares = 0, 0
    local fourth = 0
    for _ = 1, n do
      local z = stream:normal()
      sum, squares, fourth = sum + z, squares + z * z, fourth + z ^ 4
    end
    assert.is_true(math.abs(sum / n) < 0.03 and math.abs(squares / n - 1) < 0.05
      and math.abs(fourth / n - 3) < 0.3)
  end)

  it("puts things in order at random", function()
    local list = draw.stream(3, 0, "order"):permutation(100)
    local moved = 0
    for i, k in ipairs(list) do if i ~= k then moved = moved + 1 end end
    table.sort(list)
    for i = 1, 100 do assert.are.equal(i, list[i]) end
    assert.is_true(moved > 80)
  end)
end)

-- Values by mpmath with 50 digits.
describe("the normal distribution", function()
  it("keeps its logarithms in the tails", function()
    for _, case in ipairs {
      { -40, -804.608442013754 }, { -20, -203.917155371097 }, { -14.1, -102.975081523735 },
      { -13.9, -100.160937768326 }, { -1, -1.84102164500926 }, { 0, -0.693147180559945 },
      { 3, -0.00135080996474819 }, { 8, -6.22096057427179e-16 },
    } do
      local x = normal.log_cdf(case[1])
      assert.is_true(math.abs(x / case[2] - 1) < 1e-9, ("%g: %.15g"):format(case[1], x))
    end
    for _, case in ipairs {
      { -1, 2, -0.200166294324463 }, { 5, 6, -15.0684460965295 }, { -6, -5, -15.0684460965295 },
      { 30, 30.1, -454.371879083861 }, { -0.001, 0.001, -7.13354679829352 },
    } do
      local x = normal.log_mass(case[1], case[2])
      assert.is_true(math.abs(x / case[3] - 1) < 1e-9, ("%g %g: %.15g"):format(case[1], case[2], x))
    end
    assert.are.equal(-math.huge, normal.log_mass(1, 1))
  end)

  it("is inverted", function()
    for _, p in ipairs { 1e-300, 1e-12, 0.01, 0.3, 0.5, 0.8, 0.999999 } do
      assert.is_true(math.abs(normal.cdf(normal.quantile(p)) / p - 1) < 1e-12, tostring(p))
    end
    assert.is_true(math.abs(normal.quantile(0.975) - 1.959963984540054) < 1e-14)
    for _, range in ipairs { { -1, 2 }, { -0.1, 0 }, { 0, 30 }, { -7, 100 } } do
      local a, b = range[1], range[2]
      assert.is_true(math.abs(normal.truncated_quantile(0, a, b) - a) < 1e-12)
      for i = 1, 9 do
        local x = normal.truncated_quantile(i / 10, a, b)
        local share = (normal.cdf(x) - normal.cdf(a)) / (normal.cdf(b) - normal.cdf(a))
        assert.is_true(math.abs(share - i / 10) < 1e-12)
      end
    end
  end)
end)
