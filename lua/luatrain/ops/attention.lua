--- Scaled dot-product attention without the matrix of scores.
local core = require "luatrain.core"
local options = require "luatrain.options"
local op = require "luatrain.op"
local random = require "luatrain.random"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local functions = {}

local function pointer(t) return t and t.c or nil end

-- (B, H, L, D) whose memory is (B, L, H, D), or (L, B, H, D) where q's is: joining heads again is
-- a view.
local function heads_last(q)
  local B, H, L, D = q:size(1), q:size(2), q:size(3), q:size(4)
  if B > 1 and L > 1 and q:stride(1) < q:stride(3) then
    return Tensor.empty({ L, B, H, D }, q:dtype()):permute(2, 3, 1, 4)
  end
  return Tensor.empty({ B, L, H, D }, q:dtype()):transpose(2, 3)
end

-- What both directions pass to C; o: mask, padding, scale, dropout, causal, generator.
local function run_forward(saved, q, k, v, o)
  local out, lse = heads_last(q), Tensor.empty({ q:size(1), q:size(2), q:size(3) })
  local rng
  if o.dropout > 0 then
    rng = o.generator.state
    if saved.active then
      saved.rng = rng:like()
      check(C.lt_copy(saved.rng.c, rng.c))
    end
  end
  check(C.lt_attention(out.c, lse.c, q.c, k.c, v.c, pointer(o.mask), pointer(o.padding),
    pointer(rng), o.scale, o.dropout, o.causal))
  saved.out, saved.lse, saved.o = out, lse, o
  return out
end

local function run_backward(saved, dout, q, k, v, dq, dk, dv)
  local o = saved.o
  check(C.lt_attention_backward(dq.c, dk.c, dv.c, dout.c, saved.out.c, saved.lse.c, q.c, k.c, v.c,
    pointer(o.mask), pointer(o.padding), pointer(saved.rng), o.scale, o.dropout, o.causal))
end

local attention = op.define {
  name = "scaled_dot_product_attention", half = true, autocast = true,
  forward = function(saved, q, k, v, o)
    saved.q, saved.k, saved.v = q, k, v
    return run_forward(saved, q, k, v, o)
  end,
  backward = function(saved, dout)
    local q, k, v = saved.q, saved.k, saved.v
    local dq, dk, dv = heads_last(q), heads_last(k), heads_last(v)
    run_backward(saved, dout, q, k, v, dq, dk, dv)
    return dq, dk, dv
  end,
}

-- q, k, v of a packed (B, L, 3, H, D) projection as (B, H, L, D) views, i = 1, 2, 3.
local function part(x, i)
  return x:select(3, i):transpose(2, 3)
end

local packed = op.define {
  name = "packed_attention", half = true, autocast = true,
  forward = function(saved, x, o)
    saved.x = x
    return run_forward(saved, part(x, 1), part(x, 2), part(x, 3), o):transpose(2, 3)
  end,
  backward = function(saved, dout)
    local x = saved.x
    local dx = x:like()
    run_backward(saved, dout:transpose(2, 3), part(x, 1), part(x, 2), part(x, 3), part(dx, 1),
      part(dx, 2), part(dx, 3))
    return dx
  end,
}

-- PyTorch's names first, ours as well.
local names = { attn_mask = "mask", mask = "mask", is_causal = "causal", causal = "causal",
  dropout_p = "dropout", dropout = "dropout", scale = "scale", key_padding_mask = "padding",
  generator = "generator" }

-- Options checked and completed for scores (B, H, L, S).
local function complete(name, given, B, H, L, S, depth)
  local o = { scale = 1 / math.sqrt(depth), dropout = 0, causal = false, generator = random.default }
  for key, value in pairs(options.check(name, given, names)) do o[names[key]] = value end
  if o.mask then
    if o.mask.requires_grad then core.fail("%s: the mask has no gradient; detach() it", name) end
    if o.mask:dtype() == "bf16" then o.mask = o.mask:cast "f32" end
    o.mask = o.mask:expand(B, H, L, S)
  end
  return o
end

local function check_heads(name, what, t)
  if t:dim() ~= 4 then
    core.fail("%s: %s is %s; it must be (batch, heads, length, depth)", name, what, t:shape_text())
  end
end

--- softmax(q k' * scale + mask) v for q (B, H, L, D) and k, v (B, H, S, D), any strides: (B, H, L, D),
-- laid out in memory as (B, L, H, D), so that out:transpose(2, 3):reshape(B, L, H * D) copies nothing
-- ((L, B, H, D) where q lies so).
-- The (L, S) scores are never stored (T. Dao and others, "FlashAttention", 2022). f32 or bf16.
-- Options: attn_mask (or mask), broadcast to (B, H, L, S): bool with true where a key takes part,
-- or numbers to add; key_padding_mask (B, S): bool with true where a key is ignored; is_causal
-- (or causal): query i sees keys 1 .. i; dropout_p (or dropout) of the weights, from generator;
-- scale (1 / sqrt(D)). A query that may see nothing gives zeros. Masks have no gradient.
--   lt.scaled_dot_product_attention(q, k, v, { is_causal = true })
function functions.scaled_dot_product_attention(q, k, v, given)
  local name = "scaled_dot_product_attention"
  check_heads(name, "q", q)
  check_heads(name, "k", k)
  check_heads(name, "v", v)
  return attention(q, k, v,
    complete(name, given, q:size(1), q:size(2), q:size(3), k:size(3), q:size(4)))
end

--- Self-attention from one projection x (B, L, 3, H, D) that holds q, k and v: (B, L, H, D). Nothing
-- is copied on the way, and x gets one gradient. Options as above.
--   local y = lt.packed_attention(lt.linear(x, w, b):reshape(B, L, 3, H, -1)):reshape(B, L, -1)
function functions.packed_attention(x, given)
  if x:dim() ~= 5 or x:size(3) ~= 3 then
    core.fail("packed_attention: x is %s; it must be (batch, length, 3, heads, depth)",
      x:shape_text())
  end
  return packed(x, complete("packed_attention", given, x:size(1), x:size(4), x:size(2),
    x:size(2), x:size(5)))
end

return { functions = functions }
