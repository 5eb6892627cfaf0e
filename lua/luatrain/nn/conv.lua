-- conv: convolutions over sequences and images (torch.nn.Conv1d, Conv2d, ConvTranspose1d/2d).
--
-- Sizes are positional, the rest is named: nn.Conv2d(1, 64, 7, {stride = 2, padding = 3}).
-- padding = "same" keeps sizes (odd kernels, stride 1). padding = "causal" (Conv2d: also {"causal", w}) puts
-- zeros before the first dimension, time, alone: no output sees what comes after it, as in real time.
-- Weights are (out, in / groups, k...) as in PyTorch, (in, out / groups, k...) when transposed, and
-- begin, like the bias, in U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

local lt = require "luatrain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local conv = {}

-- "same" padding as (k - 1) * d / 2 on both sides, which needs odd kernels at stride 1.
local function same_padding(self)
  local list = {}
  for i, k in ipairs(self.kernel_size) do
    local total = self.dilation[i] * (k - 1)
    if total % 2 ~= 0 or self.stride[i] ~= 1 then
      core.fail("%s: padding \"same\" wants stride 1 and an odd kernel; kernel_size is %d, stride %d",
        self.class_name, k, self.stride[i])
    end
    list[i] = total / 2
  end
  return list
end

local function read_sizes(self, n, in_channels, out_channels, kernel_size, o)
  local who = self.class_name
  self.in_channels = options.size(who, "in_channels", in_channels)
  self.out_channels = options.size(who, "out_channels", out_channels)
  self.kernel_size = options.tuple(who, "kernel_size", kernel_size, n)
  self.stride = options.tuple(who, "stride", o.stride, n)
  self.dilation = options.tuple(who, "dilation", o.dilation, n)
  self.groups = options.size(who, "groups", o.groups)
  if in_channels % o.groups ~= 0 or out_channels % o.groups ~= 0 then
    core.fail("%s: %d and %d channels cannot be split into %d groups", who, in_channels,
      out_channels, o.groups)
  end
  if o.padding == "same" then
    self.padding = same_padding(self)
  else
    local padding = type(o.padding) == "table" and { unpack(o.padding) } or { o.padding }
    self.causal = padding[1] == "causal"
    if self.causal then
      padding[1] = 0
      padding[2] = padding[2] or 0
    end
    self.padding = options.tuple(who, "padding", #padding > 1 and padding or padding[1], n)
  end
end

-- Weight of shape (a, b / groups, k...), bias of out_channels.
local function make_parameters(self, a, b, bias)
  local shape, fan_in = { a, b / self.groups }, b / self.groups
  for i, k in ipairs(self.kernel_size) do
    shape[i + 2] = k
    fan_in = fan_in * k
  end
  local bound = 1 / math.sqrt(fan_in)
  self.weight = Module.Parameter(init.uniform_(tensor.empty(shape, "f32"), -bound, bound))
  if bias then
    local b0 = tensor.empty({ self.out_channels }, "f32")
    self.bias = Module.Parameter(init.uniform_(b0, -bound, bound))
  end
end

local function text(list)
  for i = 2, #list do
    if list[i] ~= list[1] then return "(" .. table.concat(list, ", ") .. ")" end
  end
  return tostring(list[1])
end

local function describe(self)
  local parts = { tostring(self.in_channels), tostring(self.out_channels),
    "kernel_size=" .. text(self.kernel_size), "stride=" .. text(self.stride) }
  if self.causal then parts[#parts + 1] = "causal" end
  if text(self.padding) ~= "0" then parts[#parts + 1] = "padding=" .. text(self.padding) end
  if text(self.dilation) ~= "1" then parts[#parts + 1] = "dilation=" .. text(self.dilation) end
  if self.groups ~= 1 then parts[#parts + 1] = "groups=" .. self.groups end
  if not self.bias then parts[#parts + 1] = "bias=false" end
  return table.concat(parts, ", ")
end

-- A convolution class over n dimensions; `name` is its op.
local function convolution(class_name, name, n)
  local class = Module.class(class_name)
  conv[class_name] = class
  class.fields = { "weight", "bias" }
  class.describe = describe

  function class:init(in_channels, out_channels, kernel_size, given)
    local o = options.read(class_name, given,
      { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true })
    read_sizes(self, n, in_channels, out_channels, kernel_size, o)
    make_parameters(self, out_channels, in_channels, o.bias)
  end

  function class:forward(x)
    if self.causal then
      local past = (self.kernel_size[1] - 1) * self.dilation[1]
      x = x:pad(n == 1 and { past, 0 } or { 0, 0, past, 0 })
    end
    return lt[name](x, self.weight, self.bias, self.stride, self.padding, self.dilation,
      self.groups)
  end

  -- 2 * (inputs of one output element) per output element.
  function class:flops(y)
    return 2 * self.weight:numel() / self.out_channels * y:numel()
  end
end

--- (N, in_channels, T) -> (N, out_channels, T'), T' = floor((T + 2p - d(k-1) - 1)/s) + 1.
-- `nn.Conv1d(in_channels, out_channels, kernel_size, {stride = 1, padding = 0, dilation = 1,
-- groups = 1, bias = true})`; padding = "same" or "causal" keeps T.
convolution("Conv1d", "conv1d", 1)

--- (N, in_channels, H, W) -> (N, out_channels, H', W'); sizes and options as numbers or {h, w}.
convolution("Conv2d", "conv2d", 2)

-- A transposed convolution class over n dimensions.
local function transposed(class_name, name, n)
  local class = Module.class(class_name)
  conv[class_name] = class
  class.fields = { "weight", "bias" }
  class.describe = describe

  function class:init(in_channels, out_channels, kernel_size, given)
    local o = options.read(class_name, given,
      { stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1, bias = true })
    read_sizes(self, n, in_channels, out_channels, kernel_size, o)
    if self.causal then
      core.fail("%s: padding \"causal\" is for convolutions that are not transposed", class_name)
    end
    self.output_padding = options.tuple(class_name, "output_padding", o.output_padding, n)
    make_parameters(self, in_channels, out_channels, o.bias)
  end

  function class:forward(x)
    return lt[name](x, self.weight, self.bias, self.stride, self.padding, self.output_padding,
      self.groups, self.dilation)
  end

  -- 2 * (outputs of one input element) per input element.
  function class:flops(_, x)
    return 2 * self.weight:numel() / self.in_channels * x:numel()
  end
end

--- (N, in, T) -> (N, out, T'), T' = (T - 1)s - 2p + d(k - 1) + output_padding + 1.
transposed("ConvTranspose1d", "conv_transpose1d", 1)

--- (N, in, H, W) -> (N, out, H', W'), the gradient of Conv2d with respect to its input.
transposed("ConvTranspose2d", "conv_transpose2d", 2)

return conv
