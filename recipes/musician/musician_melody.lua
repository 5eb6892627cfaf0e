-- Says which notes come next: 64 numbers each half second in, a probability for each of 128 notes out.
--
-- A frame is half a second. Of its 64 numbers 32 are the mood's code (zeros where nobody labelled it), 12 say
-- how much of the frame each pitch class sounds, 12 the same over the last seconds (half as much after 4 s),
-- and 8 in how many notes each sixteen keys of the keyboard sound. Targets: 1 for each note that sounds in
-- the next frame for 50 ms or more.

local mood = require "musician_mood"
local read_midi = require "musician_midi"
local nn = lt.nn

local STEP, LEAST = 0.5, 0.05
local FADE = 0.5 ^ (STEP / 4)

local function layers()
  return { nn.Linear(64, 256), nn.ReLU(), nn.LSTM(256, 256, { batch_first = true }), nn.Linear(256, 256),
    nn.ReLU(), nn.Linear(256, 128), nn.Sigmoid() }
end

-- Seconds that each pitch sounds in each frame: a list of tables by pitch.
local function sounding(notes, frames)
  local list = {}
  for t = 1, frames do list[t] = {} end
  for _, note in ipairs(notes) do
    for t = math.floor(note.start / STEP) + 1, math.min(math.ceil(note.stop / STEP), frames) do
      local shared = math.min(note.stop, t * STEP) - math.max(note.start, (t - 1) * STEP)
      list[t][note.pitch] = math.min(STEP, (list[t][note.pitch] or 0) + shared)
    end
  end
  return list
end

-- Adds one frame's numbers to x; `memory` holds the pitch classes of the seconds before.
local function describe(x, sounds, memory, code)
  local classes, ranges = {}, {}
  for k = 1, 12 do classes[k] = 0 end
  for k = 1, 8 do ranges[k] = 0 end
  for pitch, seconds in pairs(sounds) do
    classes[pitch % 12 + 1] = math.min(1, classes[pitch % 12 + 1] + seconds / STEP)
    local range = math.floor(pitch / 16) + 1
    ranges[range] = ranges[range] + 0.25
  end
  local row = { unpack(code) }
  for k = 1, 12 do
    memory[k] = memory[k] * FADE + classes[k] * (1 - FADE)
    row[32 + k], row[44 + k] = classes[k], memory[k]
  end
  for k = 1, 8 do row[56 + k] = ranges[k] end
  x[#x + 1] = row
end

local function read(entry)
  local notes, last = read_midi(entry.midi)
  local frames = math.ceil(last / STEP)
  local sounds, memory, x, y = sounding(notes, frames), {}, {}, {}
  for k = 1, 12 do memory[k] = 0 end
  local code = mood.code(entry.mood, 32)
  for t = 1, frames - 1 do
    describe(x, sounds[t], memory, code)
    local target = {}
    for pitch = 0, 127 do target[pitch + 1] = (sounds[t + 1][pitch] or 0) >= LEAST and 1 or 0 end
    y[t] = target
  end
  return lt.tensor(x, "f32"), lt.tensor(y, "f32")
end

return require("musician_recipe").recipe {
  model_name = "melody", summary = "Says which notes come next",
  inputs = 64, outputs = 128, window = 32, loss = "bce", learning_rate = 1e-3, layers = layers, read = read,
}
