-- From presets back to sounds, where the synthesizer is at hand.

local core = require "luatrain.core"

local player = {}

--- Opens the synthesizer of a space. Where it cannot be had, or is another than the one that made the data:
-- nil and a text that says why.
function player.open(space)
  local ok, synth = pcall(function()
    return require("luatrain.music.synthesizer").open(space.synthesizer)
  end)
  if not ok then return nil, core.message(synth) end
  for _, kind in ipairs { "continuous", "categorical" } do
    local names = space[kind].names
    if #names ~= #synth[kind] then
      return nil, ("the synthesizer %s has %d %s parameters, the data were made with %d"):format(
        space.synthesizer, #synth[kind], kind, #names)
    end
    for i, p in ipairs(synth[kind]) do
      if p.name ~= names[i] then
        return nil, ("the synthesizer's %s parameter %d is '%s', in the data it was '%s'"):format(kind, i,
          p.name, names[i])
      end
    end
  end
  return synth
end

--- Sounds (B * #notes, samples) of presets (B, n) and options (B, m), and {[row] = error} of those that
-- could not be rendered (their samples are zeros).
function player.render(synth, space, continuous, categorical, notes)
  local sounds, failures = synth:render_batch(continuous, categorical, notes, {
    velocity = space.velocity, seconds = space.seconds, gate = space.gate, sample_rate = space.sample_rate,
  })
  local failed = {}
  for _, one in ipairs(failures or {}) do
    failed[one.index] = one.error
    sounds:select(1, one.index):fill_(0)
  end
  return sounds, failed
end

--- What the model takes for the preset behind pictures (B, 1, 128, frames): continuous (B, n), the likeliest
-- option of each categorical parameter (B, m) i64, and the scores of all options, a list of (B, k).
function player.presets(model, pictures)
  local found, scores = model(pictures)
  local options = {}
  for j, one in ipairs(scores) do options[j] = one:argmax(2) end
  local likeliest = #options > 0 and lt.stack(options, 2) or lt.zeros({ found:size(1), 0 }, "i64")
  return found, likeliest, scores
end

return player
