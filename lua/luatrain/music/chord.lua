--- Chord labels: Harte's grammar, encodings, the 32 chord types, transposition and .lab files.
--
-- A label is `root:quality(extensions)/bass`, for example "C", "A:min", "F#:maj7/5", "D:sus4(b7)",
-- "G:(1,3)"; "N" means no chord, "X" a chord nobody could name. The grammar, the tones of the qualities
-- and the rules of the encoding are those of mir_eval.chord (Harte 2010; Raffel et al. 2014), so that
-- scores agree with it to the bit.
--
--     local chord = require "luatrain.music.chord"
--     chord.encode "D:min7/b3"          --> 2 (root), 1161 (tones 0 3 7 10 as bits), 3 (bass above root)
--     chord.classify "D:min7/b3"        --> 13 (type min7), 2 (root D), 5 (bass F)
--     chord.label(13, 2, 5)             --> "D:min7/b3"
--     chord.transpose("D:min7/b3", 3)   --> "F:min7/b3"
--
-- Pitch classes count from 0 = C. A set of tones is an integer of 12 bits, bit k for k semitones above
-- the root.
--
-- The 32 types, in the order of their class ids 0..31 (`chord.types`):
--
--     0 N      4 aug     8 1       12 maj7     16 hdim7    20 maj(9)  24 min9   28 min11
--     1 maj    5 sus2    9 maj6    13 min7     17 aug(b7)  21 min(9)  25 7(b9)  29 13
--     2 min    6 sus4   10 min6    14 minmaj7  18 aug(7)   22 9       26 7(#9)  30 maj13
--     3 dim    7 5      11 7       15 dim7     19 sus4(b7) 23 maj9    27 11     31 min13
--
-- They cover every quality of the grammar and every label of POP909. A label goes to the type with the
-- same tones (9ths, 11ths and 13ths counted, the bass left out). Where none has them, to the nearest: the
-- sum of the weights of the tones that differ, 4 for the thirds, 3 for the sevenths, 2 for the fifths and
-- sixth's neighbour (b5 5 #5), 1 for the rest; of two equally near the first in the list. "X" has no
-- type: `classify` returns nil, and training ignores such spans.

local bit = require "bit"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift

local chord = {}

local NATURAL = { C = 0, D = 2, E = 4, F = 5, G = 7, A = 9, B = 11 }
local DEGREE = { 0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21 }
local NAMES = { "C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B" }
local INTERVALS = { [0] = "1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7" }

local function set(...)
  local mask = 0
  for _, tone in ipairs { ... } do mask = bor(mask, lshift(1, tone)) end
  return mask
end

--- Tones of each quality as a set, as mir_eval defines them; "" is the empty quality of "C:(1,3)".
-- mir_eval 0.8 takes "aug7" for grammatical but has no tones for it; here it is read as aug(b7), which is
-- also how its type is written.
chord.qualities = {
  maj = set(0, 4, 7), min = set(0, 3, 7), aug = set(0, 4, 8), dim = set(0, 3, 6), sus4 = set(0, 5, 7),
  sus2 = set(0, 2, 7), ["7"] = set(0, 4, 7, 10), maj7 = set(0, 4, 7, 11), min7 = set(0, 3, 7, 10),
  minmaj7 = set(0, 3, 7, 11), maj6 = set(0, 4, 7, 9), min6 = set(0, 3, 7, 9), dim7 = set(0, 3, 6, 9),
  hdim7 = set(0, 3, 6, 10), aug7 = set(0, 4, 8, 10), ["1"] = set(0), ["5"] = set(0, 7), [""] = 0,
  ["9"] = set(0, 4, 7, 10), ["11"] = set(0, 4, 7, 10), ["13"] = set(0, 4, 7, 10),
  maj9 = set(0, 4, 7, 11), maj13 = set(0, 4, 7, 11),
  min9 = set(0, 3, 7, 10), min11 = set(0, 3, 7, 10), min13 = set(0, 3, 7, 10),
}

-- The tones above the octave that a quality stands for, added where extended chords are reduced to one
-- octave.
local EXTENDED = {
  ["9"] = set(2), maj9 = set(2), min9 = set(2), ["11"] = set(2, 5), min11 = set(2, 5),
  ["13"] = set(2, 5, 9), maj13 = set(2, 5, 9), min13 = set(2, 5, 9),
}

local QUALITY_LIST = "maj min dim aug 1 5 sus2 sus4 maj6 min6 7 maj7 min7 dim7 hdim7 minmaj7 aug7 9 maj9 "
  .. "min9 11 min11 13 maj13 min13"

local function pitch_class(name)
  local class = NATURAL[name:sub(1, 1)]
  for accidental in name:sub(2):gmatch "." do class = class + (accidental == "#" and 1 or -1) end
  return class % 12
end

-- Semitones of "b7", "#11", ...; nil where the text is no interval.
local function semitones(text)
  local accidentals, degree = text:match "^([b#]*)(%d+)$"
  if not degree or not (accidentals:match "^b*$" or accidentals:match "^#*$") then return nil end
  local above = DEGREE[tonumber(degree)]
  if not above or degree:sub(1, 1) == "0" then return nil end
  return accidentals:sub(1, 1) == "#" and above + #accidentals or above - #accidentals
end

--- The parts of a label:
-- `{root = "D", quality = "sus4", extensions = {"b7"}, bass = "5"}`, or nil and
-- what is wrong. "N" and "X" give `{root = "N"}` and `{root = "X"}`. Extensions come without duplicates,
-- in the order written.
function chord.split(label)
  if type(label) ~= "string" then return nil, "chord label: a string is needed, got " .. type(label) end
  local function wrong(fmt, ...)
    return nil, ("chord label '%s': "):format(label:sub(1, 60)) .. fmt:format(...)
  end
  if label == "N" or label == "X" then return { root = label } end
  local root, rest = label:match "^([A-G][b#]*)(.*)$"
  if not root then return wrong "must be N, X, or begin with a root A to G" end
  if not (root:match "^.b*$" or root:match "^.#*$") then
    return wrong("root '%s' mixes flats and sharps", root)
  end
  local body, bass = rest:match "^(.-)/(.*)$"
  body, bass = body or rest, bass or "1"
  if not semitones(bass) then return wrong("bass '%s' is no interval such as 3, b7 or #11", bass) end
  if body == "" then return { root = root, quality = "maj", extensions = {}, bass = bass } end
  if body:sub(1, 1) ~= ":" then return wrong("a colon must come before '%s'", body) end
  local quality, list = body:match "^:([^(]*)%((.*)%)$"
  quality = quality or body:sub(2)
  if not chord.qualities[quality] or (quality == "" and not list) then
    return wrong("unknown quality '%s' (known: %s)", quality, QUALITY_LIST)
  end
  local extensions, seen = {}, {}
  for item in ((list or "") .. ","):gmatch "([^,]*)," do
    if list and not semitones((item:gsub("^%*", ""))) then
      return wrong("extension '%s' is no interval such as 9, b7 or *5", item)
    end
    if list and not seen[item] then
      seen[item], extensions[#extensions + 1] = true, item
    end
  end
  return { root = root, quality = quality, extensions = extensions, bass = bass }
end

--- True, or false and what is wrong with the label.
function chord.valid(label)
  local parts, message = chord.split(label)
  return parts ~= nil, message
end

local function split_or_raise(label)
  local parts, message = chord.split(label)
  if not parts then core.fail_as("format", "%s", message) end
  return parts
end

-- Quality and extensions as a set of tones, as mir_eval counts them.
local function tones(parts, reduce)
  local count, base = {}, chord.qualities[parts.quality]
  for tone = 0, 11 do count[tone] = band(rshift(base, tone), 1) end
  count[0] = 1
  local function add(above, by)
    if reduce or above < 12 then count[above % 12] = count[above % 12] + by end
  end
  local extended = reduce and EXTENDED[parts.quality] or 0
  for tone = 0, 11 do
    if band(rshift(extended, tone), 1) == 1 then add(tone, 1) end
  end
  for _, item in ipairs(parts.extensions) do
    if item:sub(1, 1) == "*" then add(semitones(item:sub(2)), -1) else add(semitones(item), 1) end
  end
  local mask = 0
  for tone = 0, 11 do
    if count[tone] > 0 then mask = bor(mask, lshift(1, tone)) end
  end
  return mask
end

--- Root (0..11), tones (a set of 12 bits above the root) and bass (0..11 above the root) of a label. "N"
-- is (-1, 0, -1), "X" is (-1, 4095, -1). The bass is always one of the tones. `reduce` (default false):
-- fold 9ths, 11ths and 13ths into the octave; otherwise they are left out, as mir_eval does for its
-- scores. An invalid label is an error.
function chord.encode(label, reduce)
  local parts = split_or_raise(label)
  if parts.root == "N" then return -1, 0, -1 end
  if parts.root == "X" then return -1, 4095, -1 end
  local bass = semitones(parts.bass) % 12
  return pitch_class(parts.root), bor(tones(parts, reduce), lshift(1, bass)), bass
end

--- Names of the 32 types; the type with class id k is `chord.types[k + 1]`.
chord.types = {
  "N", "maj", "min", "dim", "aug", "sus2", "sus4", "5", "1", "maj6", "min6", "7", "maj7", "min7",
  "minmaj7", "dim7", "hdim7", "aug(b7)", "aug(7)", "sus4(b7)", "maj(9)", "min(9)", "9", "maj9", "min9",
  "7(b9)", "7(#9)", "11", "min11", "13", "maj13", "min13",
}

local TYPE_TONES, TYPE_OF = {}, {}
for i = 2, #chord.types do
  local name = chord.types[i]
  TYPE_TONES[i] = tones(chord.split("C:" .. name), true)
  TYPE_OF[TYPE_TONES[i]] = i - 1
end

local TONE_WEIGHT = { [0] = 1, 1, 1, 4, 4, 1, 2, 2, 2, 1, 3, 3 }

local function nearest_type(mask)
  local best, least = nil, math.huge
  for i = 2, #chord.types do
    local differ, distance = bxor(mask, TYPE_TONES[i]), 0
    for tone = 0, 11 do
      if band(rshift(differ, tone), 1) == 1 then distance = distance + TONE_WEIGHT[tone] end
    end
    if distance < least then best, least = i - 1, distance end
  end
  return best
end

--- Type (0..31), root (0..11) and bass (0..11, a pitch class) of a label, as the three heads of a chord
-- model learn them. "N" is type 0 with root and bass nil; "X" is nil. An invalid label is an error.
function chord.classify(label)
  local parts = split_or_raise(label)
  if parts.root == "X" then return nil end
  if parts.root == "N" then return 0 end
  local mask = tones(parts, true)
  local kind = TYPE_OF[mask]
  if not kind then
    kind = nearest_type(mask)
    TYPE_OF[mask] = kind
  end
  local root = pitch_class(parts.root)
  return kind, root, (root + semitones(parts.bass)) % 12
end

--- The label of a type (0..31), a root and a bass (pitch classes; bass nil: the root). The opposite of
-- `classify`.
function chord.label(kind, root, bass)
  local name = chord.types[kind + 1]
  if not name then error(("chord type %s: 0 to 31 expected"):format(tostring(kind)), 2) end
  if kind == 0 then return "N" end
  if not NAMES[(root or -1) + 1] then error(("chord root %s: 0 to 11 expected"):format(tostring(root)), 2) end
  local above = ((bass or root) - root) % 12
  return NAMES[root + 1] .. ":" .. name .. (above > 0 and "/" .. INTERVALS[above] or "")
end

--- The tones of a type (0..31) as a set of 12 bits above the root.
function chord.type_tones(kind)
  if kind == 0 then return 0 end
  return TYPE_TONES[kind + 1]
end

--- The label moved up by a number of semitones (down where negative); quality, extensions and bass stay as
-- written.
function chord.transpose(label, by)
  local parts = split_or_raise(label)
  if parts.root == "N" or parts.root == "X" or by % 12 == 0 then return label end
  return NAMES[(pitch_class(parts.root) + by) % 12 + 1] .. label:sub(#parts.root + 1)
end

-- .lab files --------------------------------------------------------------------------------------

local MOST_BYTES = 16 * 1024 * 1024

-- One line "start end label"; returns start, stop, label, or nil and what is wrong.
local function read_line(line)
  local a, b, label = line:match "^%s*(%S+)%s+(%S+)%s+(.-)%s*$"
  if not a or label == "" then return nil, "three columns are needed: start, end, label" end
  local start, stop = tonumber(a), tonumber(b)
  if not start or not stop or not (math.abs(start) < 1e9 and math.abs(stop) < 1e9) then
    return nil, ("'%s %s' are no times in seconds"):format(a:sub(1, 30), b:sub(1, 30))
  end
  if stop < start then return nil, ("ends at %g, before its start at %g"):format(stop, start) end
  if start < 0 then return nil, ("starts at %g, before 0"):format(start) end
  local ok, message = chord.valid(label)
  if not ok then return nil, message end
  return start, stop, label
end

--- Reads a .lab file (lines "start end label", times in seconds, any white space between) as a list of
-- segments `{start = 0.5, stop = 2.25, label = "A:min"}` in the order of time. Empty lines and spans of
-- no length are left out; overlaps up to 10 ms (rounding) are cut off. Anything else wrong is an error
-- that names file and line.
function chord.read_lab(path)
  local text = fs.read(path, MOST_BYTES)
  if text:find("\0", 1, true) then core.fail_as("format", "%s: holds zero bytes, no text file", path) end
  local segments, number = {}, 0
  for line in (text:gsub("\r\n?", "\n") .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if line:match "%S" then
      local start, stop, label = read_line(line)
      local last = segments[#segments]
      if start and last and start < last.stop - 0.01 then
        start, stop = nil, ("starts at %g, before the line above ends at %g"):format(start, last.stop)
      end
      if not start then core.fail_as("format", "%s, line %d: %s", path, number, stop) end
      if last and start < last.stop then last.stop = start end
      if stop > start then segments[#segments + 1] = { start = start, stop = stop, label = label } end
    end
  end
  if #segments == 0 then core.fail_as("format", "%s: holds no chord", path) end
  return segments
end

--- One line of a .lab file, with its end: times with 6 decimals.
function chord.lab_line(segment)
  return ("%.6f\t%.6f\t%s\n"):format(segment.start, segment.stop, segment.label)
end

--- Writes segments as a .lab file, whole or not at all.
function chord.write_lab(path, segments)
  local lines = {}
  for i, segment in ipairs(segments) do lines[i] = chord.lab_line(segment) end
  fs.write(path, table.concat(lines))
end

--- Neighbours with the same label become one segment.
function chord.merge(segments)
  local merged = {}
  for _, segment in ipairs(segments) do
    local last = merged[#merged]
    if last and last.label == segment.label and last.stop == segment.start then
      last.stop = segment.stop
    else
      merged[#merged + 1] = { start = segment.start, stop = segment.stop, label = segment.label }
    end
  end
  return merged
end

return chord
