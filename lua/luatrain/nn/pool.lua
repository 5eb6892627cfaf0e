-- pool: pooling and flattening as modules (torch.nn.MaxPool2d and its kin).

local lt = require "luatrain"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local pool = {}

local function text(value)
  return type(value) == "table" and "(" .. table.concat(value, ", ") .. ")" or tostring(value)
end

-- A pooling class with a window over n dimensions; `defaults` are the options of the op.
local function window(class_name, name, n, defaults)
  local class = Module.class(class_name)
  pool[class_name] = class

  function class:init(kernel_size, given)
    local o = options.read(class_name, given, defaults)
    self.kernel_size = options.tuple(class_name, "kernel_size", kernel_size, n)
    self.stride = options.tuple(class_name, "stride", o.stride or self.kernel_size, n)
    self.padding = options.tuple(class_name, "padding", o.padding, n)
    self._options = { stride = self.stride, padding = self.padding, ceil_mode = o.ceil_mode,
      dilation = o.dilation and options.tuple(class_name, "dilation", o.dilation, n),
      count_include_pad = o.count_include_pad }
  end

  function class:forward(x)
    return lt[name](x, self.kernel_size, self._options)
  end

  function class:describe()
    return ("kernel_size=%s, stride=%s, padding=%s")
      :format(text(self.kernel_size), text(self.stride), text(self.padding))
  end
end

local max_options = { stride = options.none, padding = 0, dilation = 1, ceil_mode = false }
local average_options =
  { stride = options.none, padding = 0, ceil_mode = false, count_include_pad = true }

--- The largest of each window of (N, C, T); padding counts as -inf.
-- `nn.MaxPool1d(kernel_size, {stride = kernel_size, padding = 0, dilation = 1, ceil_mode = false})`
window("MaxPool1d", "max_pool1d", 1, max_options)
--- The largest of each window of (N, C, H, W).
window("MaxPool2d", "max_pool2d", 2, max_options)
--- The mean of each window of (N, C, T).
-- `nn.AvgPool1d(kernel_size, {stride, padding, ceil_mode, count_include_pad = true})`
window("AvgPool1d", "avg_pool1d", 1, average_options)
--- The mean of each window of (N, C, H, W).
window("AvgPool2d", "avg_pool2d", 2, average_options)

-- A class with one argument, the output size.
local function adaptive(class_name, name)
  local class = Module.class(class_name)
  pool[class_name] = class

  function class:init(output_size)
    self.output_size = output_size
  end

  function class:forward(x)
    return lt[name](x, self.output_size)
  end

  function class:describe()
    return "output_size=" .. text(self.output_size)
  end
end

--- (N, C, T) -> (N, C, output_size): means over windows that cover T evenly.
adaptive("AdaptiveAvgPool1d", "adaptive_avg_pool1d")
--- (N, C, H, W) -> (N, C, h, w): `nn.AdaptiveAvgPool2d(1)` or `{h, w}`.
adaptive("AdaptiveAvgPool2d", "adaptive_avg_pool2d")
--- As AdaptiveAvgPool1d with the largest.
adaptive("AdaptiveMaxPool1d", "adaptive_max_pool1d")
--- As AdaptiveAvgPool2d with the largest.
adaptive("AdaptiveMaxPool2d", "adaptive_max_pool2d")

--- Joins dimensions start_dim to end_dim (from 1; defaults 2 and -1): (N, C, H, W) -> (N, C*H*W).
local Flatten = Module.class "Flatten"
pool.Flatten = Flatten

function Flatten:init(start_dim, end_dim)
  self.start_dim, self.end_dim = start_dim or 2, end_dim or -1
end

function Flatten:forward(x)
  return x:flatten(self.start_dim, self.end_dim)
end

function Flatten:describe()
  return ("start_dim=%d, end_dim=%d"):format(self.start_dim, self.end_dim)
end

return pool
