--- A study for TensorBoard: a row a trial on its page of hyper-parameters, and the trials' reports as curves.
local fs = require "luatrain.fs"
local log = require "luatrain.log"
local seen = require "luatrain.sweep.seen"
local tables = require "luatrain.sweep.tables"

local board = {}

-- What an earlier call wrote into a folder would be read beside what comes now.
local function clear(folder)
  for _, name in ipairs(fs.list(folder)) do
    if name:match "^events%.out%.tfevents%." then fs.remove(fs.join(folder, name)) end
  end
  return folder
end

local function write_trial(record, objectives, folder, name)
  local out = log.open(clear(fs.mkdir(folder)))
  out:hparams(record.params, objectives, name)
  local steps = seen.steps(record)
  for _, step in ipairs(steps) do out:scalar(objectives[1], record.reports[step], step) end
  local last = (steps[#steps] or 0) + 1  -- the page shows the last value of each
  for i, value in ipairs(record.values or {}) do out:scalar(objectives[i], value, last) end
  out:finish(record.state == "failed" and "failure" or "success")
  out:close()
end

--- Writes the trials that are done, pruned or failed below a folder, which `tensorboard --logdir` takes.
-- Returns how many.
function board.write(study, folder)
  local objectives, count = tables.objectives(study), 0
  for _, record in ipairs(study.history.trials) do
    if record.state ~= "running" and record.state ~= "waiting" then
      local name = ("trial%05d"):format(record.number)
      write_trial(record, objectives, fs.join(folder, name), study.name .. "/" .. name)
      count = count + 1
    end
  end
  return count
end

return board
