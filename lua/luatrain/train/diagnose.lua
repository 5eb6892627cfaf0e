--- Why a loss became NaN or Inf: which op made the first one, whether the data or the weights held
-- one already, and what is worth trying.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local C = core.C

local methods = {}

-- True where every element of a float tensor is finite.
local function is_finite(t)
  if t.c.dtype > 3 then return true end
  return scope.run(function()
    -- A check of the waist: copying a tensor with checks on fails where it holds NaN or Inf.
    local y = t:like()
    C.lt_check_finite(true)
    local status = C.lt_copy(y.c, t.c)
    C.lt_check_finite(false)
    return status == 0
  end)
end

-- Names of the batch's tensors that hold NaN or Inf.
local function bad_fields(batch)
  local names = {}
  for name, value in pairs(batch) do
    if Tensor.is_tensor(value) and not is_finite(value) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function bad_parameters(model)
  for _, pair in ipairs(model:named_parameters()) do
    if not is_finite(pair[2]) then return pair[1] end
  end
end

-- Runs the step again with every op's result checked; the error text of the first bad one.
local function first_op(forward)
  C.lt_check_finite(true)
  local ok, e = pcall(scope.run, forward)
  C.lt_check_finite(false)
  if ok then return nil end
  return (tostring(e):gsub("^[^:\n]+:%d+: ", ""))
end

local function advice(found, config)
  if #found.fields > 0 then
    return ("clean the data: '%s' of these samples holds NaN or Inf"):format(found.fields[1])
  elseif found.parameter then
    return "the weights are already bad: resume from an earlier checkpoint with a smaller learning rate"
  end
  local steps = {}
  local op = found.op or ""
  if op:match "^log" or op:match "^ln" then
    steps[1] = "keep the argument of log above 0 (clamp it, or use log1p)"
  elseif op:match "^sqrt" or op:match "^norm" or op:match "^pow" then
    steps[1] = "add a small constant below the root: its slope at 0 is infinite"
  elseif op:match "^div" then steps[1] = "add a small constant to the divisor"
  elseif op:match "^exp" then steps[1] = "limit the argument of exp (clamp it, or use softplus)" end
  if config.precision ~= "f32" then steps[#steps + 1] = "try --precision f32" end
  if config.gradient_clip == 0 then steps[#steps + 1] = "limit the gradients: --gradient-clip 1" end
  local rate = rawget(config, "learning_rate") or rawget(config, "lr")
  if rate then
    steps[#steps + 1] = ("try a smaller learning rate, such as %.2g"):format(rate / 3)
  else
    steps[#steps + 1] = "try a smaller learning rate"
  end
  return table.concat(steps, "; ")
end

-- Looks into one batch; forward() repeats its step.
local function look(model, batch, forward)
  local found = {fields = bad_fields(batch), parameter = bad_parameters(model)}
  if #found.fields == 0 and not found.parameter then found.op = first_op(forward) end
  return found
end

-- Repeats the batches `from` to `to` of the epoch, from the present state, until the cause is found.
-- Returns {text = what was found, advice = text} and the names of the samples.
local function search(trainer, from, to)
  local found, ids = {fields = {}}, {}
  math.randomseed(C.lt_loader_seed(trainer.config.seed, trainer.at.step, -2))
  for number = from, to do
    scope.run(function()
      local batch = trainer.loaders.train:one(trainer.at.epoch, number)
      ids = batch.ids
      found = look(trainer.model, batch, function()
        trainer:compute(batch):backward()
      end)
    end)
    if found.op or found.parameter or #found.fields > 0 then break end
  end
  found.advice = advice(found, trainer.config)
  found.text = found.op and "; the first op that made one: " .. found.op
    or found.parameter and ("; the parameter '%s' held one before the step"):format(found.parameter)
    or #found.fields > 0 and ("; the batch's '%s' holds one"):format(found.fields[1])
    or ""
  return found, ids
end

-- The first sixteen names; the rest as a number.
local function names_text(ids)
  local text = table.concat(ids, ", ", 1, math.min(#ids, 16))
  return #ids > 16 and ("%s and %d more"):format(text, #ids - 16) or text
end

--- Stops a run whose loss or gradients are not finite: finds the first op that made it, leaves a
-- checkpoint from before the step, says what to try. what: "loss" or "gradient norm".
function methods:diverged(what, value, before)
  local last = self.at.batch
  self:go_back(before)
  local saved = self:save "latest"
  local first = before.batch + 1
  local found, ids = search(self, first, last)
  failure.raise("diverged", "the %s is %s at step %d (epoch %d, %s: %s)%s; %s%s", what,
    tostring(value), self.at.step + 1, self.at.epoch,
    last == first and ("batch %d"):format(last) or ("batches %d to %d"):format(first, last),
    names_text(ids), found.text, found.advice,
    saved and ("; the checkpoint from before this step is %s"):format(saved) or "")
end

return {methods = methods}
