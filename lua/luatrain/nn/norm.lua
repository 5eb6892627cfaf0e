-- norm: normalisation layers (S. Ioffe and C. Szegedy 2015; J. Ba et al. 2016; Y. Wu and K. He 2018).

local ffi = require "ffi"
local lt = require "luatrain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local C, check, fail = core.C, core.check, core.fail

local norm = {}

local function ones(shape)
  return Module.Parameter(init.ones_(tensor.empty(shape, "f32")))
end

local function zeros(shape)
  return Module.Parameter(init.zeros_(tensor.empty(shape, "f32")))
end

-- ---- batch norm ---------------------------------------------------------------------------------

local count = ffi.new "double[1]"

-- One more batch seen; returns the number so far.
local function count_batch(t)
  check(C.lt_tensor_get(count, t.c, 0))
  check(C.lt_tensor_set(t.c, 0, count[0] + 1))
  return count[0] + 1
end

-- A batch norm class for inputs of `dims` (a set of allowed numbers of dimensions).
local function batch_norm(class_name, dims, wanted)
  local class = Module.class(class_name)
  norm[class_name] = class
  class.fields = { "weight", "bias", "running_mean", "running_var", "num_batches_tracked" }

  function class:init(num_features, given)
    local o = options.read(class_name, given, { eps = 1e-5, momentum = options.none,
      affine = true, track_running_stats = true })
    self.num_features = options.size(class_name, "num_features", num_features)
    self.eps, self.momentum = o.eps, 0.1
    if given and given.momentum ~= nil then self.momentum = given.momentum end
    if o.affine then
      self.weight, self.bias = ones { num_features }, zeros { num_features }
    end
    if o.track_running_stats then
      self.running_mean = init.zeros_(tensor.empty({ num_features }, "f32"))
      self.running_var = init.ones_(tensor.empty({ num_features }, "f32"))
      self.num_batches_tracked = init.zeros_(tensor.empty({}, "i64"))
    end
  end

  -- The norm, then + residual, then relu, in one pass over memory where these are asked for.
  function class:forward(x, relu, residual)
    if not dims[x.c.ndim] then
      fail("%s: the input is %s, want %s", class_name, x:shape_text(), wanted)
    end
    local mean, var, momentum = self.running_mean, self.running_var, 0
    local training = self.training or not mean
    if training and mean then
      momentum = 1 / count_batch(self.num_batches_tracked)
      if self.momentum then momentum = self.momentum end
    end
    return lt.batch_norm(x, mean, var, self.weight, self.bias, training, momentum, self.eps, relu,
      residual)
  end

  class._fused_forward = class.forward
  class.fuses = { relu = true }

  function class:set_training(mode)
    self.training = mode and not self.frozen
  end

  function class:describe()
    return ("%d, eps=%g, momentum=%s, affine=%s, track_running_stats=%s"):format(self.num_features,
      self.eps, tostring(self.momentum), tostring(self.weight ~= nil),
      tostring(self.running_mean ~= nil))
  end
end

--- Normalises each channel over the batch (and time) in training, with its running statistics in
-- evaluation: (N, C) or (N, C, T), the same shape out.
-- `nn.BatchNorm1d(num_features, {eps = 1e-5, momentum = 0.1, affine = true,
-- track_running_stats = true})`; momentum = false averages over all batches seen (PyTorch's None).
-- Called as `bn(x, true)` it applies ReLU in the same pass, as `bn(x, true, shortcut)` it adds the
-- shortcut before.
batch_norm("BatchNorm1d", { [2] = true, [3] = true }, "(N, C) or (N, C, T)")

--- The same for images (N, C, H, W).
batch_norm("BatchNorm2d", { [4] = true }, "(N, C, H, W)")

-- ---- layer norm ---------------------------------------------------------------------------------

--- Normalises over the last dimensions: nn.LayerNorm(256) or nn.LayerNorm({8, 256}).
-- `nn.LayerNorm(normalized_shape, {eps = 1e-5, elementwise_affine = true, bias = true})`
local LayerNorm = Module.class "LayerNorm"
norm.LayerNorm = LayerNorm
LayerNorm.fields = { "weight", "bias" }

function LayerNorm:init(normalized_shape, given)
  local o = options.read("LayerNorm", given, { eps = 1e-5, elementwise_affine = true, bias = true })
  local shape = type(normalized_shape) == "table" and normalized_shape or { normalized_shape }
  for _, n in ipairs(shape) do options.size("LayerNorm", "normalized_shape", n) end
  self.normalized_shape, self.eps = shape, o.eps
  if o.elementwise_affine then
    self.weight = ones(shape)
    if o.bias then self.bias = zeros(shape) end
  end
end

function LayerNorm:forward(x)
  return lt.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
end

function LayerNorm:describe()
  return ("(%s), eps=%g, elementwise_affine=%s"):format(table.concat(self.normalized_shape, ", "),
    self.eps, tostring(self.weight ~= nil))
end

-- ---- group and instance norm --------------------------------------------------------------------

--- Normalises groups of channels of each sample: (N, C, ...).
-- `nn.GroupNorm(num_groups, num_channels, {eps = 1e-5, affine = true})`
local GroupNorm = Module.class "GroupNorm"
norm.GroupNorm = GroupNorm
GroupNorm.fields = { "weight", "bias" }

function GroupNorm:init(num_groups, num_channels, given)
  local o = options.read("GroupNorm", given, { eps = 1e-5, affine = true })
  self.num_groups = options.size("GroupNorm", "num_groups", num_groups)
  self.num_channels = options.size("GroupNorm", "num_channels", num_channels)
  if num_channels % num_groups ~= 0 then
    fail("GroupNorm: %d channels cannot be split into %d groups", num_channels, num_groups)
  end
  self.eps = o.eps
  if o.affine then self.weight, self.bias = ones { num_channels }, zeros { num_channels } end
end

function GroupNorm:forward(x)
  return lt.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
end

function GroupNorm:describe()
  return ("%d, %d, eps=%g, affine=%s"):format(self.num_groups, self.num_channels, self.eps,
    tostring(self.weight ~= nil))
end

-- Each channel of each sample on its own.
local function instance_norm(class_name, dims, wanted)
  local class = Module.class(class_name)
  norm[class_name] = class
  class.fields = { "weight", "bias" }

  function class:init(num_features, given)
    local o = options.read(class_name, given, { eps = 1e-5, affine = false })
    self.num_features = options.size(class_name, "num_features", num_features)
    self.eps = o.eps
    if o.affine then self.weight, self.bias = ones { num_features }, zeros { num_features } end
  end

  function class:forward(x)
    if x.c.ndim ~= dims then
      fail("%s: the input is %s, want %s", class_name, x:shape_text(), wanted)
    end
    return lt.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
  end

  function class:describe()
    return ("%d, eps=%g, affine=%s"):format(self.num_features, self.eps, tostring(self.weight ~= nil))
  end
end

--- Normalises each channel of each sample over time: (N, C, T).
-- `nn.InstanceNorm1d(num_features, {eps = 1e-5, affine = false})`
instance_norm("InstanceNorm1d", 3, "(N, C, T)")

--- The same over images (N, C, H, W).
instance_norm("InstanceNorm2d", 4, "(N, C, H, W)")

return norm
