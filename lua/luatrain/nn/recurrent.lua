-- recurrent: LSTM (S. Hochreiter and J. Schmidhuber 1997) and GRU (K. Cho et al. 2014), as torch.nn.
--
-- T steps, N sequences, input_size I, hidden_size H, D = 1 or 2 directions, L layers. Weights of
-- layer k (and, with "_reverse", of its backward direction): weight_ih_lk (G H, I or D H),
-- weight_hh_lk (G H, H), bias_ih_lk and bias_hh_lk (G H), with G = 4 gates i, f, g, o for the LSTM
-- and 3 gates r, z, n for the GRU. All begin in U(-1/sqrt(H), 1/sqrt(H)).

local lt = require "luatrain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local fail = core.fail

local recurrent = {}

local defaults = { num_layers = 1, bias = true, batch_first = false, dropout = 0,
  bidirectional = false }

-- The names of one direction of one layer, in PyTorch's order.
local function weight_names(layer, reverse, bias)
  local suffix = "_l" .. layer - 1 .. (reverse and "_reverse" or "")
  local names = { "weight_ih" .. suffix, "weight_hh" .. suffix }
  if bias then
    names[3], names[4] = "bias_ih" .. suffix, "bias_hh" .. suffix
  end
  return names
end

local function make_weights(self, gates)
  local H, directions = self.hidden_size, self.bidirectional and 2 or 1
  local bound = 1 / math.sqrt(H)
  self._fields, self._directions = {}, {}
  for layer = 1, self.num_layers do
    local inputs = layer == 1 and self.input_size or H * directions
    for direction = 1, directions do
      local names = weight_names(layer, direction == 2, self.bias)
      local shapes = { { gates * H, inputs }, { gates * H, H }, { gates * H }, { gates * H } }
      for i, name in ipairs(names) do
        local weight = tensor.empty(shapes[i], "f32")
        self[name] = Module.Parameter(init.uniform_(weight, -bound, bound))
        table.insert(self._fields, name)
      end
      table.insert(self._directions, names)
    end
  end
end

local function read(self, gates, input_size, hidden_size, given)
  local who = self.class_name
  local o = options.read(who, given, defaults)
  self.input_size = options.size(who, "input_size", input_size)
  self.hidden_size = options.size(who, "hidden_size", hidden_size)
  self.num_layers = options.size(who, "num_layers", o.num_layers)
  self.bias, self.batch_first, self.dropout = o.bias, o.batch_first, o.dropout
  self.bidirectional = o.bidirectional
  make_weights(self, gates)
end

-- The weights of all directions of all layers, one after the other.
local function weights_of(self)
  local list = {}
  for i, name in ipairs(self._fields) do list[i] = self[name] end
  return list
end

local function check_input(self, x)
  if x:dim() ~= 3 or x:size(3) ~= self.input_size then
    fail("%s: the input is %s, want %s with I = %d", self.class_name, x:shape_text(),
      self.batch_first and "(N, T, I)" or "(T, N, I)", self.input_size)
  end
end

local function describe(self)
  local parts = { ("%d, %d"):format(self.input_size, self.hidden_size) }
  for _, name in ipairs { "num_layers", "bias", "batch_first", "dropout", "bidirectional" } do
    if self[name] ~= defaults[name] then parts[#parts + 1] = name .. "=" .. tostring(self[name]) end
  end
  return table.concat(parts, ", ")
end

-- 2 * (every weight of the products) per step and sequence.
local function flops(self, y)
  local weights = 0
  for _, name in ipairs(self._fields) do
    if name:find "^weight" then weights = weights + self[name]:numel() end
  end
  return 2 * weights * y:size(1) * y:size(2)
end

--- Long short-term memory, several layers, one or two directions.
-- `nn.LSTM(input_size, hidden_size, {num_layers = 1, bias = true, batch_first = false, dropout = 0,
-- bidirectional = false})`; dropout acts between layers in training.
local LSTM = Module.class "LSTM"
recurrent.LSTM = LSTM
LSTM.describe, LSTM.flops = describe, flops

function LSTM:init(input_size, hidden_size, given)
  read(self, 4, input_size, hidden_size, given)
end

--- @param x (T, N, I), or (N, T, I) with batch_first
-- @param h0 first hidden states (L D, N, H), or nil for zeros
-- @param c0 first cell states, likewise
-- @return y (T, N, D H) or (N, T, D H), the last hidden states h and cell states c (L D, N, H)
function LSTM:forward(x, h0, c0)
  check_input(self, x)
  return lt.lstm(x, h0, c0, weights_of(self), self)
end

--- Gated recurrent unit; arguments as for nn.LSTM.
local GRU = Module.class "GRU"
recurrent.GRU = GRU
GRU.describe, GRU.flops = describe, flops

function GRU:init(input_size, hidden_size, given)
  read(self, 3, input_size, hidden_size, given)
end

--- @param x (T, N, I), or (N, T, I) with batch_first
-- @param h0 first hidden states (L D, N, H), or nil for zeros
-- @return y (T, N, D H) or (N, T, D H), and the last hidden states (L D, N, H)
function GRU:forward(x, h0)
  check_input(self, x)
  return lt.gru(x, h0, weights_of(self), self)
end

return recurrent
