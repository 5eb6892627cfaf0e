-- initialize: filling parameters as torch.nn.init does (same distributions, other random numbers).
--
-- Every function fills its tensor in place, records nothing for gradients, and returns it.
-- Formulas: K. He et al. 2015 (kaiming), X. Glorot and Y. Bengio 2010 (xavier), A. Saxe et al. 2014
-- (orthogonal); the bounds of truncated normals are absolute, as in PyTorch.

local ffi = require "ffi"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local op = require "luatrain.op"

local C, check, fail = core.C, core.check, core.fail

local init = {}

local function fill(t, value)
  check(C.lt_fill(t.c, value))
  return t
end

-- Writes a list of doubles, row-major.
local function assign(t, values)
  check(C.lt_tensor_from_doubles(t.c, values))
  return t
end

--- Uniform in [a, b). Defaults 0 and 1.
function init.uniform_(t, a, b)
  return op.no_grad(function() return t:uniform_(a or 0, b or 1) end)
end

--- Normal with the given mean and standard deviation. Defaults 0 and 1.
function init.normal_(t, mean, std)
  return op.no_grad(function() return t:normal_(mean or 0, std or 1) end)
end

--- Every element the same value.
function init.constant_(t, value)
  return fill(t, value)
end

--- All zeros.
function init.zeros_(t)
  return fill(t, 0)
end

--- All ones.
function init.ones_(t)
  return fill(t, 1)
end

--- The identity: ones on the diagonal of a matrix.
function init.eye_(t)
  if t:dim() ~= 2 then fail("eye_: the tensor has %d dimensions, want 2", t:dim()) end
  local rows, columns = t:size(1), t:size(2)
  local values = ffi.new("double[?]", rows * columns)
  for i = 0, math.min(rows, columns) - 1 do values[i * columns + i] = 1 end
  return assign(t, values)
end

--- A convolution that passes its channels through: (O, I, k...) with a one in the middle.
function init.dirac_(t)
  if t:dim() < 3 then fail("dirac_: the tensor has %d dimensions, want 3 to 5", t:dim()) end
  local field, middle = 1, 0
  for d = 3, t:dim() do
    local k = t:size(d)
    field, middle = field * k, middle * k + math.floor(k / 2)
  end
  local outputs, inputs = t:size(1), t:size(2)
  local values = ffi.new("double[?]", outputs * inputs * field)
  for i = 0, math.min(outputs, inputs) - 1 do
    values[(i * inputs + i) * field + middle] = 1
  end
  return assign(t, values)
end

--- fan_in and fan_out of a weight (O, I, k...).
function init.fans(t)
  if t:dim() < 2 then
    fail("init: fans need a weight of at least 2 dimensions, this one has %d", t:dim())
  end
  local field = 1
  for d = 3, t:dim() do field = field * t:size(d) end
  return t:size(2) * field, t:size(1) * field
end

--- The recommended gain of a nonlinearity; `a` is leaky_relu's slope (default 0.01).
function init.calculate_gain(nonlinearity, a)
  if nonlinearity == "tanh" then return 5 / 3 end
  if nonlinearity == "relu" then return math.sqrt(2) end
  if nonlinearity == "leaky_relu" then return math.sqrt(2 / (1 + (a or 0.01) ^ 2)) end
  if nonlinearity == "selu" then return 3 / 4 end
  local flat = { linear = true, sigmoid = true, conv1d = true, conv2d = true, conv3d = true,
    conv_transpose1d = true, conv_transpose2d = true }
  if flat[nonlinearity] then return 1 end
  fail("init: nonlinearity %q is unknown; it knows linear, conv1d, conv2d, sigmoid, tanh, relu, "
    .. "leaky_relu and selu", tostring(nonlinearity))
end

local function kaiming_std(t, options)
  options = options or {}
  local fan_in, fan_out = init.fans(t)
  local mode = options.mode or "fan_in"
  if mode ~= "fan_in" and mode ~= "fan_out" then
    fail("init: mode is %q, want \"fan_in\" or \"fan_out\"", tostring(mode))
  end
  local fan = mode == "fan_in" and fan_in or fan_out
  local gain = init.calculate_gain(options.nonlinearity or "leaky_relu", options.a or 0)
  return gain / math.sqrt(math.max(fan, 1))
end

--- U(-bound, bound) with bound = gain * sqrt(3 / fan).
-- @param options {a = 0, mode = "fan_in", nonlinearity = "leaky_relu"}
function init.kaiming_uniform_(t, options)
  local bound = math.sqrt(3) * kaiming_std(t, options)
  return init.uniform_(t, -bound, bound)
end

--- N(0, std) with std = gain / sqrt(fan); options as for kaiming_uniform_.
function init.kaiming_normal_(t, options)
  return init.normal_(t, 0, kaiming_std(t, options))
end

--- U(-bound, bound) with bound = gain * sqrt(6 / (fan_in + fan_out)).
function init.xavier_uniform_(t, gain)
  local fan_in, fan_out = init.fans(t)
  local bound = (gain or 1) * math.sqrt(6 / (fan_in + fan_out))
  return init.uniform_(t, -bound, bound)
end

--- N(0, std) with std = gain * sqrt(2 / (fan_in + fan_out)).
function init.xavier_normal_(t, gain)
  local fan_in, fan_out = init.fans(t)
  return init.normal_(t, 0, (gain or 1) * math.sqrt(2 / (fan_in + fan_out)))
end

--- Normal, cut off outside [a, b] (absolute bounds, as in PyTorch). Defaults 0, 1, -2, 2.
function init.trunc_normal_(t, mean, std, a, b)
  return op.no_grad(function() return t:trunc_normal_(mean, std, a, b) end)
end

-- Orthonormalises `count` rows of `length`, each against those before it, twice for accuracy
-- (modified Gram-Schmidt); the sign stays that of the random row, so Q is uniform.
local function orthonormalise(rows, count, length)
  for i = 0, count - 1 do
    local row = rows + i * length
    for _ = 1, 2 do
      for j = 0, i - 1 do
        local other, dot = rows + j * length, 0
        for k = 0, length - 1 do dot = dot + row[k] * other[k] end
        for k = 0, length - 1 do row[k] = row[k] - dot * other[k] end
      end
      local norm = 0
      for k = 0, length - 1 do norm = norm + row[k] * row[k] end
      norm = 1 / math.sqrt(norm)
      for k = 0, length - 1 do row[k] = row[k] * norm end
    end
  end
end

--- A (semi-)orthogonal matrix; further dimensions count as columns.
function init.orthogonal_(t, gain)
  if t:dim() < 2 then fail("orthogonal_: the tensor has %d dimensions, want 2 or more", t:dim()) end
  gain = gain or 1
  local rows = t:size(1)
  local columns = t:numel() / rows
  local count, length = math.min(rows, columns), math.max(rows, columns)
  local random = init.normal_(tensor.empty({ count, length }, "f32"))
  local q = ffi.new("double[?]", count * length)
  check(C.lt_tensor_to_doubles(q, random.c))
  orthonormalise(q, count, length)
  local values = ffi.new("double[?]", rows * columns)
  for i = 0, rows - 1 do
    for j = 0, columns - 1 do
      values[i * columns + j] = gain * (rows <= columns and q[i * length + j] or q[j * length + i])
    end
  end
  return assign(t, values)
end

return init
