-- The match command: any sound in, a preset of the synthesizer and its rendering out. Needs a checkpoint and
-- nothing else: the parameters, their ranges, the sample rate and the mel settings are inside. Where the
-- synthesizer is at hand, a search around the model's preset brings the rendering nearer to the sound.

local data = require "inversion_data"
local failure = require "luatrain.failure"
local mels = require "inversion_mels"
local player = require "inversion_player"
local search = require "inversion_search"
local fs = lt.fs

local match = {}

--- Settings of the command.
match.config = {
  out = lt.config.string("preset.json", "file to write the preset to"),
  render = lt.config.string("", "sound file to write the preset's rendering to"),
  note = lt.config.integer(0, "MIDI note to render at; 0: the data set's note that sounds nearest",
    { min = 0, max = 127 }),
  search = lt.config.integer(200, "renderings tried around the model's preset; 0: that preset as it is",
    { min = 0 }),
}

-- The sound (samples) at the space's rate, as long as the model's: without the silence before it.
local function prepare(path, space)
  local x = lt.audio.load(path, { sample_rate = space.sample_rate, mono = true })
  local samples = math.floor(space.seconds * space.sample_rate + 0.5)
  local values, n = x:data(), x:size(1)
  local peak = x:abs():max():item()
  if peak == 0 then failure.raise("data", "%s: holds only silence", path) end
  local first = 0
  while math.abs(values[first]) < 1e-3 * peak do first = first + 1 end
  local kept = math.min(n - first, samples)
  return x:narrow(1, first + 1, kept):pad({ 0, samples - kept })
end

-- The preset as names and values in the parameters' own units, without a synthesizer at hand: positions.
local function positions(space, continuous, categorical)
  local values = {}
  local found, options = continuous:tolist()[1], categorical:tolist()[1]
  for j, name in ipairs(space.continuous.names) do values[name] = found[j] end
  for j, name in ipairs(space.categorical.names) do
    values[name] = space.categorical.options[j][options[j] + 1]
  end
  return values
end

-- Renders at one note or at all of the data set's; returns the note that sounds nearest to x.
local function nearest_note(synth, space, x, continuous, categorical, note)
  local notes = note > 0 and { note } or space.notes
  local sounds, failed = player.render(synth, space, continuous, categorical, notes)
  local best, at
  for i = 1, #notes do
    if not failed[i] then
      local d = lt.audio.multiscale_spectral_distance(sounds:select(1, i), x):item()
      if not best or d < best then best, at = d, i end
    end
  end
  if not at then failure.raise("run", "the preset cannot be rendered: %s", failed[1]) end
  return notes[at]
end

-- Everything for one sound; returns the document to be written.
local function find(model, space, facts, config, context)
  local path = context.arguments[1]
  local x = prepare(path, space)
  local continuous, categorical, scores = player.presets(model, mels.of(x:unsqueeze(1), facts.mel))
  local document = {
    synthesizer = space.synthesizer, sound = path, positions = positions(space, continuous, categorical),
  }
  local synth, problem = player.open(space)
  if not synth then
    if config.render ~= "" then failure.raise("device", "--render: %s", problem) end
    context:line("the preset holds positions from 0 to 1 only: %s", problem)
    return document
  end
  local note = nearest_note(synth, space, x, continuous, categorical, config.note)
  local preset = { continuous = continuous, categorical = categorical, scores = scores }
  local found, options, sound = search.refine(synth, space, preset, x, note,
    { renderings = config.search, seed = config.seed })
  local distance = lt.audio.multiscale_spectral_distance(sound, x):item()
  document.positions = positions(space, found, options)
  document.values = synth:values { continuous = found:select(1, 1), categorical = options:select(1, 1) }
  document.note, document.multiscale_spectral_distance = note, distance
  if config.render ~= "" then
    fs.mkdir(fs.dirname(config.render))
    lt.audio.save(config.render, sound, space.sample_rate)
    context:line("%s: rendered at note %d, multi-scale spectral distance %.3f", config.render, note, distance)
  end
  return document
end

--- Runs the command.
function match.run(config, context)
  local model = context:model()
  local space = data.space_of(context.facts, context:checkpoint_path())
  local document = lt.no_grad(lt.scope, find, model, space, context.facts, config, context)
  lt.json.save(config.out, document)
  context:line("%s: preset of %s, %d parameters", config.out, space.synthesizer,
    #space.continuous.names + #space.categorical.names)
end

return match
