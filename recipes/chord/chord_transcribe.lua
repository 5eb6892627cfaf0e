-- The transcribe command of the chord recipe: recordings of any format, rate and length become .lab files.

local chord = require "luatrain.music.chord"
local features = require "chord_features"
local recognise = require "chord_recognise"
local fs = lt.fs

local transcribe = {}

--- Settings of the command.
transcribe.config = {
  out = lt.config.string("", "file to write, or for several songs the folder; empty: beside each song"),
}

local function output(song, out, several)
  if out == "" then return fs.join(fs.dirname(song), fs.stem(song) .. ".lab") end
  if several or fs.is_dir(out) then return fs.join(out, fs.stem(song) .. ".lab") end
  return out
end

--- Writes the chords of one recording, whole or not at all; memory does not grow with its length. Returns
-- the number of segments.
function transcribe.song(model, path, out, config)
  local source, count = features.of_file(path), 0
  local writer = fs.writer(out)
  local ok, problem = pcall(recognise.song, model, source, config, function(segment)
    writer:write(chord.lab_line(segment))
    count = count + 1
  end)
  if not ok then
    writer:abort()
    error(problem, 0)
  end
  writer:commit()
  return count
end

--- Runs the command on context.arguments.
function transcribe.run(config, context)
  local songs = context.arguments
  if #songs > 1 and config.out ~= "" then fs.mkdir(config.out) end
  local model = context:model()
  for _, song in ipairs(songs) do
    local out = output(song, config.out, #songs > 1)
    local started = lt.time()
    local count = transcribe.song(model, song, out, config)
    context:line("%s: %d chords in %.1f s", out, count, lt.time() - started)
  end
end

return transcribe
