-- chain: a model read as layers that run one after the other, a frame at a time, which is how an RTNeural
-- file and nn.stream have it. Writers, one for each class of layers, say what becomes of a module; here is
-- the walk, and what all of them ask of modules. A frame is the list of numbers of one time step.

local core = require "luatrain.core"
local Sequential = require("luatrain.nn.container").Sequential

local chain = {}

local Chain = {}
Chain.__index = Chain

--- The name of a part of a module, as state_dict's.
function chain.join(path, name)
  return path == "" and name or path .. "." .. name
end

--- A chain without layers. Its fields: inputs and outputs, numbers in a frame as far as it is known, nil
-- before the first layer that tells; layers; lost: the frames that come out fewer than went in; kind: of the
-- first layer that tells how the model is called: "channels" (N, C, T), "time_first" or "batch_first".
-- @param who the function that asks, target: what runs the layers; both for errors
-- @param writers class name -> function(net, module, path), which adds to net.layers and sets net.outputs
-- @param o {inputs = numbers in a frame where no layer tells, layered = whether a module of another class may
--   have its `layers` in order}
function chain.new(who, target, writers, o)
  return setmetatable({ who = who, target = target, writers = writers, wanted = o.inputs,
    layered = o.layered, lost = 0, layers = {} }, Chain)
end

--- Raises a sentence about a module that begins with its name.
function Chain:refuse(m, path, message, ...)
  core.fail("%s: %s (%s) " .. message, self.who, path == "" and "the model" or path, m.class_name, ...)
end

--- The layer m takes this many numbers.
function Chain:expect(m, path, inputs)
  if self.outputs and self.outputs ~= inputs then
    self:refuse(m, path, "takes %d numbers a frame, the layer before gives %d", inputs, self.outputs)
  end
  self.inputs = self.inputs or inputs
  self.outputs = inputs
end

--- The layer m gives as many numbers as it takes, which are returned.
function Chain:same_size(m, path)
  self.inputs = self.inputs or self.wanted
  self.outputs = self.outputs or self.inputs
  if not self.outputs then
    self:refuse(m, path, "comes first; the option `inputs` says how many numbers a frame has")
  end
  return self.outputs
end

--- A convolution that sees only the past; time is dimension 1 of kernel, stride, dilation and padding.
function Chain:causal(m, path)
  if m.stride[1] ~= 1 then
    self:refuse(m, path, "has stride %d in time; %s has only 1", m.stride[1], self.target)
  end
  if m.padding[1] ~= 0 then
    self:refuse(m, path, "pads the future with %d steps; %s sees only the past: padding = \"causal\"",
      m.padding[1], self.target)
  end
  -- Without padding the model begins later than its chain does, and so do all convolutions after it.
  if not m.causal or self.lost > 0 then
    self.lost = self.lost + (m.kernel_size[1] - 1) * m.dilation[1]
  end
end

--- An nn.LSTM or nn.GRU.
function Chain:recurrent(m, path)
  if m.bidirectional then
    self:refuse(m, path, "is bidirectional; %s sees only the past", self.target)
  end
  self:expect(m, path, m.input_size)
  if self.lost > 0 then
    self:refuse(m, path, "follows a convolution without padding, after which it begins later than in %s: "
      .. "padding = \"causal\"", self.target)
  end
  self.kind = m.batch_first and "batch_first" or "time_first"
end

--- A batch norm.
function Chain:tracks(m, path)
  if not m.running_mean then
    self:refuse(m, path, "has no running statistics; make it with track_running_stats = true")
  end
end

--- An nn.PReLU; returns how many numbers it takes.
function Chain:slopes(m, path)
  local n = self:same_size(m, path)
  if m.num_parameters ~= 1 and m.num_parameters ~= n then
    self:refuse(m, path, "has %d weights for %d values; %s wants 1 or as many", m.num_parameters, n,
      self.target)
  end
  return n
end

--- Adds what a module consists of, in order; path is its name in the model.
function Chain:walk(m, path)
  local writer = self.writers[m.class_name]
  if writer then return writer(self, m, path) end
  local list = m.forward == Sequential.forward and m or self.layered and m.layers
  if type(list) ~= "table" then
    self:refuse(m, path, "is no layer of %s, which has %s; give it the part of the model that consists of "
      .. "these%s", self.target, table.concat(core.sorted_keys(self.writers), ", "),
      self.layered and ", or give a module its `layers` in order" or "")
  end
  if list ~= m then
    path = chain.join(path, "layers")
    if list.is_module and #list == 0 then return self:walk(list, path) end
  end
  for i, child in ipairs(list) do self:walk(child, chain.join(path, tostring(i - 1))) end
end

--- Adds all of a model, which must have a layer.
function Chain:read(model)
  if type(model) ~= "table" or not model.is_module then
    core.fail("%s: the model is a %s, wanted a module", self.who, type(model))
  end
  self:walk(model, "")
  if not self.inputs then core.fail("%s: the model has no layers", self.who) end
  return self
end

--- Adds writers of modules that do nothing in evaluation.
function chain.skip_idle(writers)
  for _, name in ipairs { "Dropout", "Dropout1d", "Dropout2d", "Identity" } do
    writers[name] = function() end
  end
end

return chain
