--- Losses, as functions and as PyTorch-like classes: options once, then called on every batch.
--
--   local criterion = lt.loss.CrossEntropyLoss { label_smoothing = 0.1 }
--   criterion(logits, labels):backward()
--   lt.loss.mse_loss(x, y, { reduction = "sum" })
--
-- What each computes, and its options, stands in luatrain/ops/loss.lua.
local options = require "luatrain.options"
local functions = require("luatrain.ops.loss").functions

local loss = {}
for name, f in pairs(functions) do loss[name] = f end
--- Shorter names.
loss.bce = functions.binary_cross_entropy
loss.bce_with_logits = functions.binary_cross_entropy_with_logits
loss.mse, loss.l1, loss.huber = functions.mse_loss, functions.l1_loss, functions.huber_loss
loss.smooth_l1, loss.nll = functions.smooth_l1_loss, functions.nll_loss

local function describe(class)
  local parts = {}
  for key, value in pairs(class.options) do
    parts[#parts + 1] = key .. "=" .. (type(value) == "table" and "tensor" or tostring(value))
  end
  table.sort(parts)
  return class.name .. "(" .. table.concat(parts, ", ") .. ")"
end

-- A class whose objects hold options and are called with (x, target).
local function class(name, f, known)
  local meta = { __tostring = describe }
  meta.__index = meta
  meta.__call = function(self, x, target) return f(x, target, self.options) end
  local allowed = { reduction = options.none }
  for _, key in ipairs(known) do allowed[key] = options.none end
  return function(given)
    return setmetatable({ name = name, options = options.read(name, given, allowed) }, meta)
  end
end

--- CrossEntropyLoss {weight =, ignore_index = -100, label_smoothing = 0, reduction = "mean"}.
loss.CrossEntropyLoss = class("CrossEntropyLoss", functions.cross_entropy,
  { "weight", "ignore_index", "label_smoothing" })
--- NLLLoss {weight =, ignore_index = -100, reduction = "mean"} of log-probabilities.
loss.NLLLoss = class("NLLLoss", functions.nll_loss, { "weight", "ignore_index" })
--- BCELoss {weight =, reduction = "mean"} of probabilities.
loss.BCELoss = class("BCELoss", functions.binary_cross_entropy, { "weight" })
--- BCEWithLogitsLoss {weight =, pos_weight =, reduction = "mean"}.
loss.BCEWithLogitsLoss = class("BCEWithLogitsLoss", functions.binary_cross_entropy_with_logits,
  { "weight", "pos_weight" })
--- MSELoss {reduction = "mean"}.
loss.MSELoss = class("MSELoss", functions.mse_loss, { "weight" })
--- L1Loss {reduction = "mean"}.
loss.L1Loss = class("L1Loss", functions.l1_loss, { "weight" })
--- SmoothL1Loss {beta = 1, reduction = "mean"}.
loss.SmoothL1Loss = class("SmoothL1Loss", functions.smooth_l1_loss, { "weight", "beta" })
--- HuberLoss {delta = 1, reduction = "mean"}.
loss.HuberLoss = class("HuberLoss", functions.huber_loss, { "weight", "delta" })
--- KLDivLoss {log_target = false, reduction = "mean"}; "batchmean" gives the divergence.
loss.KLDivLoss = class("KLDivLoss", functions.kl_div, { "weight", "log_target" })

return loss
