-- dropout: setting activations to zero at random in training (torch.nn.Dropout, Dropout1d/2d).

local lt = require "luatrain"
local core = require "luatrain.core"
local Module = require "luatrain.nn.module"

local dropout = {}

local function init(self, p)
  p = p or 0.5
  if type(p) ~= "number" or p < 0 or p > 1 then
    core.fail("%s: p is %s, want a probability from 0 to 1", self.class_name, tostring(p))
  end
  self.p = p
end

local function describe(self)
  return ("p=%g"):format(self.p)
end

--- Each element is zero with probability p, the others are divided by 1 - p; only in training.
-- `nn.Dropout(0.1)`; default 0.5.
local Dropout = Module.class "Dropout"
dropout.Dropout = Dropout
Dropout.init, Dropout.describe = init, describe

-- With a residual it is added to the result, in the same pass.
function Dropout:forward(x, residual)
  if not self.training or self.p == 0 then
    if residual then return x + residual end
    return x
  end
  if residual then return lt.dropout_add(x, residual, self.p) end
  return lt.dropout(x, self.p)
end

-- One decision for each (n, c), for all positions behind them.
local function drop_channels(self, x, dimensions)
  if x:dim() ~= dimensions then
    core.fail("%s: the input has %d dimensions, want %d (N, C, ...)", self.class_name, x:dim(),
      dimensions)
  end
  if not self.training or self.p == 0 then return x end
  local ones = lt.ones(dimensions == 3 and { x:size(1), x:size(2), 1 }
    or { x:size(1), x:size(2), 1, 1 })
  return x * lt.dropout(ones, self.p)
end

--- Drops whole channels of (N, C, T).
local Dropout1d = Module.class "Dropout1d"
dropout.Dropout1d = Dropout1d
Dropout1d.init, Dropout1d.describe = init, describe

function Dropout1d:forward(x)
  return drop_channels(self, x, 3)
end

--- Drops whole channels of (N, C, H, W).
local Dropout2d = Module.class "Dropout2d"
dropout.Dropout2d = Dropout2d
Dropout2d.init, Dropout2d.describe = init, describe

function Dropout2d:forward(x)
  return drop_channels(self, x, 4)
end

return dropout
