-- Causal convolutions: zeros before, nothing from the future, the past's length kept.
local harness = require "ops_harness"
local nn = lt.nn

describe("causal padding", function()
  it("is zeros before the first frame", function()
    local m = nn.Conv1d(2, 3, 3, { padding = "causal", dilation = 2, bias = false })
    local x = lt.randn(1, 2, 9)
    local y = m(x)
    assert.same({ 1, 3, 9 }, y:size())
    harness.close(y, lt.conv1d(lt.cat({ lt.zeros(1, 2, 4), x }, 3), m.weight, nil, { 1 }, { 0 }, { 2 }), 1e-6,
      "y")
    x:narrow(3, 6, 4):fill_(7)
    harness.close(m(x):narrow(3, 1, 5), y:narrow(3, 1, 5), 0, "the past")
    assert.truthy(tostring(m):find("causal", 1, true))
  end)

  it("is over time alone in two dimensions", function()
    local m = nn.Conv2d(1, 2, { 3, 5 }, { padding = { "causal", 2 } })
    local plain = nn.Conv2d(1, 2, { 3, 5 }, { padding = { 0, 2 } })
    plain:load_state_dict((m:state_dict()))
    local x = lt.randn(2, 1, 6, 8)
    assert.same({ 2, 2, 6, 8 }, m(x):size())
    harness.close(m(x):narrow(3, 3, 4), plain(x), 1e-6, "y")
    assert.same({ 2, 2, 6, 4 }, nn.Conv2d(1, 2, { 3, 5 }, { padding = "causal" })(x):size())
  end)

  it("is refused where it makes no sense", function()
    for _, make in ipairs { function() nn.ConvTranspose1d(1, 1, 3, { padding = "causal" }) end,
      function() nn.Conv1d(1, 1, 3, { padding = "casual" }) end } do
      local ok, e = pcall(make)
      assert.is_false(ok)
      assert.truthy(tostring(e):find("padding", 1, true), tostring(e))
    end
  end)
end)
