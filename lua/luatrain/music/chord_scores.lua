--- Weighted chord symbol recall and segmentation scores, number for number those of
-- mir_eval.chord.evaluate.
--
--     local chord, scores = require "luatrain.music.chord", require "luatrain.music.chord_scores"
--     local one = scores.evaluate(chord.read_lab "truth.lab", chord.read_lab "estimate.lab")
--     print(one.majmin, one.seg)
--     local all = scores.pool { one, another }          -- every second counts the same
--
-- A score is the share of time in which the estimate agrees with the truth, of the time in which the
-- truth is of a kind that the score looks at. What agrees, with the ground rule that the roots are equal
-- (tones as `chord.encode` gives them):
--
--     root      nothing more                        tetrads   all twelve tones
--     thirds    minor third or not                  majmin    as triads, where the truth is maj, min or N
--     triads    tones 0 to 7 above the root         sevenths  the same, for maj, min, maj7, 7, min7, N
--     mirex     three common pitch classes, whatever the root
--
-- and `_inv` of each but root and mirex: the bass too. Definitions: Raffel et al., mir_eval (2014);
-- Pauwels and Peeters, "Evaluating automatically estimated chord sequences" (2013).

local bit = require "bit"
local chord = require "luatrain.music.chord"
local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift

local scores = {}

--- Names of the scores that compare chords, and of those that compare segmentations.
scores.names = {
  "root", "thirds", "thirds_inv", "triads", "triads_inv", "tetrads", "tetrads_inv", "mirex", "majmin",
  "majmin_inv", "sevenths", "sevenths_inv",
}
scores.segmentation_names = { "underseg", "overseg", "seg" }

local X_TONES = 4095
local SEVENTHS = { [0] = true }
for _, quality in ipairs { "maj", "min", "maj7", "7", "min7" } do
  SEVENTHS[chord.qualities[quality]] = true
end
local MAJMIN = { [chord.qualities.maj] = true, [chord.qualities.min] = true }

local function count(mask)
  local n = 0
  while mask ~= 0 do
    mask, n = band(mask, mask - 1), n + 1
  end
  return n
end

-- The tones as absolute pitch classes.
local function rotate(mask, root)
  local by = root % 12
  return band(bor(lshift(mask, by), rshift(mask, 12 - by)), X_TONES)
end

-- 1 and 0 for agreement, -1 for not comparable; r and e: {root, tones, bass}.
local rules = {}

function rules.root(r, e) return r.root == e.root end
function rules.thirds(r, e) return r.root == e.root and band(bxor(r.tones, e.tones), 8) == 0 end
function rules.triads(r, e) return r.root == e.root and band(bxor(r.tones, e.tones), 255) == 0 end
function rules.tetrads(r, e) return r.root == e.root and r.tones == e.tones end

function rules.sevenths(r, e)
  if not SEVENTHS[r.tones] then return nil end
  return rules.tetrads(r, e)
end

function rules.majmin(r, e)
  if not MAJMIN[band(r.tones, 255)] and r.tones ~= 0 then return nil end
  return rules.triads(r, e)
end

function rules.mirex(r, e)
  local n = count(r.tones)
  if n == 1 or n == 2 then return nil end
  if r.root == -1 and e.root == -1 then return true end
  return count(band(rotate(r.tones, r.root), rotate(e.tones, e.root))) >= 3
end

for _, name in ipairs { "thirds", "triads", "tetrads", "majmin", "sevenths" } do
  local plain = rules[name]
  rules[name .. "_inv"] = function(r, e)
    local same = plain(r, e)
    return same and r.bass == e.bass
  end
end

local encoded = {}

local function encode(label)
  local known = encoded[label]
  if not known then
    local root, tones, bass = chord.encode(label)
    known = { root = root, tones = tones, bass = bass, unknown = tones == X_TONES and root == -1 }
    encoded[label] = known
  end
  return known
end

local function judge(name, r, e)
  if r.unknown then return -1 end
  local same = rules[name](r, e)
  if same == nil then return -1 end
  return same and 1 or 0
end

--- Compares two labels: `{root = 1, majmin = -1, ...}` with 1 for agreement, 0 for none, -1 where the
-- truth is of no kind that the score looks at.
function scores.compare(truth, estimate)
  local r, e, result = encode(truth), encode(estimate), {}
  for _, name in ipairs(scores.names) do result[name] = judge(name, r, e) end
  return result
end

-- Cuts or fills (with N) the segments so that they span t0 to t1.
local function span(segments, t0, t1)
  local out = {}
  for _, s in ipairs(segments) do
    local start, stop = math.max(s.start, t0), math.min(s.stop, t1)
    if stop > start then out[#out + 1] = { start = start, stop = stop, label = s.label } end
  end
  if #out == 0 then return { { start = t0, stop = t1, label = "N" } } end
  if out[1].start > t0 then table.insert(out, 1, { start = t0, stop = out[1].start, label = "N" }) end
  if out[#out].stop < t1 then out[#out + 1] = { start = out[#out].stop, stop = t1, label = "N" } end
  return out
end

-- Boundaries of all lists of segments, in order, without duplicates.
local function boundaries(...)
  local times, out = {}, {}
  for _, segments in ipairs { ... } do
    for _, s in ipairs(segments) do
      times[#times + 1] = s.start
      times[#times + 1] = s.stop
    end
  end
  table.sort(times)
  for _, t in ipairs(times) do
    if t ~= out[#out] then out[#out + 1] = t end
  end
  return out
end

-- Neighbours that are the same chord, 9ths and above folded into the octave, become one segment.
local function fuse(segments)
  local out, last = {}, nil
  for _, s in ipairs(segments) do
    local key = ("%d %d %d"):format(chord.encode(s.label, true))
    if key == last then
      out[#out].stop = s.stop
    else
      out[#out + 1], last = { start = s.start, stop = s.stop }, key
    end
  end
  return out
end

-- Share of the time of `a` outside the longest piece that `b` leaves of each of its segments.
local function hamming(a, b)
  local times, missed, i = boundaries(b), 0, 1
  for _, s in ipairs(a) do
    while times[i] and times[i] < s.start do i = i + 1 end
    local from, longest = s.start, 0
    while times[i] and times[i] < s.stop do
      longest, from = math.max(longest, times[i] - from), times[i]
      i = i + 1
    end
    missed = missed + (s.stop - s.start) - math.max(longest, s.stop - from)
  end
  return missed / (a[#a].stop - a[1].start)
end

--- Scores of an estimate against the truth, both lists of segments `{start, stop, label}` in the order of
-- time. Returns a table with every name of `scores.names` and `scores.segmentation_names` (0 to 1),
-- `seconds` (the length of the truth), and `weights`, the seconds in which each score could be given (0:
-- the score is 0, as in mir_eval).
function scores.evaluate(truth, estimate)
  if #truth == 0 then error("chord scores: the truth has no segment", 2) end
  local t0, t1 = truth[1].start, truth[#truth].stop
  local given = span(estimate, t0, t1)
  local times, right, weights = boundaries(truth, given), {}, {}
  for _, name in ipairs(scores.names) do right[name], weights[name] = 0, 0 end
  local i, j = 1, 1
  for k = 1, #times - 1 do
    local t, seconds = times[k], times[k + 1] - times[k]
    while truth[i + 1] and truth[i + 1].start <= t do i = i + 1 end
    while given[j + 1] and given[j + 1].start <= t do j = j + 1 end
    local r, e = encode(truth[i].label), encode(given[j].label)
    for _, name in ipairs(scores.names) do
      local verdict = judge(name, r, e)
      if verdict >= 0 then
        weights[name] = weights[name] + seconds
        right[name] = right[name] + verdict * seconds
      end
    end
  end
  local result = { weights = weights, seconds = t1 - t0 }
  for _, name in ipairs(scores.names) do
    result[name] = weights[name] > 0 and right[name] / weights[name] or 0
  end
  local fused_truth, fused_given = fuse(truth), fuse(given)
  result.overseg = 1 - hamming(fused_truth, fused_given)
  result.underseg = 1 - hamming(fused_given, fused_truth)
  result.seg = math.min(result.overseg, result.underseg)
  return result
end

--- Scores of several songs as one: each score weighted by the seconds in which it could be given, the
-- segmentation scores by the length of the songs. Returns a table like `evaluate`'s, with `songs` their
-- number.
function scores.pool(list)
  local result = { weights = {}, seconds = 0, songs = #list }
  for _, one in ipairs(list) do result.seconds = result.seconds + one.seconds end
  for _, name in ipairs(scores.names) do
    local right, weight = 0, 0
    for _, one in ipairs(list) do
      right, weight = right + one[name] * one.weights[name], weight + one.weights[name]
    end
    result[name], result.weights[name] = weight > 0 and right / weight or 0, weight
  end
  for _, name in ipairs(scores.segmentation_names) do
    local total = 0
    for _, one in ipairs(list) do total = total + one[name] * one.seconds end
    result[name] = result.seconds > 0 and total / result.seconds or 0
  end
  return result
end

return scores
