--- Softmax and its logarithm along one dimension.
local core = require "luatrain.core"
local op = require "luatrain.op"
local C, check = core.C, core.check

local methods = {}

local function define(name, log)
  return op.define {
    name = name, half = true,
    forward = function(saved, x, dim)
      local y = x:like()
      check(C.lt_softmax(y.c, x.c, dim - 1, log))
      saved.y, saved.dim = y, dim
      return y
    end,
    backward = function(saved, dy)
      local dx = saved.y:like()
      check(C.lt_softmax_backward(dx.c, dy.c, saved.y.c, saved.dim - 1, log))
      return dx
    end,
  }
end

local softmax, log_softmax = define("softmax", false), define("log_softmax", true)

--- exp(x) / sum(exp(x)) along dimension dim (default the last). x: f32 or bf16.
-- A row that is -inf throughout gives NaN.
--   lt.softmax(scores, -1)
function methods.softmax(x, dim)
  return softmax(x, op.dim(x, dim or -1))
end

--- log(softmax(x)) along dimension dim (default the last), without underflow.
function methods.log_softmax(x, dim)
  return log_softmax(x, op.dim(x, dim or -1))
end

return { methods = methods }
