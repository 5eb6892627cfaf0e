--- The samplers of sweeps by name: random, grid, sobol, tpe, cmaes. What they take is documented in their
-- files, luatrain.sweep.samplers.NAME.
--
-- A sampler has
--   sampler:relative(history, number, space) -> values by name for the parameters it draws together, or {};
--     space: the declared distributions by name, nil or {} where an objective asks as it goes
--   sampler:independent(history, number, name, distribution) -> a value for any other
--
-- history.trials is a list of records {number (from 0), state, params, distributions, values, reports},
-- history.directions a list of "minimize" or "maximize", and
-- history.version grows with every change. What a sampler draws at random depends on (its seed, the
-- trial's number, the parameter's name) only.
--
-- samplers.make(said, more) makes one of what a sweep file says: a name, or a table {name = "tpe",
-- startup = 20}. Options that the table does not give come from `more`, as far as the sampler has them.
local registry = require "luatrain.sweep.registry"

return registry.of("sampler", {
  random = require "luatrain.sweep.samplers.random",
  grid = require "luatrain.sweep.samplers.grid",
  sobol = require "luatrain.sweep.samplers.sobol",
  tpe = require "luatrain.sweep.samplers.tpe",
  cmaes = require "luatrain.sweep.samplers.cmaes",
})
