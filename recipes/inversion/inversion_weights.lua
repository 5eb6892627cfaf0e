-- The compute-weights command: how much each continuous parameter matters to the ear of the model.
--
-- Presets of the file are rendered, and again with each learnable parameter that is heard in them moved by a
-- tenth of its range; the importance of a parameter is the mean |difference| of the log-mel pictures.
-- Weights are importances raised to `power`, held between `floor` and `ceiling` times their mean, and scaled
-- so that the learnable ones have the mean 1; parameters that no preset lets be heard get weight 0. They go
-- to
-- importance/continuous of the file, which `train` finds.

local data = require "inversion_data"
local failure = require "luatrain.failure"
local hdf5 = require "luatrain.data.hdf5"
local mels = require "inversion_mels"
local player = require "inversion_player"

local weights = {}

local NAME = "importance/continuous"

--- Settings of the command.
weights.config = {
  presets = lt.config.integer(60, "presets of the file that are tried", { min = 1 }),
  move = lt.config.number(0.1, "by how much of its range a parameter is moved", { min = 0.001, max = 0.5 }),
  power = lt.config.number(0.5, "power of the importance that becomes the weight; 0 makes all equal",
    { min = 0 }),
  floor = lt.config.number(0.2, "least weight, in units of the mean", { min = 0, max = 1 }),
  ceiling = lt.config.number(4, "largest weight, in units of the mean", { min = 1 }),
}

-- Positions of the first rows of up to `most` presets, spread over the file.
local function chosen_rows(opened, most)
  local firsts, seen = {}, {}
  for row, hash in ipairs(opened.hashes) do
    if not seen[hash] then firsts[#firsts + 1] = row end
    seen[hash] = true
  end
  local rows, count = {}, math.min(most, #firsts)
  for k = 1, count do rows[k] = firsts[math.floor((k - 1) * #firsts / count) + 1] end
  return rows
end

-- Adds one preset's differences to sums and counts, by parameter.
local function try(opened, synth, row, note, move, sums, counts)
  local continuous = opened:rows("params/continuous", { row })           -- (1, n)
  local categorical = opened:rows("params/categorical", { row }):to "i64" -- (1, m)
  local mask = opened.space:masks(categorical):tolist()[1]
  local heard, moved = {}, { continuous }
  for j = 1, continuous:size(2) do
    if mask[j] > 0 then
      local one = continuous:clone()
      local value = one:get(1, j)
      one:set(value + move <= 1 and value + move or value - move, 1, j)
      heard[#heard + 1], moved[#moved + 1] = j, one
    end
  end
  if #heard == 0 then return end
  local presets = lt.cat(moved, 1)
  local options = categorical:expand(presets:size(1), categorical:size(2)):contiguous()
  local sounds, failed = player.render(synth, opened.space, presets, options, { note })
  local pictures = mels.of(sounds, mels.settings(opened.space))
  local base = pictures:narrow(1, 1, 1)
  local apart = (pictures - base):abs():mean({ 2, 3, 4 }):tolist()
  for k, j in ipairs(heard) do
    if not failed[k + 1] and not failed[1] then
      sums[j], counts[j] = sums[j] + apart[k + 1], counts[j] + 1
    end
  end
end

--- Weights from sums of differences and their counts; o: power, floor, ceiling.
function weights.from_sums(sums, counts, o)
  local values, total, heard = {}, 0, 0
  for j = 1, #sums do
    values[j] = counts[j] > 0 and math.max(sums[j] / counts[j], 1e-12) ^ o.power or 0
    if counts[j] > 0 then total, heard = total + values[j], heard + 1 end
  end
  if heard == 0 then return values end
  local mean, again = total / heard, 0
  for j = 1, #values do
    if counts[j] > 0 then
      values[j] = math.min(math.max(values[j], o.floor * mean), o.ceiling * mean)
      again = again + values[j]
    end
  end
  for j = 1, #values do values[j] = values[j] * heard / again end
  return values
end

--- Runs the command.
function weights.run(config, context)
  local opened = data.open(config.data)
  local synth, problem = player.open(opened.space)
  if not synth then failure.raise("device", "compute-weights renders presets, and %s", problem) end
  local sums, counts, notes = {}, {}, opened.space.notes
  for j = 1, #opened.space.continuous.names do sums[j], counts[j] = 0, 0 end
  local rows, started = chosen_rows(opened, config.presets), lt.time()
  for k, row in ipairs(rows) do
    lt.scope(try, opened, synth, row, notes[(k - 1) % #notes + 1], config.move, sums, counts)
    if k % 10 == 0 or k == #rows then
      context:line("weights: %d of %d presets, %.0f s", k, #rows, lt.time() - started)
    end
  end
  opened.file:close()
  local values = weights.from_sums(sums, counts, config)
  hdf5.extend(config.data, function(w)
    w:tensor(NAME, lt.tensor(values), { replace = true })
    w:attributes(NAME, { presets = #rows, move = config.move, power = config.power })
  end)
  local order = {}
  for j = 1, #values do order[j] = j end
  table.sort(order, function(a, b) return values[a] > values[b] end)
  for k, j in ipairs(order) do
    if k <= 8 then context:line("  %-28s %.2f", opened.space.continuous.names[j], values[j]) end
  end
  context:line("%s: %s written", config.data, NAME)
end

return weights
