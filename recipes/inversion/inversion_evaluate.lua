-- The evaluate command: how well presets never trained on are found, and how their renderings sound.
--
-- Numbers, over what the masks leave learnable in each sound:
--   continuous: mean squared error, of all, of each group, and of predicting the training data's means
--   categorical: accuracy of each parameter, and of always naming the training data's commonest option
--   sounds: distances to the target of the rendered preset that the model predicts, of the match that a
--     search around it finds, of the mean preset and of another held-out preset
-- Written to the run's report folder (or --out): metrics.json, parameters.csv, index.html, and for some
-- sounds target_N.wav, predicted_N.wav, matched_N.wav and their pictures.

local baseline = require "inversion_baseline"
local data = require "inversion_data"
local mels = require "inversion_mels"
local objective = require "inversion_loss"
local player = require "inversion_player"
local report = require "inversion_report"
local search = require "inversion_search"
local fs = lt.fs

local evaluation = {}

--- Settings of the command.
evaluation.config = {
  n_samples = lt.config.integer(16, "held-out sounds that are rendered and compared", { min = 0 }),
  search = lt.config.integer(200, "renderings tried around each predicted preset, as match does",
    { min = 0 }),
  keep_sounds = lt.config.integer(8, "of these, how many to write as sound files and pictures", { min = 0 }),
  out = lt.config.string("", "folder to write; empty: the run's report folder"),
  json = lt.config.flag(false, "print one JSON object instead of a table"),
}

-- ---- numbers ------------------------------------------------------------------------------------

local function add(total, t)
  for j, value in ipairs(t:tolist()) do total[j] = (total[j] or 0) + value end
end

-- Sums over one batch: squared errors of model and means, counts, right answers of model and commonest.
local function account(sums, found, scores, batch, goal, base)
  local mask, gates = goal.space:masks(batch.categorical, goal.mask)
  local function squares(x)
    local d = x - batch.continuous
    return (d * d * mask):sum(1)
  end
  add(sums.errors, squares(found))
  add(sums.base_errors, squares(base.means))
  add(sums.heard, mask:sum(1))
  add(sums.gated, gates:sum(1))
  for j, one in ipairs(scores) do
    local wanted, gate = batch.categorical:select(2, j), gates:select(2, j)
    local function right(answer) return (wanted:eq(answer):to "f32" * gate):sum():item() end
    sums.right[j] = (sums.right[j] or 0) + right(one:argmax(2))
    sums.base_right[j] = (sums.base_right[j] or 0) + right(base.common[j])
  end
end

-- Means from sums: {continuous = {mse, baseline, ratio, groups, parameters}, categorical = {...}}.
local function conclude(sums, space)
  local function ratio(a, b) return b > 0 and a / b or 0 end
  local all, groups, parameters = { 0, 0, 0 }, {}, {}
  for j, group in ipairs(space.continuous.groups) do
    local g = groups[group] or { 0, 0, 0 }
    groups[group] = g
    for _, t in ipairs { all, g } do
      t[1], t[2], t[3] = t[1] + sums.errors[j], t[2] + sums.base_errors[j], t[3] + sums.heard[j]
    end
    if sums.heard[j] > 0 then
      parameters[space.continuous.names[j]] = { mse = sums.errors[j] / sums.heard[j],
        mean_predictor = sums.base_errors[j] / sums.heard[j], sounds = sums.heard[j] }
    end
  end
  local function row(t)
    return { mse = ratio(t[1], t[3]), mean_predictor = ratio(t[2], t[3]), ratio = ratio(t[1], t[2]) }
  end
  local result = { continuous = row(all), categorical = {} }
  result.continuous.groups, result.continuous.parameters = {}, parameters
  for name, t in pairs(groups) do if t[3] > 0 then result.continuous.groups[name] = row(t) end end
  for j, name in ipairs(space.categorical.names) do
    if sums.gated[j] > 0 then
      result.categorical[name] = { accuracy = 100 * sums.right[j] / sums.gated[j],
        majority = 100 * sums.base_right[j] / sums.gated[j], sounds = sums.gated[j] }
    end
  end
  return result
end

--- Errors of a model over a loader's batches against the baselines.
function evaluation.numbers(model, loader, goal, base)
  local sums = { errors = {}, base_errors = {}, heard = {}, gated = {}, right = {}, base_right = {} }
  local fetch, losses, n = loader:epoch(1), { 0, 0 }, 0
  local function batch_of()
    local batch = fetch()
    if not batch then return false end
    batch.categorical = batch.categorical:to "i64"
    local found, scores = model(batch.mel)
    local continuous, categorical = objective.parts(goal, found, scores, batch)
    losses[1] = losses[1] + continuous:item() * batch.size
    losses[2] = losses[2] + categorical:item() * batch.size
    n = n + batch.size
    account(sums, found, scores, batch, goal, base)
    return true
  end
  repeat until not lt.no_grad(lt.scope, batch_of)
  local result = conclude(sums, goal.space)
  result.sounds, result.cont_loss, result.cat_loss = n, losses[1] / n, losses[2] / n
  return result
end

-- ---- sounds -------------------------------------------------------------------------------------

-- Rows spread over a list, and for each another one of the same note and another preset, if there is one.
local function pairs_of(opened, rows, most)
  local notes = data.notes(opened)
  local list, count = {}, math.min(most, #rows)
  for k = 1, count do
    local at = math.floor((k - 1) * #rows / count) + 1
    local row, other = rows[at], nil
    for step = 0, #rows - 1 do
      local candidate = rows[(at - 1 + step + math.floor(#rows / 2)) % #rows + 1]
      if opened.hashes[candidate] ~= opened.hashes[row] and (not notes or notes[candidate] == notes[row]) then
        other = candidate
        break
      end
    end
    list[k] = { row = row, other = other, note = notes and notes[row] or 60 }
  end
  return list
end

-- One sound: rendered as the model hears it, after the search, and as the mean preset, compared.
local function compare(model, synth, opened, facts, base, one, renderings)
  local space = opened.space
  local target = opened:rows("audio", { one.row }):to "f32"
  local random = one.other and opened:rows("audio", { one.other }):to "f32"
  local continuous, categorical, scores = player.presets(model, mels.of(target, facts.mel))
  local function play(a, b)
    local sounds, failed = player.render(synth, space, a, b, { one.note })
    return not failed[1] and sounds or nil, failed[1]
  end
  local predicted, problem = play(continuous, categorical)
  local preset = { continuous = continuous, categorical = categorical, scores = scores }
  local _, _, matched = search.refine(synth, space, preset, target:select(1, 1), one.note,
    { renderings = renderings, seed = one.row })
  local common = lt.zeros({ 1, #base.common }, "i64")
  for j, option in ipairs(base.common) do common:set(option, 1, j) end
  local middle = play(base.means:unsqueeze(1), common)
  local result = { row = one.row, note = one.note, error = problem }
  local function measure(name, x)
    if not x then return end
    result[name] = {}
    local sound = x:reshape(target:size()):contiguous()
    for what, d in pairs(lt.audio.distances(sound, target, space.sample_rate)) do
      result[name][what] = d:item()
    end
  end
  measure("predicted", predicted)
  measure("matched", matched)
  measure("mean_preset", middle)
  measure("random_preset", random)
  return result, { target = target[1], predicted = predicted and predicted[1], matched = matched }
end

local KINDS, MEASURES = { "predicted", "matched", "mean_preset", "random_preset" },
  { "multiscale", "mfcc", "log_spectral", "envelope" }

-- Means over the sounds of each measure: {matched = {multiscale = ...}, ...}.
local function means_of(list)
  local means = {}
  for _, kind in ipairs(KINDS) do
    means[kind] = {}
    for _, what in ipairs(MEASURES) do
      local sum, n = 0, 0
      for _, one in ipairs(list) do
        if one[kind] and one.predicted then sum, n = sum + one[kind][what], n + 1 end
      end
      means[kind][what] = n > 0 and sum / n or nil
    end
  end
  return means
end

--- Renders matches of held-out rows and compares; nil and a text where the synthesizer is not at hand.
function evaluation.sounds(model, opened, facts, base, rows, o)
  if not opened.file:has "audio" then return nil, "the file holds no audio" end
  local synth, problem = player.open(opened.space)
  if not synth then return nil, problem end
  local list = {}
  for k, one in ipairs(pairs_of(opened, rows, o.n_samples)) do
    lt.no_grad(lt.scope, function()
      local result, sounds = compare(model, synth, opened, facts, base, one, o.search)
      list[k] = result
      if k <= o.keep_sounds then
        report.sound(o.folder, k, sounds, opened.space, facts.mel)
      end
    end)
    if k % 16 == 0 then o.line("sounds: %d of %d", k, o.n_samples) end
  end
  return { sounds = list, means = means_of(list) }
end

-- ---- the command --------------------------------------------------------------------------------

-- Rows that are held out, and rows for the baselines; of another file than that of training, all are.
local function sides_of(opened, facts, context)
  if data.fingerprint(opened) == facts.data.fingerprint then
    local sides = data.split(opened, facts.data.val_fraction, facts.data.seed)
    return sides.valid, sides.train
  end
  context:line("%s: not the data of training (%s): all %d sounds are measured", opened.path, facts.data.path,
    opened.count)
  local all = {}
  for i = 1, opened.count do all[i] = i end
  return all, all
end

--- Measures a model on rows of an open file, writes the folder, returns the result.
function evaluation.measure(model, opened, set, facts, held, others, config, o)
  fs.mkdir(o.folder)
  model:eval()
  local goal = objective.new(opened.space, config.importance and data.importance(opened) or nil,
    config.conditional_loss_mask, facts.unit)
  local base = baseline.of(opened, others, config.conditional_loss_mask)
  local loader = set:select(held):batch(config.batch_size)
  local result = evaluation.numbers(model, loader, goal, base)
  loader:close()
  if o.n_samples > 0 then
    local sounds, problem = evaluation.sounds(model, opened, facts, base, held, o)
    if sounds then
      result.audio = sounds
    else
      o.line("no sounds are compared: %s", problem)
    end
  end
  lt.json.save(fs.join(o.folder, "metrics.json"), result)
  report.write(o.folder, result, opened.space)
  return result
end

--- Runs the command.
function evaluation.run(config, context)
  local path = context:checkpoint_path()
  local model = context:model()
  local facts = context.facts
  local opened = data.open(config.data)
  mels.check(opened)
  data.accept(facts, { space = opened.space:facts(), data = { path = config.data } }, path)
  local held, others = sides_of(opened, facts, context)
  local set = data.table(config.data)
  local folder = config.out
  if folder == "" then folder = fs.join(fs.dirname(fs.dirname(path)), "report", "evaluation") end
  local result = evaluation.measure(model, opened, set, facts, held, others, config, {
    n_samples = config.n_samples, keep_sounds = config.keep_sounds, search = config.search, folder = folder,
    line = function(...) context:line(...) end,
  })
  opened.file:close()
  print(config.json and lt.json.encode(result) or report.text(result))
  context:line("written to %s", folder)
end

return evaluation
