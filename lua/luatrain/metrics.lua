--- lt.metrics: counting how good a classifier is.
--
-- Class ids count from 0, as everywhere in tensors; a list by class (`recall[1]`) is a Lua list, so
-- class 0 stands at 1. Accuracies are percentages from 0 to 100. Targets equal to ignore_index
-- (default -100) are not counted. Users of Python's compute_topk_accuracy, compute_confusion_matrix
-- and compute_per_class_metrics find them as topk_accuracy, confusion_matrix, per_class_metrics.

local ffi = require "ffi"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local op = require "luatrain.op"

local C, check, fail = core.C, core.check, core.fail

local metrics = {}

local IGNORE = -100

-- A tensor's elements, row-major, as an array of doubles from 0, and their number.
local function doubles(t)
  local n = t:numel()
  local values = ffi.new("double[?]", math.max(n, 1))
  check(C.lt_tensor_to_doubles(values, t.c))
  return values, n
end

-- Scores (..., C) as rows, or class ids (...) as they are: values, number of rows, C or nil.
local function rows_of(who, predictions, targets)
  local values, n = doubles(predictions)
  local count = targets:numel()
  if predictions:dim() == targets:dim() + 1 then
    local classes = predictions:size(-1)
    if n == count * classes then return values, count, classes end
  elseif n == count and predictions:dim() == targets:dim() then
    return values, count, nil
  end
  fail("%s: predictions are (%s) and targets (%s); want scores (N, C) or class ids (N) for targets (N)",
    who, table.concat(predictions:size(), ", "), table.concat(targets:size(), ", "))
end

-- The place of the greatest of `classes` scores, from 0; the first where several are equal.
local function argmax(values, start, classes)
  local best, where = values[start], 0
  for c = 1, classes - 1 do
    if values[start + c] > best then best, where = values[start + c], c end
  end
  return where
end

-- Calls f(predicted, wanted) for every counted row.
local function each_pair(who, predictions, targets, ignore_index, f)
  local values, count, classes = rows_of(who, predictions, targets)
  local wanted = doubles(targets)
  for i = 0, count - 1 do
    if wanted[i] ~= ignore_index then
      f(classes and argmax(values, i * classes, classes) or values[i], wanted[i])
    end
  end
end

-- Number of rows whose target is among the k best scores, and number of rows counted.
-- Of equal scores the lower class id stands first, as with argmax.
local function count_topk(predictions, targets, k, ignore_index)
  local values, count, classes = rows_of("topk_accuracy", predictions, targets)
  local wanted = doubles(targets)
  local correct, total = 0, 0
  for i = 0, count - 1 do
    local id = wanted[i]
    if id ~= ignore_index then
      total = total + 1
      if not classes then
        if values[i] == id then correct = correct + 1 end
      elseif id < 0 or id >= classes then
        fail("topk_accuracy: target %d is outside the %d classes", id, classes)
      else
        local own, better = values[i * classes + id], 0
        for c = 0, classes - 1 do
          local score = values[i * classes + c]
          if score > own or score == own and c < id then better = better + 1 end
        end
        if better < k and own == own then correct = correct + 1 end
      end
    end
  end
  return correct, total
end

local function percentage(correct, total)
  return total > 0 and 100 * correct / total or 0
end

--- Share of targets among the k highest scores, in percent.
-- @param logits scores (N, C), or (N, T, C) for targets (N, T)
-- @param targets class ids from 0
-- @param k default 5, or options {k = 3, ignore_index = -100}
--
--     lt.metrics.topk_accuracy(logits, targets, 3)     -- 87.5
function metrics.topk_accuracy(logits, targets, k)
  local o = type(k) == "table" and k or { k = k }
  return percentage(count_topk(logits, targets, o.k or 5, o.ignore_index or IGNORE))
end

--- Share of right answers in percent, from scores (N, C) or class ids (N).
-- @param options {ignore_index = -100}
function metrics.accuracy(predictions, targets, options)
  local correct, total = 0, 0
  local ignore_index = options and options.ignore_index or IGNORE
  each_pair("accuracy", predictions, targets, ignore_index, function(predicted, wanted)
    total = total + 1
    if predicted == wanted then correct = correct + 1 end
  end)
  return percentage(correct, total)
end

local function largest(t)
  local values, n = doubles(t)
  local top = -1
  for i = 0, n - 1 do top = math.max(top, values[i]) end
  return top
end

--- How often class r (row) was taken for class c (column): an i64 tensor (num_classes, num_classes).
-- @param predictions scores (N, C) or class ids (N)
-- @param options {num_classes = C (needed with ids, else the largest id seen + 1),
--   ignore_index = -100}
function metrics.confusion_matrix(predictions, targets, options)
  options = options or {}
  local scores = predictions:dim() == targets:dim() + 1
  local n = options.num_classes or scores and predictions:size(-1)
    or math.max(largest(predictions), largest(targets)) + 1
  local counts = ffi.new("double[?]", math.max(n * n, 1))
  each_pair("confusion_matrix", predictions, targets, options.ignore_index or IGNORE,
    function(predicted, wanted)
      if wanted < 0 or wanted >= n or predicted < 0 or predicted >= n then
        fail("confusion_matrix: class %d is outside the %d classes",
          (wanted < 0 or wanted >= n) and wanted or predicted, n)
      end
      counts[wanted * n + predicted] = counts[wanted * n + predicted] + 1
    end)
  local matrix = tensor.empty({ n, n }, "i64")
  check(C.lt_tensor_from_doubles(matrix.c, counts))
  return matrix
end

local function ratio(a, b)
  return b > 0 and a / b or 0
end

--- Precision, recall, F1 and support of every class, from a confusion matrix.
-- A class that was never predicted has precision 0; one that never occurs has recall 0.
-- @return {precision = {...}, recall = {...}, f1 = {...}, support = {...}} with one number a class
--   (from 0 to 1; class 0 first) and `macro`, the means over the classes with support
function metrics.from_confusion(matrix)
  local n = matrix:size(1)
  local counts = doubles(matrix)
  local result = { precision = {}, recall = {}, f1 = {}, support = {} }
  local macro, present = { precision = 0, recall = 0, f1 = 0 }, 0
  for c = 0, n - 1 do
    local right, predicted, actual = counts[c * n + c], 0, 0
    for other = 0, n - 1 do
      predicted = predicted + counts[other * n + c]
      actual = actual + counts[c * n + other]
    end
    local row = { precision = ratio(right, predicted), recall = ratio(right, actual),
      f1 = ratio(2 * right, predicted + actual) }
    result.support[c + 1] = actual
    for name, value in pairs(row) do
      result[name][c + 1] = value
      if actual > 0 then macro[name] = macro[name] + value end
    end
    if actual > 0 then present = present + 1 end
  end
  for name, value in pairs(macro) do macro[name] = ratio(value, present) end
  result.macro = macro
  return result
end

--- Precision, recall, F1 and support of every class; arguments as for confusion_matrix.
--
--     local m = lt.metrics.per_class_metrics(logits, targets)
--     print(m.f1[1], m.support[1], m.macro.f1)
function metrics.per_class_metrics(predictions, targets, options)
  return metrics.from_confusion(metrics.confusion_matrix(predictions, targets, options))
end

-- ---- running averages ---------------------------------------------------------------------------

local Average = {}
Average.__index = Average

--- A weighted mean that grows: avg:update(value, weight), avg:value(), avg:reset().
function metrics.Average()
  return setmetatable({ sum = 0, weight = 0 }, Average)
end

function Average:__tostring() return ("average %.6g (weight %g)"):format(self:value(), self.weight) end

--- Adds a value (a number or a tensor of one element) with a weight, default 1.
function Average:update(value, weight)
  weight = weight or 1
  if type(value) ~= "number" then value = value:item() end
  self.sum = self.sum + value * weight
  self.weight = self.weight + weight
end

--- The mean so far; 0 before any update.
function Average:value()
  return ratio(self.sum, self.weight)
end

function Average:reset()
  self.sum, self.weight = 0, 0
end

-- ---- the tracker --------------------------------------------------------------------------------

local MetricsTracker = {}
MetricsTracker.__index = MetricsTracker

--- Averages losses and counts right answers over the batches of an epoch.
--
--     local tracker = lt.metrics.MetricsTracker()
--     tracker:update({total_loss = loss}, {root = logits}, {root = ids}, 16)
--     tracker:get_metrics()      -- {total_loss = 1.2, root_acc = 71.9}
--     tracker:summary()          -- "total_loss 1.2000  root_acc 71.9%"
function metrics.MetricsTracker()
  return setmetatable({}, MetricsTracker):reset()
end

--- Begins anew; returns the tracker.
function MetricsTracker:reset()
  self.losses, self.correct, self.total = {}, {}, {}
  return self
end

--- Adds one batch.
-- @param losses table of numbers or scalar tensors by name, averaged with weight n
-- @param outputs table of scores (n, C) by name, or nil
-- @param targets table of class ids (n) with the same names, or nil
-- @param n batch size, default 1
function MetricsTracker:update(losses, outputs, targets, n)
  for name, value in pairs(losses or {}) do
    self.losses[name] = self.losses[name] or metrics.Average()
    self.losses[name]:update(value, n)
  end
  for name, logits in pairs(outputs or {}) do
    local wanted = targets and targets[name]
    if wanted then
      local correct, total = op.no_grad(count_topk, logits, wanted, 1, IGNORE)
      self.correct[name] = (self.correct[name] or 0) + correct
      self.total[name] = (self.total[name] or 0) + total
    end
  end
end

--- The averages so far: losses under their names, accuracies in percent under "<name>_acc".
function MetricsTracker:get_metrics()
  local result = {}
  for name, average in pairs(self.losses) do result[name] = average:value() end
  for name, correct in pairs(self.correct) do
    result[name .. "_acc"] = percentage(correct, self.total[name])
  end
  return result
end

--- One line for a log: the losses in alphabetical order, then the accuracies.
function MetricsTracker:summary()
  local parts = {}
  local function add(names, form)
    local sorted = {}
    for name in pairs(names) do sorted[#sorted + 1] = name end
    table.sort(sorted)
    for _, name in ipairs(sorted) do parts[#parts + 1] = form(name) end
  end
  add(self.losses, function(name) return ("%s %.4f"):format(name, self.losses[name]:value()) end)
  add(self.correct, function(name)
    return ("%s_acc %.1f%%"):format(name, percentage(self.correct[name], self.total[name]))
  end)
  return table.concat(parts, "  ")
end

return metrics
