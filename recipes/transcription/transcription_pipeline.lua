-- The pipeline command: generate a data set, train on it, evaluate, report; called again, it goes on where
-- it was stopped.
--
--     data/datasets/NAME/                          the data set, see transcription_generate
--     OUTPUT/checkpoints/, history.json, log.txt   the run (OUTPUT: runs/transcription/NAME)
--     OUTPUT/results/                              reports, pictures, index.html, see transcription_report

local commands = require "luatrain.train.commands"
local evaluation = require "transcription_evaluate"
local failure = require "luatrain.failure"
local generate = require "transcription_generate"
local config, fs = lt.config, lt.fs

local pipeline = {}

-- Where the settings lie in the documented config file.
local SECTIONS = {
  samples = "dataset.samples", complexity = "dataset.complexity", min_notes = "dataset.min_notes",
  max_notes = "dataset.max_notes", min_duration = "dataset.min_duration",
  max_duration = "dataset.max_duration",
  key_signatures = "dataset.key_signatures", synthesize_audio = "dataset.synthesize_audio",
  soundfont = "dataset.soundfont", sample_rate = "dataset.sample_rate",
  onset_tolerance = "evaluation.onset_tolerance", viz = "evaluation.visualizations.enabled",
  plot_types = "evaluation.visualizations.plot_types",
}

-- A copy of a field with one more name.
local function also(field, name)
  local copy = setmetatable({}, getmetatable(field))
  for key, value in pairs(field) do copy[key] = value end
  copy.alias = name
  return copy
end

-- Settings of another command; those of `without` are the pipeline's own business.
local function take(fields, without)
  local taken = {}
  for name, field in pairs(fields) do
    if not without[name] then taken[name] = SECTIONS[name] and also(field, SECTIONS[name]) or field end
  end
  return taken
end

pipeline.config = {
  eval = config.flag(true, "evaluate after training", { alias = "evaluation.enabled" }),
  eval_only = config.flag(false, "only evaluate"),
  model_path = config.string("",
    "checkpoint or run to evaluate, with --eval-only; empty: this pipeline's own"),
  output_dir = config.string("", "folder of the run and the results; empty: runs/transcription/NAME"),
  resume = config.string("", "begin with the weights and the state of this checkpoint",
    { alias = "resume_from" }),
}
for name, field in pairs(take(generate.config, { out = true })) do pipeline.config[name] = field end
for name, field in pairs(take(evaluation.config, { out = true, split = true, pieces = true, soundfont = true,
  json = true })) do
  pipeline.config[name] = field
end

-- A copy of settings with some values replaced.
local function with(c, changes)
  local values = {}
  for name, value in pairs(c) do values[name] = value end
  for name, value in pairs(changes) do values[name] = value end
  return setmetatable(values, getmetatable(c))
end

local function train(c, context, output)
  local latest = fs.join(output, c.checkpoint_dir, "latest.safetensors")
  local resume = fs.is_file(latest) and "auto" or c.resume
  if resume == "auto" then context:line("training goes on in %s", output) end
  commands.train(context.recipe, c, { run = output, resume = resume, quiet = context.options.quiet,
    command = context.options.command })
end

--- Runs the command.
-- @param transcriber as evaluation.run takes it
function pipeline.run(c, context, transcriber)
  local folder = fs.join("data", "datasets", c.name)
  local output = c.output_dir ~= "" and c.output_dir or fs.join("runs", "transcription", c.name)
  local function step(text) context:line("\n== %s", text) end
  if not (c.eval or c.eval_only) and c.model_path ~= "" then
    failure.raise("usage", "pipeline: --model-path names what to evaluate, but --no-eval")
  end
  c = with(c, { manifest_dir = folder })
  if not c.eval_only then
    step(("1 of 3: the data set %s"):format(folder))
    generate.run(with(c, { out = folder }), context)
    step(("2 of 3: training in %s"):format(output))
    train(c, context, output)
  end
  if not (c.eval or c.eval_only) then return end
  step "3 of 3: evaluation"
  context.options.checkpoint = c.eval_only and c.model_path ~= "" and c.model_path or output
  evaluation.run(with(c, { split = "test", out = fs.join(output, "results"), pieces = 0, soundfont = "",
    json = false }),
    context, transcriber)
end

return pipeline
