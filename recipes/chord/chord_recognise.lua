-- From a whole recording to its chords, in constant memory: windows that overlap by half, of which the
-- middle counts, decoded into segments.

local chord_decode = require "luatrain.music.chord_decode"
local features = require "chord_features"

local recognise = {}

local WINDOWS = 16

-- Log-probabilities of the rows in the middles of 16 windows of x, heard `shift` semitones higher, as
-- {root (n, 12), type (n, 12, 32), bass (n, 12, 12)} of what x holds, and the log-odds (n) of changes.
local function heard(model, x, rows, shift)
  local half, windows = rows / 2, {}
  x = features.transpose(x, shift)
  for w = 1, WINDOWS do windows[w] = x:narrow(1, (w - 1) * half + 1, rows) end
  local parts = { model:joint(lt.stack(windows, 1)) }
  for i, t in ipairs(parts) do
    t = t:narrow(2, half / 2 + 1, half):contiguous():flatten(1, 2)
    parts[i] = i < 4 and t:roll(-shift, 2) or t
  end
  parts[3] = parts[3]:roll(-shift, 3)
  return parts
end

-- Log-probabilities of the rows first .. first + 8 * rows - 1, the mean of several transpositions.
local function block(model, source, first, config)
  local rows, mean = config.song_rows, nil
  local x = source.read(first - rows / 4, (WINDOWS + 1) * rows / 2)
  for shift = -config.transpositions, config.transpositions do
    local parts = heard(model, x, rows, shift)
    for i, t in ipairs(parts) do parts[i] = mean and mean[i] + t or t end
    mean = parts
  end
  for i, t in ipairs(mean) do mean[i] = (t * (1 / (2 * config.transpositions + 1))):contiguous() end
  return mean
end

--- Segments {start, stop, label} of a source (see chord_features).
-- @param config song_rows (of a window), transpositions, plain_bonus and change_penalty
-- @param emit a function called with each segment instead of collecting them
function recognise.song(model, source, config, emit)
  local decoder = chord_decode.new {
    step = features.row_seconds, first = features.first_seconds, penalty = config.change_penalty,
    emit = emit, bonus = { config.plain_bonus, config.plain_bonus },              -- types 1 and 2
  }
  local rows_a_block = WINDOWS * config.song_rows / 2
  for first = 0, source.frames - 1, rows_a_block do
    lt.no_grad(lt.scope, function()
      local root, kind, bass, change = unpack(block(model, source, first, config))
      local n = math.min(source.frames - first, root:size(1))
      decoder:push(root:data(), kind:data(), bass:data(), n, change:data())
    end)
  end
  return decoder:finish(source.seconds)
end

return recognise
