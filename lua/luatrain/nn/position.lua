-- position: telling a sequence where its elements stand (Vaswani et al. 2017, section 3.5).

local ffi = require "ffi"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local dropout = require "luatrain.nn.dropout"
local Module = require "luatrain.nn.module"

local C, check, fail = core.C, core.check, core.fail

local position = {}

--- Sines and cosines as a tensor (length, width): column 2i is sin(p w_i), column 2i + 1 is
-- cos(p w_i), with w_i = base^(-2i / width) and p = first, first + step, ... (defaults 0, 1; base 10000).
function position.sinusoid_table(length, width, first, step, base)
  first, step, base = first or 0, step or 1, base or 10000
  local values = ffi.new("double[?]", length * width)
  for i = 0, width - 1 do
    local frequency = math.exp(-(i - i % 2) / width * math.log(base))
    local wave = i % 2 == 0 and math.sin or math.cos
    for p = 0, length - 1 do
      values[p * width + i] = wave((first + p * step) * frequency)
    end
  end
  local t = tensor.empty({ length, width }, "f32")
  check(C.lt_tensor_from_doubles(t.c, values))
  return t
end

-- The length of (N, L, d_model) or, without batch_first, (L, N, d_model).
local function length_of(self, x)
  if x:dim() ~= 3 or x:size(-1) ~= self.d_model then
    fail("%s: the input is (%s), want three dimensions, the last %d", self.class_name,
      table.concat(x:size(), ", "), self.d_model)
  end
  local length = x:size(self.batch_first and 2 or 1)
  if length > self.max_len then
    fail("%s: the sequence has %d positions, the table %d; give a larger max_len", self.class_name,
      length, self.max_len)
  end
  return length
end

local function rows(self, t, length)
  local part = t:narrow(1, 1, length)
  return self.batch_first and part or part:reshape(length, 1, self.d_model)
end

--- Adds fixed sines and cosines: (N, L, d_model) -> the same.
-- `nn.PositionalEncoding(d_model, {dropout = 0.1, max_len = 5000, batch_first = true})`
local PositionalEncoding = Module.class "PositionalEncoding"
position.PositionalEncoding = PositionalEncoding

function PositionalEncoding:init(d_model, given)
  local o = options.read("PositionalEncoding", given,
    { dropout = 0.1, max_len = 5000, batch_first = true })
  self.d_model = options.size("PositionalEncoding", "d_model", d_model)
  self.max_len, self.batch_first = o.max_len, o.batch_first
  self.dropout = dropout.Dropout(o.dropout)
  self._table = position.sinusoid_table(o.max_len, d_model)       -- (max_len, d_model)
end

function PositionalEncoding:forward(x)
  return self.dropout(x + rows(self, self._table, length_of(self, x)))
end

function PositionalEncoding:describe()
  return ("d_model=%d, max_len=%d"):format(self.d_model, self.max_len)
end

--- Adds a learned vector for each position: weight (max_len, d_model), beginning in N(0, 0.02).
-- `nn.LearnedPositionalEncoding(d_model, {dropout = 0.1, max_len = 512, batch_first = true})`
local LearnedPositionalEncoding = Module.class "LearnedPositionalEncoding"
position.LearnedPositionalEncoding = LearnedPositionalEncoding

function LearnedPositionalEncoding:init(d_model, given)
  local o = options.read("LearnedPositionalEncoding", given,
    { dropout = 0.1, max_len = 512, batch_first = true })
  self.d_model = options.size("LearnedPositionalEncoding", "d_model", d_model)
  self.max_len, self.batch_first = o.max_len, o.batch_first
  self.dropout = dropout.Dropout(o.dropout)
  local weight = tensor.empty({ o.max_len, d_model }, "f32")
  self.weight = Module.Parameter(init.normal_(weight, 0, 0.02))
end

function LearnedPositionalEncoding:forward(x)
  return self.dropout(x + rows(self, self.weight, length_of(self, x)))
end

LearnedPositionalEncoding.describe = PositionalEncoding.describe

return position
