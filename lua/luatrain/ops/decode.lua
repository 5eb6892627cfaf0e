--- The best continuations of sequences that are being written (lt.decode).
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local functions = {}

local best = op.define {
  name = "decode_best", no_gradient = true,
  forward = function(_, scores, k, sums, counts)
    scores = scores:contiguous()
    local groups = counts and counts:size(1) or scores:size(1)
    local values, places = Tensor.empty({ groups, k }), Tensor.empty({ groups, k }, "i64")
    check(C.lt_decode_best(values.c, places.c, scores.c, sums and sums.c or nil,
      counts and counts.c or nil))
    return values, places
  end,
}

--- The k likeliest continuations of sequences: of sum + log_softmax(scores) over all rows of one, best first.
-- Without a gradient.
-- @param scores (rows, words) of what comes next, before softmax
-- @param k how many (default 1)
-- @param sums (rows): what the rows have so far (default 0)
-- @param counts list: rows of each sequence, one sequence behind the other (default 1 each)
-- @return values (sequences, k) f32; places (sequences, k) i64: row * words + word, the rows of each sequence
--   from 0. Where there are fewer than k: -inf and -1
function functions.decode_best(scores, k, sums, counts)
  if scores:dim() ~= 2 then
    core.fail("decode_best: scores is %s, wanted (rows, words)", scores:shape_text())
  end
  return best(scores, k or 1, sums, counts and require("luatrain").tensor(counts, "i64"))
end

return { functions = functions }
