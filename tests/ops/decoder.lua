-- The decoder's step is held against nn.TransformerDecoder in tests/nn/decoder_cache_spec.lua.
local ffi = require "ffi"
local assert = require "luassert"
local core = require "luatrain.core"

local cases = {}
local function add(case)
  case.golden = false
  cases[#cases + 1] = case
end

local function numbers(panels, fixed)
  return ffi.cast(fixed and "const int16_t *" or "const float *", core.C.lt_tensor_data(panels.c))
end

-- Element (o, k), from 0, of the m-th matrix of panels: (within, 16), or (within / 2, 16, 2).
local function element(p, m, out, within, o, k, fixed)
  local panel = m * math.ceil(out / 16) + math.floor(o / 16)
  if not fixed then return p[(panel * within + k) * 16 + o % 16] end
  return p[((panel * math.ceil(within / 2) + math.floor(k / 2)) * 16 + o % 16) * 2 + k % 2]
end

for _, fixed in ipairs { false, true } do
  for _, by_column in ipairs { false, true } do
    local name = ("decoder_pack, fixed %s, by_column %s"):format(tostring(fixed), tostring(by_column))
    add { name = name, check = function()
      for _, shape in ipairs { { 16, 3 }, { 2, 3, 21, 7 }, { 1, 1 } } do
        local w = lt.randn(shape) * lt.rand(shape):mul(5):exp()
        local n = #shape
        local out, within = shape[n - 1], shape[n]
        local panels, scales = lt.decoder_pack(w, { fixed = fixed, by_column = by_column })
        local p, s, values = numbers(panels, fixed), scales:flat(), w:flat()
        local rows = math.ceil(out / 16) * 16
        for m = 0, w:numel() / (out * within) - 1 do
          for o = 0, rows - 1 do
            for k = 0, within - 1 do
              local scale = by_column and s[m * within + k + 1] or s[m * rows + o + 1]
              local got = element(p, m, out, within, o, k, fixed) * scale
              local want = o < out and values[(m * out + o) * within + k + 1] or 0
              assert(math.abs(got - want) <= (fixed and 0.51 * scale or 0), got .. " is not " .. want)
            end
          end
        end
        for i, scale in ipairs(s) do
          assert(fixed or scale == 1, i)
        end
      end
    end }
  end
end

add { name = "decoder_pack of strided views", check = function()
  local w = lt.randn(21, 33):transpose(1, 2)
  for _, fixed in ipairs { false, true } do
    for _, by_column in ipairs { false, true } do
      local given = { fixed = fixed, by_column = by_column }
      local a, b = lt.decoder_pack(w, given), lt.decoder_pack(w:contiguous(), given)
      assert.are.same(b:flat(), a:flat())
    end
  end
end }

add { name = "decoder_pack lets nothing infinite look finite", check = function()
  local w = lt.ones(2, 3)
  w[1][2] = math.huge
  w[2][1] = 0 / 0
  local _, scales = lt.decoder_pack(w, { fixed = true })
  scales = scales:flat()
  assert(scales[1] ~= scales[1] and scales[2] ~= scales[2] and scales[3] == 0)
end }

add { name = "decoder_reorder keeps a slot where a hypothesis goes on", check = function()
  local from = lt.tensor({ { 0, 5, 0, 0 }, { 1, 6, 1, 0 }, { 2, 7, 2, 2 } }, "i32")
  local to = lt.zeros({ 4, 4 }, "i32")
  lt.decoder_reorder(to, from, lt.tensor({ 2, 0, 2, 2 }, "i64"))
  assert.are.same({ { 2, 7, 2, 2 }, { 0, 5, 0, 0 }, { 1, 7, 2, 2 }, { 3, 7, 2, 2 } }, to:tolist())
  lt.decoder_reorder(to, to + 3, lt.tensor({ 1, 1, 0 }, "i64"), 3)
  assert.are.same({ { 3, 8, 3, 3 }, { 4, 8, 3, 3 }, { 5, 10, 5, 5 } }, to:narrow(1, 1, 3):tolist())
end }

-- A step of one layer: 2 heads of 16, width 5, 16 hidden units, 3 outputs.
local function small(change)
  local C = core.C
  local d = { layers = 1, heads = 2, depth = 16, hidden = 16, width = 5, outputs = 3,
    activation = C.LT_DECODER_RELU, norm_first = 1, final_norm = 0, fixed = 0, eps = 1e-5, final_eps = 0,
    scale = 0.25 }
  local floats = { weights = 128 * 5 + 2 * 16 * 32 + 16 * 5 + 16 * 16 + 16 * 5,
    vectors = 2 * (96 + 32 + 16) + 3 * 3 * 16 + 6 * 16 + 32 }
  local a = { x = lt.ones(2, 5), position = 0,
    own = { keys = lt.zeros({ 3, 2 * 16 * 16 * 4 }, "u8"), values = lt.zeros({ 3, 2 * 16 * 16 * 4 }, "u8"),
      scales = lt.ones(3, 1, 2, 2, 16), table = lt.zeros({ 2, 18 }, "i32") },
    memory = { keys = lt.zeros({ 2 * 16 * 16 * 4 }, "u8"), values = lt.zeros({ 2 * 7 * 16 * 4 }, "u8"),
      key_scales = lt.ones(2 * 16), value_scales = lt.ones(2 * 7), bias = lt.zeros(1, 7) } }
  a.own.table[1][1], a.own.table[2][1] = 1, 2
  if change then change(a, d) end
  local shape = ffi.new("lt_decoder", d)
  a.weights = { shape = shape, weights = a.weights or lt.zeros({ floats.weights * 4 }, "u8"),
    vectors = a.vectors or lt.ones(floats.vectors) }
  return lt.decoder_step(a.x, a.own, a.weights, a.memory, a.position)
end

add { name = "decoder_step refuses what does not fit", check = function()
  -- with weights of 0 and biases of 1, the last of them remain
  assert.are.same({ { 1, 1, 1 }, { 1, 1, 1 } }, small():tolist())
  local function bad(text, change)
    assert.error_matches(function() small(change) end, text)
  end
  bad("2 heads of 15", function(_, d) d.depth = 15 end)
  bad("there is no activation 7", function(_, d) d.activation = 7 end)
  bad("weights is %(8032%)", function(a) a.weights = lt.zeros({ 8032 }, "u8") end)
  bad("vectors is %(3%)", function(a) a.vectors = lt.zeros(3) end)
  bad("keys is %(2, 8%)", function(a) a.own.keys = lt.zeros({ 2, 8 }, "u8") end)
  bad("memory_keys is %(9%)", function(a) a.memory.keys = lt.zeros({ 9 }, "u8") end)
  bad("value_scales is %(2%)", function(a) a.memory.value_scales = lt.zeros(2) end)
  bad("position 16, but the cache has room for 16", function(a) a.position = 16 end)
  bad("row 1 has slot 9 of 3", function(a) a.own.table[2][1] = 9 end)
  bad("row 1 has slot 0 of 3", function(a) a.own.table[2][1] = 0 end)
  bad("row 0 has slot 1 of 3 and source 1 of 1", function(a) a.own.table[1][2] = 1 end)
  bad("position 1 of row 1 lies in slot %-1", function(a)
    a.position = 3
    a.own.table[2][4] = -1
  end)
  bad("x is %(2, 4%), wanted 10", function(a) a.x = lt.ones(2, 4) end)
  bad("x %(2%) must be %(rows, 5%)", function(a) a.x = lt.ones(2) end)
  assert.error_matches(function()
    lt.decoder_reorder(lt.zeros({ 2, 4 }, "i32"), lt.zeros({ 2, 4 }, "i32"), lt.tensor({ 2 }, "i64"))
  end, "row 2, there are 2")
end }

return { cases = cases }
