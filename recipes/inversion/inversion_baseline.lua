-- What can be said without listening: the mean of each continuous parameter, the commonest option of each
-- categorical one; and how wrong the means are, which is the unit of the continuous loss.

local baseline = {}

-- Calls f(continuous (k, n), categorical (k, m), mask, gates) for pieces of the rows.
local function each(opened, rows, mask, f)
  for first = 1, #rows, 1024 do
    lt.scope(function()
      local some = {}
      for k = first, math.min(first + 1023, #rows) do some[#some + 1] = rows[k] end
      local categorical = opened:rows("params/categorical", some):to "i64"
      f(opened:rows("params/continuous", some), categorical, opened.space:masks(categorical, mask))
    end)
  end
end

--- Over rows of an open file: means (n) of what is heard, and the commonest option where it is heard.
-- mask: false counts every parameter.
function baseline.of(opened, rows, mask)
  local space = opened.space
  local n, counts = #space.continuous.names, {}
  local sums, heard = lt.keep(lt.zeros { n }), lt.keep(lt.zeros { n })
  for j, options in ipairs(space.categorical.options) do
    counts[j] = {}
    for k = 1, #options do counts[j][k] = 0 end
  end
  each(opened, rows, mask, function(continuous, categorical, masks, gates)
    sums:copy_(sums + (continuous * masks):sum(1))
    heard:copy_(heard + masks:sum(1))
    local values, gated = categorical:tolist(), gates:tolist()
    for k, row in ipairs(values) do
      for j, option in ipairs(row) do
        if gated[k][j] > 0 then counts[j][option + 1] = (counts[j][option + 1] or 0) + 1 end
      end
    end
  end)
  local means = lt.keep(lt.where(heard:gt(0), sums / heard:clamp(1), lt.full({ n }, 0.5)))
  local common = {}
  for j, list in ipairs(counts) do
    local best = 1
    for k = 2, #list do if list[k] > list[best] then best = k end end
    common[j] = best - 1
  end
  return { means = means, common = common }
end

--- The continuous loss of predicting the means, before it is divided by the unit. goal: of inversion_loss.
function baseline.error(opened, rows, goal)
  local means, sum = baseline.of(opened, rows, goal.mask).means, 0
  each(opened, rows, goal.mask, function(continuous, _, masks)
    local d = continuous - means
    sum = sum + (d * d * masks * goal.weight):sum():item()
  end)
  return math.max(sum / (#rows * goal.total), 1e-12)
end

return baseline
