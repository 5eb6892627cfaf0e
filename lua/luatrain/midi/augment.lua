--- lt.midi.augment: music played higher, faster, louder or less evenly. Songs are what lt.midi.read gives;
-- every function returns a new one and leaves its own as it was. Settings are numbers, or {low, high} to draw
-- one from uniformly by o.generator: lt.generator(seed, epoch, index) in a data set, so that a sample's
-- randomness depends on nothing else.
local lt = require "luatrain"
local core = require "luatrain.core"
local draw = require "luatrain.audio.draw"
local op = require "luatrain.op"
local options = require "luatrain.options"

local augment = {}

-- A copy of a song in which the items of the named lists are copies changed by f(item).
local function changed(song, lists, f)
  local copy = setmetatable({}, getmetatable(song))
  for key, value in pairs(song) do copy[key] = value end
  for _, list in ipairs(lists) do
    copy[list] = {}
    for i, item in ipairs(song[list] or {}) do
      local new = {}
      for key, value in pairs(item) do new[key] = value end
      f(new)
      copy[list][i] = new
    end
  end
  return copy
end

-- A whole number of semitones, drawn where it is a range.
local function semitones_of(what, value, o)
  local low, high = draw.range(what, value)
  if low % 1 ~= 0 or high % 1 ~= 0 then core.fail("%s: wanted whole numbers of semitones", what) end
  if low == high then return low end
  return low + math.floor((high - low + 1) * draw.uniforms(1, o)[1])
end

--- A song moved by `semitones` (a whole number, or {low, high}), upwards where positive, and the semitones.
-- Drums stay; a note that would leave the 128 there are goes back by octaves. Key signatures follow.
-- @usage higher, by = lt.midi.augment.transpose(song, { -6, 5 }, { generator = g })
function augment.transpose(song, semitones, o)
  o = options.check("transpose", o, { generator = true })
  local by = semitones_of("transpose: semitones", semitones, o)
  local result = changed(song, { "notes" }, function(note)
    if note.drum then return end
    local pitch = note.pitch + by
    if pitch < 0 then pitch = pitch % 12 elseif pitch > 127 then pitch = 116 + (pitch - 116) % 12 end
    note.pitch = pitch
  end)
  if song.key_signatures then
    local midi = require "luatrain.midi"
    result.key_signatures = changed(song, { "key_signatures" }, function(key)
      if by % 12 == 0 then return end
      key.sharps = (key.sharps + 7 * by + 6) % 12 - 6
      key.name = midi.key_name(key.sharps, key.minor)
    end).key_signatures
  end
  return result, by
end

local TIMED = { "tempos", "time_signatures", "key_signatures", "controls", "programs", "bends", "texts" }

--- A song `factor` times as fast (a number, or {low, high}), and the factor: times of labels are to be
-- divided by it. Its tempos follow, so that beats stay beats.
-- @usage faster, factor = lt.midi.augment.tempo(song, { 0.9, 1.1 }, { generator = g })
function augment.tempo(song, factor, o)
  o = options.check("tempo", o, { generator = true })
  factor = draw.one("tempo: factor", factor, o)
  if not (factor >= 1 / 16 and factor <= 16) then
    core.fail("tempo: the factor is %g; wanted 1/16 to 16", factor)
  end
  local result = changed(song, TIMED, function(item)
    item.time = item.time / factor
    if item.microseconds then item.microseconds = math.floor(item.microseconds / factor + 0.5) end
    if item.bpm then item.bpm = item.bpm * factor end
  end)
  local first = result.tempos[1]
  if not first or first.time > 0 then
    local microseconds = math.floor(500000 / factor + 0.5)         -- files begin at 120 beats a minute
    table.insert(result.tempos, 1, { time = 0, bpm = 120 * factor, microseconds = microseconds })
  end
  result.notes = changed(song, { "notes" }, function(note)
    note.start, note.stop = note.start / factor, note.stop / factor
    note.sustained = note.sustained and note.sustained / factor
  end).notes
  result.duration = song.duration and song.duration / factor
  return result, factor
end

--- A song played louder or less evenly: velocities times `scale`, plus `shift` (both numbers or {low, high},
-- the same for all notes) plus a normal number of standard deviation `jitter` for each note, rounded, 1 to
-- 127.
-- @param o {scale = 1, shift = 0, jitter = 0, generator}
-- @usage lt.midi.augment.velocity(song, { scale = { 0.8, 1.2 }, jitter = 4, generator = g })
function augment.velocity(song, o)
  o = options.check("velocity", o, { scale = true, shift = true, jitter = true, generator = true })
  local scale = draw.one("velocity: scale", o.scale or 1, o)
  local shift = draw.one("velocity: shift", o.shift or 0, o)
  local jitter, i = draw.normals(#song.notes, o.jitter or 0, o), 0
  return changed(song, { "notes" }, function(note)
    i = i + 1
    local velocity = math.floor((note.velocity or 64) * scale + shift + jitter[i] + 0.5)
    note.velocity = math.max(1, math.min(127, velocity))
  end)
end

--- Note probabilities p (..., 128) as of another performance in another key, of the same sum in each row: all
-- rows moved by o.transpose semitones (0; a whole number, or {low, high}), what leaves is lost; then each
-- multiplied by 1 plus a normal number of standard deviation o.jitter (0), at least by 0. Returns them and
-- the semitones.
-- @param o {transpose, jitter, generator}
-- @usage p = lt.midi.augment.probabilities(lt.midi.probabilities(song), { transpose = { -6, 5 }, jitter = 0.1
-- })
function augment.probabilities(p, o)
  o = options.check("probabilities", o, { transpose = true, jitter = true, generator = true })
  if p:dim() == 0 or p:size(-1) ~= 128 then
    core.fail("probabilities: p is %s, wanted (..., 128)", p:shape_text())
  end
  local by = semitones_of("probabilities: transpose", o.transpose or 0, o)
  return op.no_grad(function()
    local y = require("luatrain.audio.augment").roll_bins(p:unsqueeze(-1), by):squeeze(-1)
    if (o.jitter or 0) ~= 0 then
      y = y * (lt.randn(p:size(), { generator = o.generator }) * o.jitter + 1):clamp(0)
    end
    local sum = y:sum(-1, true)
    return y * (p:sum(-1, true) / sum:clamp(1e-30))
  end), by
end

return augment
