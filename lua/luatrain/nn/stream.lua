-- stream: a small model that runs a frame at a time, as in the audio thread of a plugin.

local ffi = require "ffi"
local lt = require "luatrain"
local chain = require "luatrain.nn.chain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local options = require "luatrain.options"

local C, check, fail = core.C, core.check, core.fail

local stream = {}

local Stream = { __name = "stream" }
Stream.__index = Stream

local function sixteens(n) return math.ceil(n / 16) * 16 end

-- ---- layers -------------------------------------------------------------------------------------

local writers = {}                    -- as luatrain.nn.chain wants them

-- Adds a layer. parts are its weights in the order in which lt_stream reads them: matrices (outputs, inputs),
-- which become panels and scales, and vectors.
local function add(net, kind, outputs, parts, more)
  local layer = more or {}
  layer.kind, layer.inputs, layer.outputs = C["LT_STREAM_" .. kind], net.outputs, outputs
  net.layers[#net.layers + 1] = layer
  for _, part in ipairs(parts) do net.parts[#net.parts + 1] = part:detach():to "f32" end
  net.outputs = outputs
end

function writers.Linear(net, m, path)
  net:expect(m, path, m.in_features)
  add(net, "DENSE", m.out_features, { m.weight, m.bias or lt.zeros(m.out_features) })
end

function writers.Conv1d(net, m, path)
  net:expect(m, path, m.in_channels)
  net:causal(m, path)
  net.kind = net.kind or "channels"
  local out, K, groups = m.out_channels, m.kernel_size[1], m.groups
  local per, whole = m.in_channels / groups, lt.zeros(out, K, m.in_channels)
  for g = 0, groups - 1 do
    whole:narrow(1, g * out / groups + 1, out / groups):narrow(3, g * per + 1, per)
      :copy_(m.weight:detach():narrow(1, g * out / groups + 1, out / groups):transpose(2, 3))
  end
  add(net, "CONV", out, { whole:reshape(out, -1), m.bias or lt.zeros(out) },
    { kernel = K, dilation = m.dilation[1] })
end

local function recurrent(kind)
  return function(net, m, path)
    net:recurrent(m, path)
    for k = 0, m.num_layers - 1 do
      local parts = {}
      for i, name in ipairs { "ih", "hh" } do
        local weight = m[("weight_%s_l%d"):format(name, k)]
        parts[2 * i - 1] = weight
        parts[2 * i] = m[("bias_%s_l%d"):format(name, k)] or lt.zeros(weight:size(1))
      end
      add(net, kind, m.hidden_size, parts)
    end
  end
end
writers.LSTM, writers.GRU = recurrent "LSTM", recurrent "GRU"

function writers.BatchNorm1d(net, m, path)
  net:expect(m, path, m.num_features)
  net:tracks(m, path)
  local factor = 1 / (m.running_var + m.eps):sqrt()
  add(net, "NORM", m.num_features, { m.running_mean, m.weight and factor * m.weight or factor,
    m.bias or lt.zeros(m.num_features) })
end

function writers.PReLU(net, m, path)
  local n = net:slopes(m, path)
  add(net, "PRELU", n, { m.weight:expand { n } })
end

function writers.LeakyReLU(net, m, path)
  local n = net:same_size(m, path)
  add(net, "PRELU", n, { lt.full({ n }, m.negative_slope) })
end

function writers.ELU(net, m, path)
  add(net, "ELU", net:same_size(m, path), {}, { alpha = m.alpha })
end

function writers.GELU(net, m, path)
  if m.approximate ~= "none" then net:refuse(m, path, "is approximate; nn.stream has only the exact one") end
  add(net, "GELU", net:same_size(m, path), {})
end

function writers.Softmax(net, m, path)
  local numbers = net.kind == "channels" and 2 or net.kind and 3 or 2
  if m.dim ~= numbers and (m.dim ~= -1 or net.kind == "channels") then
    net:refuse(m, path, "is over dimension %d; here the numbers of a frame are dimension %d", m.dim, numbers)
  end
  add(net, "SOFTMAX", net:same_size(m, path), {})
end

for _, name in ipairs { "ReLU", "Tanh", "Sigmoid", "SiLU" } do
  writers[name] = function(net, m, path) add(net, name:upper(), net:same_size(m, path), {}) end
end

chain.skip_idle(writers)

local function add_normalizer(net, normalizer)
  local center, divisor, base = normalizer:scale()
  net.inputs, net.outputs = #center, #center
  add(net, "NORM", #center, { lt.tensor(center), 1 / lt.tensor(divisor), lt.full({ #center }, base) })
end

-- ---- making one ---------------------------------------------------------------------------------

-- All parts one behind the other: bytes of weights, and vectors.
local function pack(parts, fixed)
  local numbers, at, weights = 0, 1, { lt.zeros({ 0 }, "u8") }
  for _, part in ipairs(parts) do numbers = numbers + sixteens(part:size(1)) end
  local vectors = lt.zeros(numbers)
  for _, part in ipairs(parts) do
    local to = vectors:narrow(1, at, sixteens(part:size(1)))
    if part:dim() == 2 then
      weights[#weights + 1] = lt.decoder_pack(part, { fixed = fixed, scales = to })
    else
      to:narrow(1, 1, part:size(1)):copy_(part)
    end
    at = at + to:size(1)
  end
  return lt.cat(weights), vectors
end

--- A model that is ready to run a frame at a time: all layers in one call that allocates nothing, on the
-- calling thread.
--
-- The model is an nn.Sequential (of any depth) of Linear, Conv1d over the past, LSTM, GRU, BatchNorm1d,
-- PReLU, LeakyReLU, ReLU, Tanh, Sigmoid, SiLU, ELU, GELU and Softmax over the numbers of a frame; Dropout and
-- Identity are left out; another layer is an error that names it. The stream has a copy of the weights as
-- they were when it was made, and computes as in eval mode, without a tape. It belongs to the collector, not
-- to the open scope.
--
--     local s = nn.stream(model, { normalizer = n })
--     local y = s:step(x)                         -- (inputs) -> (outputs), in the same tensor each time
--     s:reset()                                   -- the next frame is the first
-- @param given {precision = "i16": 16 bits a weight and a scale for each row, 23 bits a number of a frame,
--   products in integers (results differ by some 1e-5, in a third of the time of "f32"); "f32": all f32,
--   normalizer = nil: an lt.data.normalizer of the inputs, which becomes a layer before the others,
--   inputs = nil: numbers in a frame, where the first layer does not tell}
-- @return a stream with the fields inputs and outputs, numbers in a frame, and precision
function stream.stream(model, given)
  local o = options.read("stream", given, { precision = "i16", normalizer = options.none,
    inputs = options.none })
  if o.precision ~= "i16" and o.precision ~= "f32" then
    fail("stream: precision %s; there are \"i16\" and \"f32\"", tostring(o.precision))
  end
  local net = chain.new("stream", "nn.stream", writers, { inputs = o.inputs })
  net.parts = {}
  local self = setmetatable({}, Stream)
  lt.scope(lt.no_grad, lt.op.autocast, false, function()
    if o.normalizer then add_normalizer(net, o.normalizer) end
    net:read(model)
    self.inputs, self.outputs = net.inputs, net.outputs
    self._count = #net.layers
    self._layers = ffi.new("lt_stream_layer[?]", #net.layers, net.layers)
    local numbers = ffi.new "int64_t[1]"
    check(C.lt_stream_state(numbers, self._layers, #net.layers))
    self.precision, self._fixed = o.precision, o.precision == "i16"
    self._weights, self._vectors = pack(net.parts, self._fixed)
    self._state = lt.zeros(tonumber(numbers[0]))
    self._x, self._y = lt.zeros(net.inputs), lt.zeros(net.outputs)
    for _, name in ipairs { "_weights", "_vectors", "_state", "_x", "_y" } do lt.keep(self[name]) end
  end)
  self._room = self._x:data()
  return self
end

-- A frame as a tensor: a list's or a pointer's numbers are copied.
local function frame(self, x)
  if tensor.is_tensor(x) then return x end
  local room, n = self._room, self.inputs
  if type(x) == "table" then
    if #x ~= n then fail("stream: x has %d numbers, the model takes %d a frame", #x, n) end
    for i = 1, n do room[i - 1] = x[i] end
  elseif type(x) == "cdata" then
    ffi.copy(room, ffi.cast("const float *", x), n * 4)
  else
    fail("stream: x is a %s, wanted a tensor, a list of numbers or a float *", type(x))
  end
  return self._x
end

--- The next frame.
-- @param x f32 (inputs), a list of numbers, or a `float *`, which is trusted to have as many
-- @param y f32 (outputs) to be written into (optional)
-- @return y, or without it a tensor of the stream's own, which the next step overwrites
function Stream:step(x, y)
  y = y or self._y
  check(C.lt_stream(y.c, self._state.c, frame(self, x).c, self._weights.c, self._vectors.c, self._layers,
    self._count, self._fixed))
  return y
end

--- Frames x (T, inputs), f32, one after the other: (T, outputs), which the caller may keep.
function Stream:run(x)
  return self:step(x, tensor.empty { x:size(1), self.outputs })
end

--- Forgets what went before: the next frame is the first.
function Stream:reset()
  self._state:fill_(0)
end

return stream
