-- The evaluate command: how good and how fast the trained models are, as JSON and as a table.

local checkpoint = require "luatrain.train.checkpoint"
local commands = require "luatrain.train.commands"
local data = require "musician_data"
local failure = require "luatrain.failure"
local prepare = require "musician_prepare"
local config, fs = lt.config, lt.fs

local evaluation = {}

--- Settings of the command.
evaluation.config = {
  models_dir = config.string("trained", "folder of the trained models"),
  models = prepare.config.models,
  output = config.string("evaluation_results.json", "file to write"),
  part = config.choice("test", { "test", "valid", "train" }, "pieces to measure on"),
  latency_runs = config.integer(1000, "calls whose time is taken, after a tenth as many to warm up",
    { min = 10 }),
}

-- ---- trained models -----------------------------------------------------------------------------

--- The trained models in a folder, in the order of the recipes: a list of {name, recipe, context, facts,
-- model, folder}. Raises where there is none, or one is not what its folder is called.
-- @param names of models; none: those that are there
function evaluation.open(c, context, names)
  if not fs.is_dir(c.models_dir) then failure.raise("data", "%s: no such folder", c.models_dir) end
  local list = {}
  for _, recipe in ipairs(prepare.recipes(names, fs.dirname(context.recipe.path))) do
    local name = recipe.source.model_name
    local folder = fs.join(c.models_dir, name)
    if fs.is_dir(folder) or #names > 0 then
      local inner = commands.context { recipe = recipe, arguments = {}, command = context.command,
        options = { checkpoint = folder, quiet = context.options.quiet } }
      local facts = checkpoint.facts(inner:checkpoint_path())
      if facts.recipe ~= recipe.name then
        failure.raise("data", "%s: a run of the recipe '%s', wanted '%s'", folder, tostring(facts.recipe),
          recipe.name)
      end
      local trained = config.check(recipe.fields, facts.config or {}, folder, "skip")
      inner.config = config.resolve(recipe.fields, { trained, { datasets_dir = c.datasets_dir } })
      list[#list + 1] = { name = name, recipe = recipe, context = inner, facts = facts, model = inner:model(),
        folder = folder }
    end
  end
  if #list == 0 then
    failure.raise("data", "%s: holds none of the models %s; train them first", c.models_dir,
      table.concat(prepare.models, ", "))
  end
  return list
end

-- ---- quality ------------------------------------------------------------------------------------

-- Adds up what the measures are made of over the batches of a set.
local function sums_of(one, set, mean)
  local s = { loss = 0, mean_loss = 0, errors = 0, spread = 0, cosine = 0, samples = 0, frames = 0 }
  local measure, outputs, total = one.recipe.measure, one.recipe.source.outputs, nil
  local loader = set:batch(64)
  for batch in loader:epoch(1) do
    lt.scope(lt.no_grad, function()
      local y, target = one.model(batch.x), batch.y
      local usual = mean:expand(target:size()):contiguous()
      s.loss = s.loss + measure(y, target):item() * batch.size
      s.mean_loss = s.mean_loss + measure(usual, target):item() * batch.size
      y, target = y:reshape(-1, outputs), target:reshape(-1, outputs)
      s.errors = s.errors + (y - target):square():sum():item()
      s.spread = s.spread + target:square():sum():item()
      local lengths = (y:square():sum(2) * target:square():sum(2)):sqrt():clamp(1e-12)
      s.cosine = s.cosine + ((y * target):sum(2) / lengths):sum():item()
      s.samples, s.frames = s.samples + batch.size, s.frames + y:size(1)
      total = lt.keep(total and total + target:sum(1) or target:sum(1))
    end)
  end
  loader:close()
  if s.samples > 0 then s.spread = s.spread - (total:square():sum():item()) / s.frames end
  return s
end

--- Loss, the loss of the training data's mean as the answer to everything, RMSE, R2 (of all outputs together)
-- and cosine similarity of a model (one of evaluation.open) on a data set.
function evaluation.measure(one, set)
  local mean = lt.tensor(one.facts.mean_target, "f32")
  local s = sums_of(one, set, mean)
  if s.samples == 0 then
    failure.raise("data", "%s: there are no pieces to measure on; choose another --part", one.name)
  end
  return {
    loss = s.loss / s.samples, mean_predictor_loss = s.mean_loss / s.samples,
    rmse = math.sqrt(s.errors / (s.frames * one.recipe.source.outputs)),
    r2 = 1 - s.errors / math.max(s.spread, 1e-12),
    cosine_similarity = s.cosine / s.frames, samples = s.samples, frames = s.frames,
  }
end

-- ---- speed --------------------------------------------------------------------------------------

-- Milliseconds of f(...): mean and percentiles over some runs.
local function latency(runs, f, ...)
  local times, sum = {}, 0
  for i = 1 - math.ceil(runs / 10), runs do                            -- up to 0 it warms up
    local started = lt.time()
    f(...)
    if i > 0 then times[i] = (lt.time() - started) * 1000 end
  end
  table.sort(times)
  for _, time in ipairs(times) do sum = sum + time end
  local function percentile(p) return times[math.max(1, math.ceil(p / 100 * #times))] end
  return { average_ms = sum / #times, p50_ms = percentile(50), p95_ms = percentile(95),
    p99_ms = percentile(99) }
end

-- Of one frame, which is what a plugin asks for at a time (nn.stream, on one thread), and of a batch of
-- frames on all threads.
local function latencies(one, c)
  local source, stream = one.recipe.source, lt.nn.stream(one.model)
  local frames = { c.batch_size, source.inputs }
  if source.window > 1 then table.insert(frames, 2, 1) end
  return { single = latency(c.latency_runs, stream.step, stream, lt.randn(stream.inputs)),
    batch = latency(c.latency_runs, lt.scope, lt.no_grad, one.model, lt.randn(frames)),
    batch_size = c.batch_size, batch_threads = lt.core.C.lt_threads() }
end

-- ---- results ------------------------------------------------------------------------------------

--- A table of results by model.
-- @param title says what was measured on
function evaluation.table(results, title)
  local lines = { title,
    "model          loss   of mean   ratio    RMSE      R2  cosine   pieces  samples   p50 ms p50 batch" }
  for _, name in ipairs(prepare.models) do
    local r = results[name]
    if r then
      local l = r.latency
      lines[#lines + 1] = ("%-9s %9.5f %9.5f %7.3f %7.4f %7.3f %7.3f %8d %8d %8s %9s%s"):format(name, r.loss,
        r.mean_predictor_loss, r.loss / r.mean_predictor_loss, r.rmse, r.r2, r.cosine_similarity, r.pieces,
        r.samples, l and ("%.3f"):format(l.single.p50_ms) or "",
        l and ("%.3f"):format(l.batch.p50_ms) or "",
        r.synthetic > 0 and "  SYNTHETIC" or "")
    end
  end
  return table.concat(lines, "\n")
end

--- Measures one model.
-- @param part of the data
function evaluation.one(one, part)
  local sets = data.sets(one.recipe.source, one.context.config, one.facts)
  local result = evaluation.measure(one, sets[part])
  result.part, result.pieces, result.synthetic = part, sets.facts.pieces[part], sets.facts.synthetic
  result.parameters = one.model:num_parameters()
  result.bytes = result.parameters * 4
  result.loss_name = one.recipe.source.loss
  result.samples_of = {}
  for _, name in ipairs { "train", "valid", "test" } do result.samples_of[name] = sets[name]:size() end
  return result
end

--- Runs the command.
function evaluation.run(c, context)
  local results = {}
  for _, one in ipairs(evaluation.open(c, context, c.models)) do
    local result = evaluation.one(one, c.part)
    result.latency = latencies(one, c)
    results[one.name] = result
  end
  lt.json.save(c.output, { models = results })
  print(evaluation.table(results, ("on the split '%s' of %s"):format(c.part, c.datasets_dir)))
  context:line("written to %s", c.output)
end

return evaluation
