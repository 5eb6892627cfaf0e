-- Data of the encoder-decoder: windows of sound with the tokens of their notes; and from a recording of any
-- length back to notes.

local manifest = require "transcription_manifest"
local notes = require "transcription_notes"

local token_data = {}

local SAMPLE_RATE = 16000

-- Samples (n) of a sound file from a time on, silence behind its end.
local function sound(path, info, start, seconds)
  local wanted = math.floor(seconds * SAMPLE_RATE + 0.5)
  local scale = info.sample_rate / SAMPLE_RATE
  local offset, frames = math.floor(start * info.sample_rate + 0.5), math.ceil(wanted * scale)
  frames = math.min(frames, info.frames - offset)
  if frames < 1 then return lt.zeros(wanted) end
  local x = lt.audio.load(path, { offset = offset, frames = frames, mono = true, sample_rate = SAMPLE_RATE })
  if x:size(1) >= wanted then return x:narrow(1, 1, wanted) end
  return lt.cat({ x, lt.zeros(wanted - x:size(1)) }, 1)
end

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

--- The data set of a split: samples {sound (samples), input, target (max_tokens) i64}. In training at random
-- places, augmented.
function token_data.set(folder, split, codec, c, training)
  local list = places(manifest.entries(folder, split), codec.seconds)
  return lt.data.table(list):map(function(item)
    local entry, start = item.entry, item.start
    entry.notes = entry.notes or notes.read(entry.midi_path)
    entry.info = entry.info or lt.audio.info(entry.audio_path)
    if training then start = math.random() * math.max(0, entry.duration - codec.seconds) end
    local x = sound(entry.audio_path, entry.info, start, codec.seconds)
    if training and c.augment then
      x = lt.audio.gain(x, { -c.random_gain, c.random_gain })
      if math.random() < c.noise then x = lt.audio.noise(x, { 15, 40 }) end
    end
    local input, target = codec:pair(codec:encode(entry.notes, start), c.max_tokens)
    return { sound = x, input = lt.tensor(input, "i64"), target = lt.tensor(target, "i64") }
  end)
end

-- Seconds that windows have in common when a recording is transcribed, and windows at a time.
local OVERLAP, BATCH = 0.5, 8

--- The notes of a sound file, and where `count` (1) is more, the next likely ones of every window.
-- @param c max_tokens, strategy and its settings
function token_data.notes(model, path, c, count)
  local codec, info = model._codec, lt.audio.info(path)
  local ranks, starts = {}, {}
  for rank = 1, count or 1 do ranks[rank] = {} end
  local options = { strategy = c.strategy, max_length = c.max_tokens, beam_size = c.beam_size,
    length_penalty = c.length_penalty, temperature = c.temperature, top_k = c.top_k, top_p = c.top_p,
    num_return_sequences = #ranks }
  local hop = codec.seconds - OVERLAP
  for k = 0, math.max(0, math.ceil((info.duration - OVERLAP) / hop) - 1) do starts[k + 1] = k * hop end
  for first = 1, #starts, BATCH do
    lt.scope(function()
      local sounds = {}
      for k = first, math.min(#starts, first + BATCH - 1) do
        sounds[#sounds + 1] = sound(path, info, starts[k], codec.seconds)
      end
      local found = model:generate(model:pictures(lt.stack(sounds, 1)), options)
      for k, one in ipairs(found) do
        for rank, windows in ipairs(ranks) do
          windows[#windows + 1] = { tokens = one[rank].tokens, start = starts[first + k - 1] }
        end
      end
    end)
  end
  for rank, windows in ipairs(ranks) do ranks[rank] = codec:stitch(windows) end
  return unpack(ranks)
end

return token_data
