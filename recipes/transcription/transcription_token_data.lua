-- Data of the encoder-decoder: windows of sound with the tokens of their notes; and from a recording of any
-- length back to notes.

local bands = require "transcription_bands"
local ears = require "transcription_ears"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"
local windows = require "transcription_windows"

local token_data = {}

local function places(entries, seconds)
  local list = {}
  for _, entry in ipairs(entries) do
    for k = 0, math.max(0, math.floor(entry.duration / seconds) - 1) do
      list[#list + 1] = { entry = entry, start = k * seconds,
        id = ("%s at %.0f s"):format(entry.id, k * seconds) }
    end
  end
  return list
end

local function open(entry, folder, ear, seconds)
  local source = ear == "frames" and bands.open(windows.prepared(folder, entry)) or nil
  entry.listen = ears.listen(ear, entry.audio_path, seconds, source)
  entry.notes = notes.read(entry.midi_path)
end

local augment = { frames = windows.augment }

function augment.ast(x, c)
  x = lt.audio.gain(x, { -c.random_gain, c.random_gain })
  return math.random() < c.noise and lt.audio.noise(x, { 15, 40 }) or x
end

--- The data set of a split: samples {heard, input, target (max_tokens) i64}. In training at random places,
-- augmented.
-- @param ear a name of transcription_ears.lua
function token_data.set(folder, split, codec, ear, c, training)
  local list = places(manifest.entries(folder, split), codec.seconds)
  if not training then list = windows.few(list, c.valid_windows) end
  return lt.data.table(list):map(function(item)
    local entry, start = item.entry, item.start
    if not entry.listen then open(entry, folder, ear, codec.seconds) end
    if training then start = math.random() * math.max(0, entry.duration - codec.seconds) end
    start = math.floor(start / ears.grain) * ears.grain
    local heard = entry.listen(start)
    if training and c.augment then heard = augment[ear](heard, c) end
    local input, target = codec:pair(codec:encode(entry.notes, start), c.max_tokens)
    return { heard = heard, input = lt.tensor(input, "i64"), target = lt.tensor(target, "i64") }
  end)
end

-- Seconds that windows have in common when a recording is transcribed, and windows at a time.
local OVERLAP, BATCH = 0.5, 8

--- The notes of a sound file, and where `count` (1) is more, the next likely ones of every window.
-- @param c max_tokens, strategy and its settings
function token_data.notes(model, path, c, count)
  local codec, duration = model._codec, lt.audio.info(path).duration
  local listen = ears.listen(model.ear, path, codec.seconds)
  local ranks, starts = {}, {}
  for rank = 1, count or 1 do ranks[rank] = {} end
  local options = { strategy = c.strategy, max_length = c.max_tokens, beam_size = c.beam_size,
    length_penalty = c.length_penalty, temperature = c.temperature, top_k = c.top_k, top_p = c.top_p,
    num_return_sequences = #ranks }
  local hop = codec.seconds - OVERLAP
  for k = 0, math.max(0, math.ceil((duration - OVERLAP) / hop) - 1) do starts[k + 1] = k * hop end
  for first = 1, #starts, BATCH do
    lt.scope(function()
      local heard = {}
      for k = first, math.min(#starts, first + BATCH - 1) do heard[#heard + 1] = listen(starts[k]) end
      local found = model:generate(model:pictures(lt.stack(heard, 1)), options)
      for k, one in ipairs(found) do
        for rank, list in ipairs(ranks) do
          list[#list + 1] = { tokens = one[rank].tokens, start = starts[first + k - 1] }
        end
      end
    end)
  end
  for rank, list in ipairs(ranks) do ranks[rank] = codec:stitch(list) end
  return unpack(ranks)
end

return token_data
