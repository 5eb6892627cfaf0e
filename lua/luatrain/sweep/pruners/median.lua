--- Stops a trial whose best report so far is worse than the median of what the trials that are done
-- reported at the same step. Options as those of percentile, without that.
local options = require "luatrain.options"
local percentile = require "luatrain.sweep.pruners.percentile"

local median = { options = { startup = 5, warmup = 0, interval = 1, least = 1 } }

--- A pruner.
function median.new(given)
  local o = options.read("median", given, median.options)
  o.percentile = 50
  return percentile.new(o, "median")
end

return median
