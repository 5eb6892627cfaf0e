local lt = require "luatrain"

local function ids(high, ...)
  return { shape = { ... }, dtype = "i64", low = 0, high = high }
end
local cases = {}
local function case(name, fn, inputs, options)
  local c = options or {}
  c.name, c.fn, c.inputs = name, fn, inputs
  cases[#cases + 1] = c
end
local x = { 3, 4, 5 }

case("gather_1", function(a, i) return a:gather(1, i) end, { x, ids(3, 2, 4, 3) })
case("gather_2", function(a, i) return a:gather(2, i) end, { x, ids(4, 3, 7, 5) })
case("gather_3", function(a, i) return a:gather(-1, i) end, { x, ids(5, 3, 2, 6) })
case("gather_i64", function(a, i) return a:gather(1, i) end)
case("scatter_add_1", function(a, i, s) return a:scatter_add(1, i, s) end,
  { x, ids(3, 6, 4, 5), { 6, 4, 5 } })
case("scatter_add_3", function(a, i, s) return a:scatter_add(3, i, s) end,
  { x, ids(5, 3, 4, 8), { 3, 4, 8 } })
case("index_select_1", function(a, i) return a:index_select(1, i) end, { x, ids(3, 5) })
case("index_select_3", function(a, i) return a:index_select(3, i) end, { x, ids(5, 7) })
case("index_select_bool", function(a, i) return a:index_select(1, i) end)
case("index_add", function(a, i, s) return a:index_add(2, i, s) end, { x, ids(4, 6), { 3, 6, 5 } })
case("embedding", lt.embedding, { ids(7, 2, 3), { 7, 4 } })
case("embedding_padding", function(i, w) return lt.embedding(i, w, { padding_idx = 2 }) end)
case("take", function(a, i) return a:take(i) end, { x, ids(60, 2, 4) })
case("masked_select", lt.masked_select)
case("masked_select_row", lt.masked_select)
case("nonzero", lt.nonzero)
case("one_hot", function(i) return i:one_hot(6) end)

case("lists and small ids", nil, nil, { golden = false, check = function()
  local a = lt.arange(12):reshape(4, 3)
  assert(a:index_select(1, { 2, 0 }):equal(lt.tensor { { 6, 7, 8 }, { 0, 1, 2 } }))
  assert(a:index_select(2, lt.tensor({ 1 }, "u8")):equal(a:narrow(2, 2, 1)))
  assert(lt.tensor({ 0, 2 }, "i64"):one_hot():size(2) == 3)
  assert(a:gt(100):nonzero():shape_text() == "(0, 2)" and a:masked_select(a:gt(100)):numel() == 0)
  assert(lt.embedding(lt.zeros({ 0 }, { dtype = "i64" }), a):shape_text() == "(0, 3)")
end })

case("large sums", nil, nil, { golden = false, check = function()
  -- Many repeated ids on several threads: the same as one product with a one-hot matrix.
  local n, rows = 3000, 17
  local i, s = lt.randint(0, rows, { n }), lt.randn(n, 40)
  local y = lt.zeros(rows, 40):index_add(1, i, s)
  local z = lt.zeros(rows, 40):scatter_add(1, i:unsqueeze(2):expand(n, 40), s)
  assert(y:allclose(z, 1e-4, 1e-4))
  local total = lt.zeros(rows, 40)
  for k = 0, rows - 1 do
    total[k + 1] = s:masked_fill(i:ne(k):unsqueeze(2), 0):sum(1)
  end
  assert(y:allclose(total, 1e-4, 1e-4))
end })

case("errors", nil, nil, { golden = false, check = function()
  local a, w = lt.zeros(3, 4), lt.zeros(5, 2)
  for wanted, f in pairs {
    ["id 5 .* 0 to 4"] = function() return lt.embedding({ 1, 5 }, w) end,
    ["id %-1 .* 0 to 2"] = function() return a:index_select(1, { -1 }) end,
    ["id 4 .* 0 to 3"] = function() return a:gather(2, lt.tensor({ { 4 } }, "i64")) end,
    ["integer tensor"] = function() return a:index_select(1, lt.zeros(2)) end,
    ["larger than x"] = function() return a:gather(2, lt.zeros({ 4, 1 }, { dtype = "i64" })) end,
    ["id 7 .* 0 to 2"] = function() return lt.tensor({ 7 }, "i64"):one_hot(3) end,
    ["slices"] = function() return a:index_add(1, { 0, 1 }, lt.zeros(3, 4)) end,
  } do
    local ok, text = pcall(f)
    assert(not ok and text:find(wanted) and text:find "tests/ops/index.lua", text)
  end
end })

return { golden = "ops_index", cases = cases }
