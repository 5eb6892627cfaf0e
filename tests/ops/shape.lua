local lt = require "luatrain"

local cases = {}
local function case(name, fn, inputs, options)
  local c = options or {}
  c.name, c.fn, c.inputs = name, fn, inputs
  cases[#cases + 1] = c
end
local x = { { 2, 3, 4 } }

case("cat", function(...) return lt.cat({ ... }, 2) end, { { 2, 1, 4 }, { 2, 3, 4 }, { 2, 2, 4 } })
case("cat_last", function(...) return lt.cat({ ... }, -1) end, { { 2, 3 }, { 2, 1 } })
case("cat_same", function(a) return lt.cat { a, a } end, x)
case("cat_i64", function(...) return lt.cat { ... } end)
case("stack", function(...) return lt.stack({ ... }, 2) end, { { 2, 3 }, { 2, 3 } })
case("stack_last", function(...) return lt.stack({ ... }, -1) end, { { 2, 3 }, { 2, 3 } })
case("split", function(a) return unpack(a:split(3, 3)) end, x)
case("split_sizes", function(a) return unpack(a:split({ 1, 3 }, -1)) end, x)
case("chunk", function(a) return unpack(a:chunk(2, 2)) end, x)
case("pad", function(a) return a:pad { 1, 2 } end, x)
case("pad_two", function(a) return a:pad({ 1, 0, 2, 1 }, "constant", -1.5) end, x)
case("pad_reflect", function(a) return a:pad({ 3, 1 }, "reflect") end, x)
case("pad_reflect_two", function(a) return a:pad({ 1, 2, 2, 1 }, "reflect") end, x)
case("pad_replicate", function(a) return a:pad({ 2, 3 }, "replicate") end, x)
case("pad_bf16", function(a) return a:pad { 1, 1 } end, nil, { tolerance = 0 })
case("flip", function(a) return a:flip(2) end, x)
case("flip_two", function(a) return a:flip { 1, 3 } end, x)
case("roll", function(a) return a:roll(1, 3) end, x)
case("roll_two", function(a) return a:roll({ -1, 5 }, { 2, 3 }) end, x)
case("roll_flat", function(a) return a:roll(7) end, x)
case("tile", function(a) return a:tile(2, 1, 3) end, x)
case("tile_more", function(a) return a:tile { 2, 2, 1 } end, { { 3, 2 } })
case("unfold", function(a) return a:unfold(3, 3) end, x)
case("unfold_step", function(a) return a:unfold(1, 4, 3) end, { { 11, 2 } })
case("tril", function(a) return a:tril() end, { { 4, 5 } })
case("tril_above", function(a) return a:tril(1) end, { { 2, 3, 4 } })
case("triu", function(a) return a:triu(-1) end, { { 2, 4, 3 } })
case("triu_bool", function(a) return a:triu(1) end)

case("layouts", nil, nil, { golden = false, check = function()
  -- Joining and padding keep the memory order of channels-last tensors.
  local a, b = lt.randn(2, 3, 4, 5), lt.randn(2, 2, 4, 5)
  local ca, cb = a:contiguous "channels_last", b:contiguous "channels_last"
  local y = lt.cat({ ca, cb }, 2)
  assert(y:stride(2) == 1 and y:equal(lt.cat({ a, b }, 2)))
  local padded = ca:pad { 1, 1, 1, 1 }
  assert(padded:stride(2) == 1 and padded:equal(a:pad { 1, 1, 1, 1 }))
  assert(lt.cat { lt.zeros({ 1 }, { dtype = "u8" }), lt.zeros(1) }:dtype() == "f32")
  assert(lt.cat({ lt.zeros(0, 3), lt.ones(2, 3) }):equal(lt.ones(2, 3)))
end })

case("errors", nil, nil, { golden = false, check = function()
  local a = lt.zeros(2, 3)
  for _, f in ipairs {
    function() return lt.cat({ a, lt.zeros(3, 4) }, 1) end,
    function() return lt.cat(a) end,
    function() return lt.stack {} end,
    function() return a:split({ 1, 1 }, 2) end,
    function() return a:pad { 1 } end,
    function() return a:pad({ 3, 0 }, "reflect") end,
    function() return a:pad({ 1, 0 }, "mirror") end,
    function() return a:pad { -1, 0 } end,
    function() return a:unfold(2, 4) end,
    function() return lt.zeros(3):tril() end,
  } do
    local ok, text = pcall(f)
    assert(not ok and text:find "tests/ops/shape.lua", text)
  end
end })

return { golden = "ops_shape", cases = cases }
