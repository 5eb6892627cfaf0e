-- From a whole recording to its chords, in constant memory: windows that overlap by half, of which the
-- middle counts, decoded into segments.

local chord_decode = require "luatrain.music.chord_decode"
local features = require "chord_features"

local recognise = {}

-- Log-probabilities of the rows first .. first + 8 * rows - 1: the middles of 16 windows.
local WINDOWS = 16

local function block(model, source, first, rows)
  local half, quarter = rows / 2, rows / 4
  local x = source.read(first - quarter, (WINDOWS + 1) * half)
  local windows = {}
  for w = 1, WINDOWS do windows[w] = x:narrow(1, (w - 1) * half + 1, rows) end
  local root, kind, bass, change = model:joint(lt.stack(windows, 1))
  local function middle(t)
    return t:narrow(2, quarter + 1, half):contiguous():flatten(1, 2)
  end
  return middle(root), middle(kind), middle(bass), middle(change)
end

--- Segments {start, stop, label} of a source (see chord_features).
-- @param config rows (of a window) and change_penalty
-- @param emit a function called with each segment instead of collecting them
function recognise.song(model, source, config, emit)
  local decoder = chord_decode.new {
    step = features.row_seconds, first = features.first_seconds, penalty = config.change_penalty,
    emit = emit,
  }
  local rows_a_block = WINDOWS * config.rows / 2
  for first = 0, source.frames - 1, rows_a_block do
    lt.no_grad(lt.scope, function()
      local root, kind, bass, change = block(model, source, first, config.rows)
      local n = math.min(source.frames - first, root:size(1))
      decoder:push(root:data(), kind:data(), bass:data(), n, change:data())
    end)
  end
  return decoder:finish(source.seconds)
end

return recognise
