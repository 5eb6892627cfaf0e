local lt = require "luatrain"

local function sort(...)
  local d, descending = ...
  return function(x) return x:sort(d, descending) end
end
return { golden = "ops_sort", cases = {
  { name = "sort", fn = sort() },
  { name = "sort_first", fn = sort { dim = 1, descending = true } },
  { name = "ties", fn = sort() },
  { name = "ties_descending", fn = sort(1, true) },
  { name = "special", fn = sort() },
  { name = "special_descending", fn = sort(1, true) },
  { name = "long", fn = sort(2) },
  { name = "i64", fn = sort() },
  { name = "u8", fn = sort(1, true) },
  { name = "argsort", fn = function(x) return x:argsort(2) end },
  { name = "topk", fn = function(x) return x:topk(3) end },
  { name = "topk_first", fn = function(x) return x:topk(2, 1) end },
  { name = "topk_smallest", fn = function(x) return x:topk(2, { dim = 2, largest = false }) end },
  { name = "edges", golden = false, check = function()
    assert(lt.zeros(0):sort():numel() == 0 and lt.zeros(3, 0):sort(1):numel() == 0)
    assert(lt.tensor { 4 }:sort():item() == 4 and lt.zeros(3):topk(0):numel() == 0)
    local x = lt.randn(50, 700)
    local y, at = x:sort(2)
    assert(y:narrow(2, 1, 699):le(y:narrow(2, 2, 699)):all():item())
    assert(x:gather(2, at):equal(y))
    assert(x:t():sort(1):t():equal(y))
    for _, f in ipairs {
      function() return lt.zeros(3):topk(4) end,
      function() return lt.zeros(3):sort(2) end,
      function() return lt.zeros(3):cast("f64"):sort() end,
    } do
      local ok, text = pcall(f)
      assert(not ok and text:find "tests/ops/sort.lua", text)
    end
  end },
} }
