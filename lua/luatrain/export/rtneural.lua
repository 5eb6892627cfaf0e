--- Models as JSON for RTNeural (model_loader.h of jatinchowdhury18/RTNeural, 1fb1f07): real-time inference in
-- C++, one time step after the other, from a state of zeros. The layers there are: dense, conv1d, conv2d
-- (causal), gru, lstm, prelu, batchnorm, batchnorm2d and activations. A further one is a function of
-- `writers` below and one of `layers` in luatrain.export.replay.
local lt = require "luatrain"
local core = require "luatrain.core"
local chain = require "luatrain.nn.chain"
local ffi = require "ffi"
local json = require "luatrain.json"
local op = require "luatrain.op"
local options = require "luatrain.options"
local random = require "luatrain.random"
local replay = require "luatrain.export.replay"

local rtneural, join = {}, chain.join

local writers = {}                    -- class name -> function(net, module, path): adds layers to net

-- ---- numbers ------------------------------------------------------------------------------------
local single = ffi.new "float[1]"

-- The double with the fewest digits (at most 9) that is this number in single precision.
local function short(x)
  local y = tonumber(("%.8g"):format(x))
  single[0] = y
  return single[0] == x and y or tonumber(("%.9g"):format(x))
end

local function shorten(value, path)
  if type(value) == "number" then
    if value - value ~= 0 then
      core.fail("export.rtneural: %s holds %s, which JSON cannot hold; was the training going well?", path,
        value)
    end
    return short(value)
  end
  for i = 1, #value do value[i] = shorten(value[i], path) end
  return value
end

-- A tensor as nested lists.
local function list_of(t, path) return shorten(t:detach():to "f32":tolist(), path) end

local function constant(n, value)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

-- A module's bias, or zeros.
local function bias_of(module, n, path)
  return module.bias and list_of(module.bias, join(path, "bias")) or constant(n, 0)
end

-- ---- layers -------------------------------------------------------------------------------------
-- Adds a layer that gives `outputs` numbers a frame; a table {features, channels} is a picture's.
local function add(net, kind, outputs, weights, more)
  local layer = more or {}
  layer.type, layer.weights = kind, json.array(weights)
  if type(outputs) == "table" then
    layer.shape = { json.null, json.null, outputs[1], outputs[2] }
    net.picture, outputs = outputs, outputs[1] * outputs[2]
  else
    layer.shape = { json.null, json.null, outputs }
  end
  layer.activation = layer.activation or ""
  net.layers[#net.layers + 1] = layer
  net.outputs = outputs
end

function writers.Linear(net, m, path)
  net:expect(m, path, m.in_features)
  add(net, "dense", m.out_features,
    { list_of(m.weight:t(), join(path, "weight")), bias_of(m, m.out_features, path) })
end

function writers.Conv1d(net, m, path)
  net:expect(m, path, m.in_channels)
  net:causal(m, path)
  net.kind = net.kind or "channels"
  add(net, "conv1d", m.out_channels,
    { list_of(m.weight:permute(3, 2, 1), join(path, "weight")), bias_of(m, m.out_channels, path) },
    { kernel_size = { m.kernel_size[1] }, dilation = { m.dilation[1] }, groups = m.groups })
end

-- "valid" or "same" (TensorFlow's: zeros on both sides, one more on the right where their number is odd), and
-- the features that come out.
local function feature_padding(net, m, path, features)
  local kernel, stride, pad = m.kernel_size[2], m.stride[2], m.padding[2]
  local rest = features % stride
  local total = math.max(kernel - (rest == 0 and stride or rest), 0)
  if pad == 0 and kernel <= features then return "valid", math.floor((features - kernel) / stride) + 1 end
  local out = math.floor((features + 2 * pad - kernel) / stride) + 1
  if 2 * pad ~= total or out ~= math.ceil(features / stride) then
    net:refuse(m, path,
      "pads %d features by %d; RTNeural's \"same\" pads %d in all, or 0 with \"valid\"",
      features, pad, total)
  end
  return "same", out
end

function writers.Conv2d(net, m, path)
  net.inputs = net.inputs or net.wanted
  net.outputs = net.outputs or net.inputs
  if not net.outputs or net.outputs % m.in_channels ~= 0 then
    net:refuse(m, path,
      "has %d channels; the option `inputs` says how many numbers, features times channels, "
      .. "a frame has", m.in_channels)
  end
  net:causal(m, path)
  if m.groups ~= 1 then net:refuse(m, path, "has %d groups; RTNeural has only 1 here", m.groups) end
  if m.dilation[2] ~= 1 then
    net:refuse(m, path, "is dilated over features; RTNeural's is over time only")
  end
  net.kind = net.kind or "picture"
  net.picture_in = net.picture_in or { net.outputs / m.in_channels, m.in_channels }
  local features = net.outputs / m.in_channels
  local padding, out = feature_padding(net, m, path, features)
  add(net, "conv2d", { out, m.out_channels },
    { list_of(m.weight:permute(3, 4, 2, 1), join(path, "weight")), bias_of(m, m.out_channels, path) },
    { kernel_size_time = m.kernel_size[1], kernel_size_feature = m.kernel_size[2], dilation = m.dilation[1],
      strides = m.stride[2], num_filters_in = m.in_channels, num_features_in = features,
      num_filters_out = m.out_channels, padding = padding })
end

-- Adds the layers of nn.LSTM and nn.GRU; order(t) puts the gates of dimension 1 in RTNeural's order, biases
-- makes the list of biases of both.
local function recurrent(net, m, path, kind, gates, order, biases)
  net:recurrent(m, path)
  for k = 0, m.num_layers - 1 do
    local function field(name)
      name = ("%s_l%d"):format(name, k)
      if not m[name] then return constant(gates * m.hidden_size, 0) end
      local t = order(m[name]:detach(), m.hidden_size)
      return list_of(t:dim() == 2 and t:t() or t, join(path, name))
    end
    add(net, kind, m.hidden_size, { field "weight_ih", field "weight_hh", biases(field "bias_ih",
      field "bias_hh") })
  end
end

function writers.LSTM(net, m, path)
  recurrent(net, m, path, "lstm", 4, function(t) return t end, function(a, b)
    for i = 1, #a do a[i] = short(tonumber(ffi.cast("float", a[i] + b[i]))) end
    return a
  end)
end

-- PyTorch's gates r, z, n are RTNeural's z, r, n.
function writers.GRU(net, m, path)
  recurrent(net, m, path, "gru", 3, function(t, n)
    return lt.cat { t:narrow(1, n + 1, n), t:narrow(1, 1, n), t:narrow(1, 2 * n + 1, n) }
  end, function(a, b) return { a, b } end)
end

local function norm(net, m, path, kind, outputs, more)
  net:tracks(m, path)
  local weights = {}
  for _, name in ipairs { "weight", "bias", "running_mean", "running_var" } do
    if m[name] then weights[#weights + 1] = list_of(m[name], join(path, name)) end
  end
  more.epsilon = m.eps
  add(net, kind, outputs, weights, more)
end

function writers.BatchNorm1d(net, m, path)
  net:expect(m, path, m.num_features)
  norm(net, m, path, "batchnorm", m.num_features, {})
end

function writers.BatchNorm2d(net, m, path)
  local picture = net.picture
  if not picture or picture[2] ~= m.num_features then
    net:refuse(m, path, "has %d channels; it must follow a Conv2d with as many", m.num_features)
  end
  norm(net, m, path, "batchnorm2d", picture, { num_filters_in = picture[2], num_features_in = picture[1] })
end

function writers.PReLU(net, m, path)
  local n = net:slopes(m, path)
  add(net, "prelu", n, { { list_of(m.weight, join(path, "weight")) } })
end

function writers.LeakyReLU(net, m, path)
  add(net, "prelu", net:same_size(m, path), { { { m.negative_slope } } })
end

for class_name, name in pairs { Tanh = "tanh", ReLU = "relu", Sigmoid = "sigmoid", Softmax = "softmax",
  ELU = "elu" } do
  writers[class_name] = function(net, m, path)
    if class_name == "ELU" and m.alpha ~= 1 then
      net:refuse(m, path, "has alpha %g; RTNeural's is 1", m.alpha)
    end
    add(net, "activation", net:same_size(m, path), {}, { activation = name })
  end
end

chain.skip_idle(writers)

-- (x - center) / divisor + base as a batch norm.
local function add_normalizer(net, normalizer)
  local center, divisor, base = normalizer:scale()
  local n, factor = #center, {}
  for i = 1, n do factor[i] = 1 / divisor[i] end
  net.inputs = n
  add(net, "batchnorm", n, { shorten(factor, "the normalizer"), constant(n, base),
    shorten(center, "the normalizer"), constant(n, 1) }, { epsilon = 0 })
end

-- ---- examples -----------------------------------------------------------------------------------

-- The model's outputs (T', outputs) for one sequence x (T, inputs), by the layout of its layers.
local function run(net, model, x, normalizer)
  if normalizer then x = normalizer:transform(x) end
  if net.kind == "picture" then
    local size = net.picture_in
    local y = model(x:reshape(x:size(1), size[1], size[2]):permute(3, 1, 2):unsqueeze(1))
    return y:select(1, 1):permute(2, 3, 1):reshape(y:size(3), -1)
  elseif net.kind == "channels" then
    return (model(x:t():unsqueeze(1))):select(1, 1):t()
  elseif net.kind then
    return (model(x:unsqueeze(net.kind == "time_first" and 2 or 1))):reshape(-1, net.outputs)
  end
  return (model(x))
end

-- Inputs and what the model makes of them, each from a state of zeros.
local function examples_of(net, model, o)
  local inputs = o.examples
  if type(inputs) ~= "table" then
    local generator, frames = random.generator(o.seed), o.frames + net.lost
    inputs = {}
    for i = 1, o.examples do
      inputs[i] = lt.randn(frames, net.inputs, { generator = generator })
      if o.normalizer then inputs[i] = o.normalizer:inverse(inputs[i]) end
    end
  end
  local list = {}
  for i, x in ipairs(inputs) do
    if x:dim() ~= 2 or x:size(2) ~= net.inputs then
      core.fail("export.rtneural: example %d is %s, wanted (frames, %d)", i, x:shape_text(), net.inputs)
    end
    local y = op.no_grad(o.forward or function(given) return run(net, model, given, o.normalizer) end, x)
    local kept = x:size(1) - net.lost
    if kept < 1 or y:size(1) < kept then
      core.fail("export.rtneural: example %d has %d frames and gives %d; wanted more than %d", i, x:size(1),
        y:size(1), net.lost)
    end
    y = y:narrow(1, y:size(1) - kept + 1, kept)
    list[i] = { inputs = list_of(x, "example " .. i), outputs = list_of(y, "the output of example " .. i) }
  end
  return json.array(list)
end

local defaults = { inputs = options.none, examples = 2, frames = 16, seed = 1, forward = options.none,
  metadata = options.none, normalizer = options.none, tolerance = 1e-4 }

--- Writes a model as JSON that RTNeural loads (json_parser::parseJson). The model is an nn.Sequential, or a
-- module whose field `layers` lists its layers in the order in which they run, of any depth, of Linear,
-- Conv1d, Conv2d (padding "causal" in time), LSTM, GRU, PReLU, LeakyReLU, BatchNorm1d, BatchNorm2d, Tanh,
-- ReLU, Sigmoid, Softmax and ELU. Dropout and Identity are left out. Anything else is an error that names the
-- layer. Numbers read back as the same floats. The file carries examples under the key "luatrain", which
-- RTNeural passes over: inputs, and what the model makes of them from a state of zeros; they are played with
-- what was written before the file appears, so that a model whose forward does something else than its layers
-- is refused.
-- @param path the file, replaced at once or not at all
-- @param o {inputs = numbers in a frame, where the first layer does not tell,
--   examples = 2: how many sequences, or a list of tensors (frames, inputs),
--   frames = 16: their length, seed = 1: of their normal numbers (with a
--     normalizer: of what it makes normal),
--   forward = function(x): (frames, inputs) to (frames, outputs), where the model's own forward takes neither
--     (frames, inputs), nor (N, T, inputs) or (T, N, inputs) with recurrent layers, nor (N, C, T[,
--     features]),
--   normalizer = an lt.data.normalizer of the inputs, which becomes a layer before the others,
--   metadata = any plain table, written under luatrain.metadata,
--   tolerance = 1e-4, how far the written network may be from the model, of the larger of 1 and the output}
-- @return {layers, parameters, inputs, outputs, worst = the largest difference of the examples}
-- @usage lt.export.rtneural(model, "amp.json")
function rtneural.write(model, path, o)
  o = options.read("export.rtneural", o, defaults)
  local net = chain.new("export.rtneural", "RTNeural", writers, { inputs = o.inputs, layered = true })
  if o.normalizer then add_normalizer(net, o.normalizer) end
  net:read(model)
  local training = model.training
  model:eval()
  local good, examples = pcall(examples_of, net, model, o)
  if training then model:train() end
  if not good then error(examples, 0) end
  local file = { in_shape = { json.null, json.null, net.inputs }, layers = json.array(net.layers),
    luatrain = { examples = examples, metadata = o.metadata } }
  if net.picture_in then file.in_shape = { json.null, json.null, unpack(net.picture_in) } end
  local worst = replay.compare(replay.network(file, path), examples, path)
  if not (worst <= o.tolerance) then
    core.fail("export.rtneural: what would be written differs from the model by %g: either the model's "
      .. "forward does something else than its layers one after the other (the option `forward` says how it "
      .. "is called), or floats do not hold its numbers (a normalizer of features that hardly vary)", worst)
  end
  json.save(path, file, { pretty = false })
  return { layers = #net.layers, parameters = model:num_parameters(), inputs = net.inputs,
    outputs = net.outputs,
    worst = worst }
end

return rtneural
