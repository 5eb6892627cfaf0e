--- The pruners of sweeps by name: none, median, percentile, asha, hyperband, patient, threshold, nan. What
-- they take is documented in their files, luatrain.sweep.pruners.NAME.
--
-- A pruner has
--   pruner:prune(history, record) -> whether to stop the trial; asked after each report
--   pruner:budget(record) -> the bracket of a trial (hyperband)
--
-- record.reports is a table of values by step; history is what samplers get. Of several objectives reports
-- are of the first.
--
-- pruners.make(said, more) makes one of what a sweep file says: a name, or a table {name = "asha", eta = 3}.
-- Options that the table does not give come from `more`, as far as the pruner has them.
local registry = require "luatrain.sweep.registry"

return registry.of("pruner", {
  none = require "luatrain.sweep.pruners.none",
  median = require "luatrain.sweep.pruners.median",
  percentile = require "luatrain.sweep.pruners.percentile",
  asha = require "luatrain.sweep.pruners.asha",
  hyperband = require "luatrain.sweep.pruners.hyperband",
  patient = require "luatrain.sweep.pruners.patient",
  threshold = require "luatrain.sweep.pruners.threshold",
  nan = require "luatrain.sweep.pruners.nan",
})
