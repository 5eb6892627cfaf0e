-- While training: held-out sounds and what the model makes of them, as TensorBoard audio and WAV files
-- (RUN/audio), every log_audio_every epochs; and the evaluation that ends a run.

local data = require "inversion_data"
local evaluation = require "inversion_evaluate"
local mels = require "inversion_mels"
local player = require "inversion_player"
local report = require "inversion_report"

local listening = {}

local silent = {}                                     -- run directories for which it was said why

-- The first row of presets spread over the held-out ones.
local function chosen(opened, rows, most)
  local list, seen, firsts = {}, {}, {}
  for _, row in ipairs(rows) do
    if not seen[opened.hashes[row]] then firsts[#firsts + 1] = row end
    seen[opened.hashes[row]] = true
  end
  local count = math.min(most, #firsts)
  for k = 1, count do list[k] = firsts[math.floor((k - 1) * #firsts / count) + 1] end
  return list
end

local function play(model, at, opened, synth)
  local space, c = opened.space, at.config
  local rows = chosen(opened, data.split(opened, c.val_fraction, c.seed).valid, c.log_audio_samples)
  if #rows == 0 then return end
  local notes = data.notes(opened)
  local targets = opened:rows("audio", rows):to "f32"
  local continuous, categorical = player.presets(model, mels.of(targets, mels.settings(space)))
  for k, row in ipairs(rows) do
    lt.scope(function()
      local sound, failed = player.render(synth, space, continuous:narrow(1, k, 1),
        categorical:narrow(1, k, 1), { notes and notes[row] or 60 })
      at.log:audio("audio/target_" .. k, targets[k], at.step, space.sample_rate)
      if failed[1] then
        at.line("audio/predicted_%d: %s", k, failed[1])
      else
        at.log:audio("audio/predicted_" .. k, sound[1], at.step, space.sample_rate)
      end
    end)
  end
end

-- The run's settings, for the comparison of runs.
local function settings_of(c)
  local settings = {}
  for name, value in pairs(c) do
    if type(value) ~= "table" then settings[name] = value end
  end
  return settings
end

--- The recipe's after_epoch: sounds, and now and then the weights' distributions.
function listening.after_epoch(model, at)
  if at.epoch == 1 and at.log then at.log:hparams(settings_of(at.config), { "val/loss", "best_val_loss" }) end
  local every = at.config.log_audio_every
  if every == 0 or at.epoch % every ~= 0 or not at.log then return end
  local opened = data.open(at.config.data)
  local synth, problem = player.open(opened.space)
  if synth and not opened.file:has "audio" then synth, problem = nil, "the file holds no audio" end
  if synth then
    play(model, at, opened, synth)
  elseif not silent[at.run.path] then
    silent[at.run.path] = true
    at.line("no sounds are logged: %s", problem)
  end
  opened.file:close()
  for _, entry in ipairs(model:named_parameters()) do
    local name, t = unpack(entry)
    if t.requires_grad and t:dim() > 1 then at.log:histogram("weights/" .. name, t, at.step) end
  end
end

--- The recipe's report: the evaluation of the held-out sounds, without renderings.
function listening.report(model, sets, c, run)
  local opened = data.open(c.data)
  local rows = sets.opened.sides
  if #rows.valid > 0 then
    local facts = data.facts(c, sets)
    local result = evaluation.measure(model, opened, sets.all, facts, rows.valid, rows.train, c,
      { n_samples = 0, keep_sounds = 0, folder = run:file("report", "evaluation"), line = function() end })
    lt.fs.write(run:file("report", "evaluation", "table.txt"), report.text(result) .. "\n")
  end
  opened.file:close()
end

return listening
