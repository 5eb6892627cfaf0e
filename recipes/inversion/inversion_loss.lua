-- The loss, and what is measured beside it.
--
--     loss = continuous_weight * C + categorical_weight * K
--     C = sum over the batch of w_j mask_ij (found_ij - wanted_ij)^2 / (U * B * sum of w_j over learnable j)
--     K = sum over the batch of mask_ij crossentropy_ij            / (B * number of learnable categorical)
--
-- w_j are importance weights (1 without). mask_ij is 1 where parameter j can be heard in sound i: it is
-- learnable at all (static), and every switch that it needs is on in preset i.
--
-- The normaliser is a constant of the data set: a parameter pulls equally hard in every sound in which it
-- is heard, however many others are masked there; what a sample contributes does not depend on the batch it
-- came in, so that accumulating batches gives exactly the gradient of one large batch; and masks that remove
-- most parameters do not shrink the loss of the rest. (Dividing by the number of unmasked entries of the
-- batch would break the second; by B * n the third.) U is the same sum for predicting the training data's
-- means, so that C is 1 without listening and 0 for the truth: of the size of K, where plain squares of
-- numbers between 0 and 1 would be a twentieth of it.

local loss = lt.loss

local objective = {}

local IGNORED = -100

--- What does not change from batch to batch. space: see inversion_space; importance: tensor (n) or nil;
-- mask: false counts every parameter; unit: U, default 1.
function objective.new(space, importance, mask, unit)
  local self = { space = space, mask = mask, unit = unit or 1 }
  local n, m = #space.continuous.names, #space.categorical.names
  self.weight = lt.keep(importance and importance:clone() or lt.ones { n })
  local total, heads = 0, 0
  for j = 1, n do
    if not mask or space.continuous.learnable[j] > 0 then total = total + self.weight:get(j) end
  end
  for j = 1, m do
    if not mask or space.categorical.learnable[j] > 0 then heads = heads + 1 end
  end
  self.total, self.heads = math.max(total, 1e-12), math.max(heads, 1)
  return self
end

--- Continuous loss and categorical loss, scalars, of found values (B, n), scores (list of (B, k)) and a
-- batch {continuous (B, n), categorical (B, m) i64}; also the masks (B, n) and (B, m).
function objective.parts(self, found, scores, batch)
  local size = found:size(1)
  local mask, gates = lt.no_grad(self.space.masks, self.space, batch.categorical, self.mask)
  local weight = lt.no_grad(function() return mask * self.weight end)
  local continuous = loss.mse_loss(found, batch.continuous, { weight = weight, reduction = "sum" })
    * (1 / (self.unit * size * self.total))
  local targets = #scores > 0 and lt.no_grad(function()
    return lt.where(gates:gt(0), batch.categorical, lt.full({}, IGNORED, "i64"))
  end)
  local categorical
  for j, one in ipairs(scores) do
    if not self.mask or self.space.categorical.learnable[j] > 0 then
      local part = loss.cross_entropy(one, targets:select(2, j):contiguous(),
        { reduction = "sum", ignore_index = IGNORED })
      categorical = categorical and categorical + part or part
    end
  end
  categorical = categorical and categorical * (1 / (size * self.heads)) or continuous * 0
  return continuous, categorical, mask, gates
end

--- Adds to `metrics`, as {value, weight}, mse_<group> over the continuous parameters that can be heard and
-- acc_<name> (percent) of the categorical ones.
function objective.measure(self, found, scores, batch, mask, gates, metrics)
  local space = self.space
  local difference = found - batch.continuous
  local squares, counts = (difference * difference * mask):sum(1):tolist(), mask:sum(1):tolist()
  local sums = {}
  for j, group in ipairs(space.continuous.groups) do
    sums[group] = sums[group] or { 0, 0 }
    sums[group][1], sums[group][2] = sums[group][1] + squares[j], sums[group][2] + counts[j]
  end
  for group, sum in pairs(sums) do
    if sum[2] > 0 then metrics["mse_" .. group] = { sum[1] / sum[2], sum[2] } end
  end
  for j, name in ipairs(space.categorical.names) do
    local gate = gates:select(2, j)
    local n = gate:sum():item()
    if n > 0 then
      local right = scores[j]:argmax(2):eq(batch.categorical:select(2, j)):to "f32" * gate
      metrics["acc_" .. name] = { 100 * right:sum():item() / n, n }
    end
  end
  return metrics
end

return objective
