-- Forward and backward of scaled dot-product attention from one packed projection (B, L, 3, H, D).
-- luatrain tests/bench/attention.lua [runs]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

local function measure(name, B, L, H, D, options)
  lt.manual_seed(1)
  local x = lt.randn(B, L, 3, H, D):set_requires_grad()
  local dy = lt.randn(B, L, H, D)
  local function step()
    lt.packed_attention(x, options):backward(dy)
    x.grad:release()
    x.grad = nil
  end
  timing.result(name, timing.median(tonumber(arg and arg[1]) or 11, lt.scope, step))
end

measure("attention_512", 16, 512, 8, 32)
measure("attention_512_dropout", 16, 512, 8, 32, { dropout_p = 0.1 })
measure("attention_512_causal", 16, 512, 8, 32, { is_causal = true })
measure("attention_64", 64, 64, 4, 64)
measure("attention_2048", 1, 2048, 8, 64)
