-- summary: what a model's layers make, hold and cost.

local lt = require "luatrain"
local tensor = require "luatrain.tensor"
local op = require "luatrain.op"

local Summary = {}
Summary.__index = Summary

local item_bytes = { f32 = 4, f64 = 8, bf16 = 2, f16 = 2, i64 = 8, i32 = 4, u8 = 1, bool = 1 }

local function bytes_of(t)
  return t:numel() * item_bytes[t:dtype()]
end

local function own_parameters(module)
  local n, bytes = 0, 0
  for key, t in pairs(module) do
    if tensor.is_tensor(t) and t.is_parameter and not tostring(key):find("^_") then
      n, bytes = n + t:numel(), bytes + bytes_of(t)
    end
  end
  return n, bytes
end

-- Makes every module note its calls in `rows`; returns a function that ends this.
local function watch(model, rows)
  local modules = model:named_modules()
  for _, entry in ipairs(modules) do
    local name, module = entry[1], entry[2]
    local forward = module.forward
    local _, depth = name:gsub("%.", "")
    depth = name == "" and 0 or depth + 1
    local first = true
    rawset(module, "forward", function(self, x, ...)
      local row = { name = name, class = module.class_name, depth = depth, parameters = 0, flops = 0,
        bytes = 0, shape = {} }
      rows[#rows + 1] = row
      if first then row.parameters = own_parameters(module) end
      first = false
      local results = { forward(self, x, ...) }
      local y = results[1]
      if tensor.is_tensor(y) then
        row.shape, row.bytes = y:size(), bytes_of(y)
        if module.flops then row.flops = module:flops(y, x) end
      end
      return unpack(results)
    end)
  end
  return function()
    for _, entry in ipairs(modules) do rawset(entry[2], "forward", nil) end
  end
end

-- Bytes that the outputs of layers without layers below them take: a container's output is one of these.
local function add_up(self)
  self.flops, self.output_bytes = 0, 0
  for i, row in ipairs(self.rows) do
    self.flops = self.flops + row.flops
    local following = self.rows[i + 1]
    row.leaf = not (following and following.depth > row.depth)
    if row.leaf then self.output_bytes = self.output_bytes + row.bytes end
  end
end

--- Runs the model once on an input, without gradients and in evaluation mode, and tells for each
-- call of each module its output's shape, its own parameters, its output's bytes and its FLOPs.
-- FLOPs count a multiplication and an addition as two and cover products (linear, convolution,
-- recurrent, attention), not elementwise work.
-- @param model a module
-- @param input a tensor, or a shape such as {1, 1, 128, 173} for which random numbers are made;
--   further arguments go to the model too
-- @return a value that prints as a table: rows = {{name, class, depth, shape, parameters, bytes,
--   flops}, ...}, parameters, trainable, parameter_bytes, output_bytes, flops
--
--     print(nn.summary(nn.resnet18 { in_channels = 1 }, { 1, 1, 128, 173 }))
local function summary(model, input, ...)
  local self = setmetatable({ rows = {} }, Summary)
  local training = model.training
  local arguments = { ... }
  model:eval()
  model:named_parameters()
  local unwatch = watch(model, self.rows)
  local ok, problem = pcall(lt.scope, function()
    op.no_grad(function()
      model(tensor.is_tensor(input) and input or lt.randn(input), unpack(arguments))
    end)
  end)
  unwatch()
  model:train(training)
  if not ok then error(problem, 0) end
  add_up(self)
  self.parameters, self.trainable = model:num_parameters(), model:num_parameters(true)
  self.parameter_bytes = 0
  for _, p in ipairs(model:parameters()) do self.parameter_bytes = self.parameter_bytes + bytes_of(p) end
  return self
end

local function grouped(n) return require("luatrain.show").count(n) end

local function in_bytes(bytes)
  if bytes >= 1e6 then return ("%.2f MB"):format(bytes / 1e6) end
  if bytes >= 1e4 then return ("%.1f kB"):format(bytes / 1e3) end
  return grouped(bytes) .. " B"
end

local function scaled(flops)
  if flops >= 1e9 then return ("%.2f G"):format(flops / 1e9) end
  if flops >= 1e6 then return ("%.2f M"):format(flops / 1e6) end
  return grouped(flops)
end

--- The table as text.
function Summary:__tostring()
  local cells = { { "layer", "output", "parameters", "output bytes", "FLOPs" } }
  for _, row in ipairs(self.rows) do
    local short = row.name:match("[^%.]+$")
    local title = short and ("%s (%s)"):format(row.class, short) or row.class
    cells[#cells + 1] = { ("  "):rep(row.depth) .. title, "(" .. table.concat(row.shape, ", ") .. ")",
      row.parameters > 0 and grouped(row.parameters) or "-", in_bytes(row.bytes),
      row.flops > 0 and scaled(row.flops) or "-" }
  end
  local width = {}
  for _, line in ipairs(cells) do
    for i, cell in ipairs(line) do width[i] = math.max(width[i] or 0, #cell) end
  end
  local lines = {}
  for n, line in ipairs(cells) do
    local parts = {}
    for i, cell in ipairs(line) do
      local space = (" "):rep(width[i] - #cell)
      parts[i] = i <= 2 and cell .. space or space .. cell
    end
    lines[#lines + 1] = (table.concat(parts, "  "):gsub("%s+$", ""))
    if n == 1 then lines[#lines + 1] = ("-"):rep(#table.concat(parts, "  ")) end
  end
  lines[#lines + 1] = lines[2]
  lines[#lines + 1] = ("parameters      %s (%s trained), %s"):format(grouped(self.parameters),
    grouped(self.trainable), in_bytes(self.parameter_bytes))
  lines[#lines + 1] = ("layer outputs   %s"):format(in_bytes(self.output_bytes))
  lines[#lines + 1] = ("forward FLOPs   %s"):format(scaled(self.flops))
  return table.concat(lines, "\n")
end

return { summary = summary }
