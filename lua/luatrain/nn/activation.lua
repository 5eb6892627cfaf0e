-- activation: elementwise nonlinearities as modules (torch.nn.ReLU and its kin).
-- Each calls the op of its name; the formulas stand there.

local lt = require "luatrain"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local activation = {}

-- A class without options: forward is lt[name](x).
local function plain(class_name, name)
  local class = Module.class(class_name)
  activation[class_name] = class
  class.activation_name = name          -- nn.Sequential joins it to the layer before where it can
  function class:forward(x)
    return lt[name](x)
  end
  return class
end

--- max(x, 0).
plain("ReLU", "relu")
--- 1 / (1 + exp(-x)).
plain("Sigmoid", "sigmoid")
--- The hyperbolic tangent.
plain("Tanh", "tanh")
--- x * sigmoid(x), also called swish.
plain("SiLU", "silu")

--- x * Phi(x); nn.GELU { approximate = "tanh" } takes the tanh form.
local GELU = Module.class "GELU"
activation.GELU = GELU

function GELU:init(given)
  self.approximate = options.read("GELU", given, { approximate = "none" }).approximate
  self.activation_name = self.approximate == "tanh" and "gelu_tanh" or "gelu"
end

function GELU:forward(x)
  return lt.gelu(x, self.approximate)
end

function GELU:describe()
  return ("approximate=%q"):format(self.approximate)
end

--- x where positive, else negative_slope * x. `nn.LeakyReLU(0.01)`.
local LeakyReLU = Module.class "LeakyReLU"
activation.LeakyReLU = LeakyReLU

function LeakyReLU:init(negative_slope)
  self.negative_slope = negative_slope or 0.01
end

function LeakyReLU:forward(x)
  return lt.leaky_relu(x, self.negative_slope)
end

function LeakyReLU:describe()
  return ("negative_slope=%g"):format(self.negative_slope)
end

--- x where positive, else weight * x, with one learned weight or one a channel (dimension 2).
-- `nn.PReLU(num_parameters, {init = 0.25})`.
local PReLU = Module.class "PReLU"
activation.PReLU = PReLU

function PReLU:init(num_parameters, given)
  local o = options.read("PReLU", given, { init = 0.25 })
  self.num_parameters = num_parameters or 1
  local weight = tensor.empty({ self.num_parameters }, "f32")
  self.weight = Module.Parameter(init.constant_(weight, o.init))
end

function PReLU:forward(x)
  return lt.prelu(x, self.weight)
end

function PReLU:describe()
  return ("num_parameters=%d"):format(self.num_parameters)
end

--- x where positive, else alpha * (exp(x) - 1). `nn.ELU(1)`.
local ELU = Module.class "ELU"
activation.ELU = ELU

function ELU:init(alpha)
  self.alpha = alpha or 1
end

function ELU:forward(x)
  return lt.elu(x, self.alpha)
end

function ELU:describe()
  return ("alpha=%g"):format(self.alpha)
end

--- log(1 + exp(beta x)) / beta, linear above threshold. `nn.Softplus(1, 20)`.
local Softplus = Module.class "Softplus"
activation.Softplus = Softplus

function Softplus:init(beta, threshold)
  self.beta, self.threshold = beta or 1, threshold or 20
end

function Softplus:forward(x)
  return lt.softplus(x, self.beta, self.threshold)
end

function Softplus:describe()
  return ("beta=%g, threshold=%g"):format(self.beta, self.threshold)
end

-- Classes with one option, a dimension (from 1, negative from the end).
local function over_dimension(class_name, name, default)
  local class = Module.class(class_name)
  activation[class_name] = class
  function class:init(dim)
    self.dim = dim or default
  end
  function class:forward(x)
    return lt[name](x, self.dim)
  end
  function class:describe()
    return ("dim=%d"):format(self.dim)
  end
end

--- a * sigmoid(b), where a and b are the halves of x along a dimension: `nn.GLU(-1)`.
over_dimension("GLU", "glu", -1)
--- exp(x) over its sum along a dimension: `nn.Softmax(-1)`.
over_dimension("Softmax", "softmax", -1)
--- The logarithm of softmax: `nn.LogSoftmax(-1)`.
over_dimension("LogSoftmax", "log_softmax", -1)

return activation
