--- A small interpreter of RTNeural's JSON: plain loops in double precision over what the file says, one time
-- step after the other. It knows nothing of luatrain's modules and ops, so that it can tell whether an export
-- is right. Formulas: RTNeural's layers (dense, conv1d, conv2d, gru, lstm, batchnorm, activation), 1fb1f07.
local core = require "luatrain.core"
local json = require "luatrain.json"

local replay = {}

local LARGEST = 1e6                   -- numbers in a frame; also steps that a layer looks back

-- Layer type -> function(entry, say): {outputs, step = function(x) -> y, reset = function()}. entry is the
-- layer's object with `inputs`, the numbers that come in; say(...) raises a sentence about it.
local layers = {}

-- ---- reading ------------------------------------------------------------------------------------

local function whole(entry, key, say, least, default)
  local value = entry[key]
  if type(value) == "table" then value = value[#value] end
  if value == nil then value = default end
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > LARGEST then
    say("%s is %s, wanted a whole number from %d", key, tostring(value), least)
  end
  return value
end

-- Refuses what is no nested list of numbers with these sizes.
local function sized(list, say, name, size, ...)
  if type(list) ~= "table" or #list ~= size then
    say("%s has %s, wanted %d", name, type(list) == "table" and #list .. " elements" or "a " .. type(list),
      size)
  end
  for i = 1, size do
    if select("#", ...) > 0 then
      sized(list[i], say, ("%s[%d]"):format(name, i), ...)
    elseif type(list[i]) ~= "number" then
      say("%s[%d] is a %s, wanted a number", name, i, type(list[i]))
    end
  end
  return list
end

local function zeros(n)
  local list = {}
  for i = 1, n do list[i] = 0 end
  return list
end

local function copy(from)
  local list = {}
  for i = 1, #from do list[i] = from[i] end
  return list
end

-- ---- activations --------------------------------------------------------------------------------
local exp = math.exp

local function sigmoid(x) return 1 / (1 + exp(-x)) end

-- tanh without overflow.
local function tanh(x)
  local e = exp(-2 * math.abs(x))
  local y = (1 - e) / (1 + e)
  return x < 0 and -y or y
end

local function each(f)
  return function(x)
    local y = {}
    for i = 1, #x do y[i] = f(x[i]) end
    return y
  end
end

local activations = {
  [""] = function(x) return x end,
  tanh = each(tanh), sigmoid = each(sigmoid),
  relu = each(function(x) return x > 0 and x or 0 end),
  elu = each(function(x) return x > 0 and x or exp(x) - 1 end),
  softmax = function(x)
    local largest, sum, y = -math.huge, 0, {}
    for i = 1, #x do largest = math.max(largest, x[i]) end
    for i = 1, #x do
      y[i] = exp(x[i] - largest)
      sum = sum + y[i]
    end
    for i = 1, #y do y[i] = y[i] / sum end
    return y
  end,
}

-- ---- layers -------------------------------------------------------------------------------------

-- y + x W, W [inputs][outputs], into y.
local function product(y, x, W)
  for i = 1, #x do
    local v, row = x[i], W[i]
    for o = 1, #row do y[o] = y[o] + v * row[o] end
  end
  return y
end

function layers.dense(entry, say)
  local n = entry.outputs
  local W = sized(entry.weights[1], say, "weights[1]", entry.inputs, n)
  local b = entry.weights[2] and sized(entry.weights[2], say, "weights[2]", n) or zeros(n)
  return function(x) return product(copy(b), x, W) end
end
layers["time-distributed-dense"] = layers.dense

-- Gives frames of the past: push(x), then at(k) is the frame k steps ago, or nil before the first.
local function memory(reach)
  local past, now = {}, 0
  return function(x)
    now = now + 1
    past[now], past[now - reach - 1] = x, nil
  end, function(k) return past[now - k] end, function() past, now = {}, 0 end
end

function layers.conv1d(entry, say)
  local K, d = whole(entry, "kernel_size", say, 1), whole(entry, "dilation", say, 1)
  local groups, n = whole(entry, "groups", say, 1, 1), entry.outputs
  if entry.inputs % groups ~= 0 or n % groups ~= 0 then
    say("%d groups do not divide the channels", groups)
  end
  local per, out = entry.inputs / groups, n / groups
  local W = sized(entry.weights[1], say, "weights[1]", K, per, n)
  local b = sized(entry.weights[2], say, "weights[2]", n)
  local push, at, reset = memory((K - 1) * d)
  return function(x)
    push(x)
    local y = copy(b)
    for k = 1, K do
      local frame = at((K - k) * d)
      for o = 1, frame and n or 0 do
        local first, sum = math.floor((o - 1) / out) * per, 0
        for c = 1, per do sum = sum + W[k][c][o] * frame[first + c] end
        y[o] = y[o] + sum
      end
    end
    return y
  end, reset
end

-- Features that come out and zeros on the left.
local function feature_sizes(F, K, S, padding)
  if padding == "valid" then return math.floor((F - K + S) / S), 0 end
  local total = math.max(F % S == 0 and K - S or K - F % S, 0)
  return math.ceil(F / S), math.floor(total / 2)
end

function layers.conv2d(entry, say)
  local function size(key) return whole(entry, key, say, 1) end
  local KT, KF, d, S = size "kernel_size_time", size "kernel_size_feature", size "dilation", size "strides"
  local C, F, O = size "num_filters_in", size "num_features_in", size "num_filters_out"
  if C * F ~= entry.inputs then say("%d filters of %d features are not the %d inputs", C, F, entry.inputs) end
  local features, left = feature_sizes(F, KF, S, entry.padding)
  if features * O ~= entry.outputs then
    say("%d filters of %d features are not the %d outputs of its shape", O, features, entry.outputs)
  end
  local W = sized(entry.weights[1], say, "weights[1]", KT, KF, C, O)
  local b = sized(entry.weights[2], say, "weights[2]", O)
  local push, at, reset = memory((KT - 1) * d)
  local function at_feature(y, base, frame, f, filter)       -- one input feature under one tap
    for c = 1, C do
      local v, row = frame[f * C + c], filter[c]
      for o = 1, O do y[base + o] = y[base + o] + v * row[o] end
    end
  end
  return function(x)
    push(x)
    local y = {}
    for f = 0, features - 1 do
      local base = f * O
      for o = 1, O do y[base + o] = b[o] end
      for k = 1, KT do
        local frame = at((KT - k) * d)
        for j = 0, frame and KF - 1 or -1 do
          local from = f * S + j - left
          if from >= 0 and from < F then at_feature(y, base, frame, from, W[k][j + 1]) end
        end
      end
    end
    return y
  end, reset
end

function layers.gru(entry, say)
  local H = entry.outputs
  local W = sized(entry.weights[1], say, "weights[1]", entry.inputs, 3 * H)
  local U = sized(entry.weights[2], say, "weights[2]", H, 3 * H)
  local b = sized(entry.weights[3], say, "weights[3]", 2, 3 * H)
  local h = zeros(H)
  return function(x)
    local a, r = product(copy(b[1]), x, W), product(copy(b[2]), h, U)
    local new = {}
    for i = 1, H do
      local z = sigmoid(a[i] + r[i])
      local c = tanh(a[2 * H + i] + sigmoid(a[H + i] + r[H + i]) * r[2 * H + i])
      new[i] = (1 - z) * c + z * h[i]
    end
    h = new
    return h
  end, function() h = zeros(H) end
end

function layers.lstm(entry, say)
  local H = entry.outputs
  local W = sized(entry.weights[1], say, "weights[1]", entry.inputs, 4 * H)
  local U = sized(entry.weights[2], say, "weights[2]", H, 4 * H)
  local b = sized(entry.weights[3], say, "weights[3]", 4 * H)
  local h, c = zeros(H), zeros(H)
  return function(x)
    local a = product(product(copy(b), x, W), h, U)
    local new = {}
    for i = 1, H do
      c[i] = sigmoid(a[H + i]) * c[i] + sigmoid(a[i]) * tanh(a[2 * H + i])
      new[i] = sigmoid(a[3 * H + i]) * tanh(c[i])
    end
    h = new
    return h
  end, function() h, c = zeros(H), zeros(H) end
end

local function kept(entry, say)
  if entry.outputs ~= entry.inputs then say("its shape says %d, %d come in", entry.outputs, entry.inputs) end
end

function layers.prelu(entry, say)
  kept(entry, say)
  local slopes = type(entry.weights[1]) == "table" and entry.weights[1][1]
  local n = type(slopes) == "table" and #slopes == 1 and 1 or entry.inputs
  sized(slopes, say, "weights[1][1]", n)
  return function(x)
    local y = {}
    for i = 1, #x do y[i] = x[i] >= 0 and x[i] or x[i] * slopes[n == 1 and 1 or i] end
    return y
  end
end

-- n statistics, repeated over a frame.
local function norm(entry, say, n)
  kept(entry, say)
  local w, epsilon = entry.weights, entry.epsilon
  if #w ~= 2 and #w ~= 4 then say("has %d weights, wanted 2 or 4", #w) end
  if type(epsilon) ~= "number" then say("epsilon is a %s, wanted a number", type(epsilon)) end
  for k = 1, #w do sized(w[k], say, ("weights[%d]"):format(k), n) end
  local mean, var = w[#w - 1], w[#w]
  return function(x)
    local y = {}
    for i = 1, #x do
      local k = (i - 1) % n + 1
      y[i] = (x[i] - mean[k]) / math.sqrt(var[k] + epsilon)
      if #w == 4 then y[i] = w[1][k] * y[i] + w[2][k] end
    end
    return y
  end
end

function layers.batchnorm(entry, say) return norm(entry, say, entry.inputs) end

function layers.batchnorm2d(entry, say)
  local n = whole(entry, "num_filters_in", say, 1)
  if entry.inputs % n ~= 0 then say("%d filters do not divide the %d inputs", n, entry.inputs) end
  return norm(entry, say, n)
end

function layers.activation(entry, say)
  kept(entry, say)
  return activations[""]
end

-- RTNeural reads `activation` of these only.
local applies = { dense = true, ["time-distributed-dense"] = true, conv1d = true, conv2d = true,
  activation = true }

-- ---- networks -----------------------------------------------------------------------------------

-- Numbers a frame of a shape: the last, or [features, channels] where there are four entries.
local function frame_size(shape, say, name)
  if type(shape) ~= "table" or #shape == 0 then say("%s is not a list", name) end
  local n = shape[#shape]
  if #shape == 4 and type(n) == "number" and type(shape[3]) == "number" then n = n * shape[3] end
  if type(n) ~= "number" or n % 1 ~= 0 or n < 1 or n > LARGEST then
    say("%s says %s numbers a frame, wanted 1 to %d", name, tostring(n), LARGEST)
  end
  return n
end

local function layer_of(entry, inputs, say)
  local make = layers[entry.type]
  if not make then say("there is no such layer type") end
  if type(entry.weights) ~= "table" then say("weights is not a list") end
  local activation = activations[entry.activation or ""]
  if not activation then say("there is no activation '%s'", tostring(entry.activation)) end
  local all = setmetatable({ inputs = inputs, outputs = frame_size(entry.shape, say, "shape") },
    { __index = entry })
  local step, reset = make(all, say)
  if not applies[entry.type] then activation = activations[""] end
  return { step = step, reset = reset or function() end, activation = activation }, all.outputs
end

local Network = { __name = "network" }
Network.__index = Network

--- Forgets what went before: the next frame is the first.
function Network:reset()
  for _, layer in ipairs(self.layers) do layer.reset() end
end

--- One frame, a list of self.inputs numbers: the list of self.outputs numbers.
function Network:step(x)
  for _, layer in ipairs(self.layers) do x = layer.activation(layer.step(x)) end
  return x
end

--- The network of a decoded file (its objects as Lua tables); `name` is what errors call it.
function replay.network(file, name)
  local where = name .. ": "
  local function say(message, ...)
    core.fail_as("format", "%s" .. message, where, ...)
  end
  if type(file) ~= "table" or type(file.layers) ~= "table" then
    say "no RTNeural file: it has no list `layers`"
  end
  local n = frame_size(file.in_shape, say, "in_shape")
  local self = setmetatable({ inputs = n, layers = {} }, Network)
  for i, entry in ipairs(file.layers) do
    where = ("%s: layers[%d]%s: "):format(name, i, type(entry) == "table" and type(entry.type) == "string"
      and " (" .. entry.type .. ")" or "")
    if type(entry) ~= "table" then say("is a %s, wanted an object", type(entry)) end
    self.layers[i], n = layer_of(entry, n, say)
  end
  self.outputs = n
  return self
end

--- The network in a file, for one frame after the other: net:reset(), net:step(list), net.inputs,
-- net.outputs.
-- @usage local net = lt.export.network "amp.json"; print(net:step({ 0.5 })[1])
function replay.open(path)
  return replay.network(json.load(path), path)
end

-- ---- examples -----------------------------------------------------------------------------------

local function check_sequence(list, n, say, what)
  if type(list) ~= "table" then say("%s is a %s, wanted a list of frames", what, type(list)) end
  for t, frame in ipairs(list) do sized(frame, say, ("%s[%d]"):format(what, t), n) end
  return list
end

--- Plays examples, each from a reset, and compares the last frames with those that are expected (a model
-- without padding gives no output for its first ones).
-- @return the largest difference, of the larger of 1 and the number expected; and how many numbers were
-- compared
function replay.compare(network, examples, name)
  local worst, count = 0, 0
  for k, example in ipairs(examples) do
    local function say(message, ...)
      core.fail_as("format", "%s: example %d: " .. message, name, k, ...)
    end
    if type(example) ~= "table" then say("is a %s, wanted an object", type(example)) end
    local inputs = check_sequence(example.inputs, network.inputs, say, "inputs")
    local outputs = check_sequence(example.outputs, network.outputs, say, "outputs")
    if #outputs > #inputs then say("has %d outputs for %d inputs", #outputs, #inputs) end
    network:reset()
    for t, x in ipairs(inputs) do
      local y, wanted = network:step(x), outputs[t - #inputs + #outputs]
      for i = 1, wanted and #wanted or 0 do
        local d = math.abs(y[i] - wanted[i]) / math.max(1, math.abs(wanted[i]))
        if not (d <= worst) then worst = d == d and d or math.huge end
        count = count + 1
      end
    end
  end
  return worst, count
end

--- Plays the examples in a file that lt.export.rtneural wrote.
-- @return the largest difference (of the larger of 1 and the number expected), and {examples, numbers = how
-- many
--   were compared, inputs, outputs, layers}
-- @usage assert(lt.export.check "amp.json" < 1e-5)
function replay.check(path)
  local file = json.load(path)
  local network = replay.network(file, path)
  local examples = type(file.luatrain) == "table" and file.luatrain.examples
  if type(examples) ~= "table" or #examples == 0 then
    core.fail_as("format", "%s: carries no examples to play; export it again with examples", path)
  end
  local worst, count = replay.compare(network, examples, path)
  return worst, { examples = #examples, numbers = count, inputs = network.inputs, outputs = network.outputs,
    layers = #network.layers }
end

return replay
