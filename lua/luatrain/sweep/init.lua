--- lt.sweep: hyperparameter search. Sweeps are run by `luatrain sweep FILE.lua run` (see the README, and
-- luatrain.sweep.file for what a file says); here is what scripts and the REPL need to look at one.
--
--   local study = lt.sweep.open "runs/sweeps/chord-asha/study.db"     -- or (URL of PostgreSQL, name)
--   for _, record in ipairs(study.history.trials) do print(record.number, record.state, record.params.lr) end
--   print(lt.sweep.describe(study:best()[1]))
--   study:refresh()                                                   -- what has come since
local failure = require "luatrain.failure"

local sweep = {}

--- Opens a study to look at it: its storage, and its name where there are several in it. Returns a study, see
-- luatrain.sweep.study.
function sweep.open(where, name)
  local store = require("luatrain.sweep.storage").open(where)
  if not name then
    local names = store:names()
    if #names ~= 1 then
      failure.raise("usage", "%s: %s; name one", store.path, #names == 0 and "there is no study in it"
        or "there are the studies " .. table.concat(names, ", "))
    end
    name = names[1]
  end
  local study = require("luatrain.sweep.study").find(store, name)
  study:refresh()
  return study
end

--- A trial's record as text.
function sweep.describe(record) return require("luatrain.sweep.tables").describe(record) end

--- The trial that this process runs (see luatrain.sweep.worker); nil where it runs none. For recipes' own
-- commands, that report what the trainer does not.
function sweep.trial() return require("luatrain.sweep.worker").current end

return sweep
