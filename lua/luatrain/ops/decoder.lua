--- What a transformer decoder does at each step of writing a sequence; nn.decoder_cache is made of it.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local functions = {}

local function sixteens(n) return math.ceil(n / 16) * 16 end

--- Matrices w (.., out, in) as panels of sixteen rows, (bytes) u8, and scales, f32: (.., out), out rounded
-- up to sixteens, or with by_column (.., in); of 16-bit ones in is rounded up to twos. Without a gradient.
-- @param given {fixed = false: 16-bit numbers instead of f32; by_column = false; panels and scales: where to}
functions.decoder_pack = op.define {
  name = "decoder_pack", no_gradient = true,
  forward = function(_, w, given)
    local o, n = given or {}, w:dim()
    local out, within = sixteens(w:size(n - 1)), w:size(n)
    local batch = w:numel() / (w:size(n - 1) * within)
    local bytes = o.fixed and 2 * math.ceil(within / 2) * 2 or 4 * within
    local panels = o.panels or Tensor.empty({ batch * out * bytes }, "u8")
    local scales = o.scales or Tensor.empty({ batch * (o.by_column and within or out) })
    check(C.lt_decoder_pack(panels.c, scales.c, w.c, o.fixed or false, o.by_column or false))
    return panels, scales
  end,
}

--- One step of all layers: x (rows, width), or tokens x (rows) i64 where weights.words is given to look them
-- up in, -> (rows, outputs), or (rows, width) where there is no output layer. Adds to the cache `own` and
-- notes it in its table. Without a gradient.
-- @param own {keys, values, scales, table}, weights {weights, vectors, shape (lt_decoder), words, places,
--   pace (lt_decoder_pace)}, memory {keys, values, key_scales, value_scales, bias}: as luatrain/ops.h lays
--   them out
-- @param position of the step, from 0
functions.decoder_step = op.define {
  name = "decoder_step", no_gradient = true,
  forward = function(_, x, own, weights, memory, position)
    local shape = weights.shape
    local y = Tensor.empty({ x:size(1), shape.outputs > 0 and shape.outputs or shape.width })
    check(C.lt_decoder_step(y.c, own.keys.c, own.values.c, own.scales.c, own.table.c, x.c,
      weights.words and weights.words.c or nil, weights.places and weights.places.c or nil, weights.weights.c,
      weights.vectors.c, memory.keys.c, memory.values.c, memory.key_scales.c, memory.value_scales.c,
      memory.bias.c, shape, position, weights.pace))
    return y
  end,
}

--- The table `to` after row k has become what row rows[k] (i64, from 0) was in the table `from`; keys and
-- values stay where they are. Without a gradient.
-- @param first the first slot of rows (0)
functions.decoder_reorder = op.define {
  name = "decoder_reorder", no_gradient = true,
  forward = function(_, to, from, rows, first)
    check(C.lt_decoder_reorder(to.c, from.c, rows.c, first or 0))
    return to
  end,
}

return { functions = functions }
