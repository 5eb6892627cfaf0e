--- Scores of a transcription, note for note, number for number those of mir_eval.transcription and
-- mir_eval.transcription_velocity.
--
--     local scores = require "luatrain.music.note_scores"
--     local truth, estimate = lt.midi.read "truth.mid", lt.midi.read "estimate.mid"
--     local one = scores.evaluate(truth.notes, estimate.notes)
--     print(one.onset.f, one.offset.f, one.velocity.f)
--     local all = scores.mean { one, another }          -- every piece counts the same, as in the papers
--
-- A note of the estimate is right where it can be paired with one of the truth, each note being used once:
--
--     onset      starts within 50 ms, same pitch within 50 cents          "note F1"
--     offset     also stops within 50 ms or 20 % of the true length        "note with offset F1"
--     velocity   also as loud within 0.1 of the truth's range, after the line that fits the pairs of `offset`
--                best                                                      "note with offset and velocity F1"
--     onset_velocity   the same with the pairs of `onset`
--     starts, stops    only the starts, only the stops count, whatever the pitch
--
-- Definitions: Raffel et al., "mir_eval" (2014); Hawthorne et al., "Onsets and Frames" (2018) for velocities.
-- The pairs are a largest matching; which of the largest ones is what mir_eval's search gives (Hopcroft and
-- Karp 1973, in Eppstein's form), so that overlaps and velocities are the same too.

local core = require "luatrain.core"
local options = require "luatrain.options"

local scores = {}

local DEFAULTS = { onset_tolerance = 0.05, pitch_tolerance = 50, offset_ratio = 0.2,
  offset_minimum = 0.05, velocity_tolerance = 0.1 }

--- Names of the six scores.
scores.names = { "onset", "offset", "velocity", "onset_velocity", "starts", "stops" }

-- ---- which notes could be a pair ----------------------------------------------------------------

-- To 0.1 ms, halves to even: adding 2^52 leaves a double no room for a fraction.
local function rounded(seconds)
  return (seconds * 1e4 + 0x1p52 - 0x1p52) / 1e4
end

local function starts_near(r, e, o) return rounded(math.abs(r.start - e.start)) <= o.onset_tolerance end

local function stops_near(r, e, o)
  return rounded(math.abs(r.stop - e.stop))
    <= math.max(o.offset_ratio * (r.stop - r.start), o.offset_minimum)
end

local function same_pitch(r, e, o) return 100 * math.abs(r.pitch - e.pitch) <= o.pitch_tolerance end

local function same_onset(r, e, o) return starts_near(r, e, o) and same_pitch(r, e, o) end

-- Notes of a list ordered by `field`, as positions.
local function order_by(notes, field)
  local order = {}
  for i = 1, #notes do order[i] = i end
  table.sort(order, function(a, b)
    local x, y = notes[a][field], notes[b][field]
    return x < y or (x == y and a < b)
  end)
  return order
end

-- First place in the order whose time is at least `time`.
local function first_at(notes, order, field, time)
  local low, high = 1, #order + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if notes[order[middle]][field] < time then low = middle + 1 else high = middle end
  end
  return low
end

-- {keys = the notes of the estimate that fit any of the truth, in the order in which going through the truth
-- meets them; [j] = those of the truth that note j fits, ascending}. `field` is a time that fits(r, e) bounds
-- by reach(r).
local function graph_of(truth, estimate, field, reach, fits, o)
  local order, graph = order_by(estimate, field), { keys = {} }
  for i, r in ipairs(truth) do
    local found, most = {}, reach(r, o) + 1e-3
    local at = first_at(estimate, order, field, r[field] - most)
    while order[at] and estimate[order[at]][field] <= r[field] + most do
      if fits(r, estimate[order[at]], o) then found[#found + 1] = order[at] end
      at = at + 1
    end
    table.sort(found)
    for _, j in ipairs(found) do
      if not graph[j] then
        graph[j] = {}
        table.insert(graph.keys, j)
      end
      table.insert(graph[j], i)
    end
  end
  return graph
end

-- ---- the largest matching -----------------------------------------------------------------------

local FREE = 0  -- stands for "no note before this one" in a path

-- Layers of paths that change between pairs and other candidates, from the unpaired notes of the estimate:
-- `before[i]` those that lead to note i of the truth, `from[j]` the note of the truth that leads to j, and
-- the unpaired notes of the truth that the last layer reaches.
local function layers_of(graph, matching)
  local before, from, open = {}, {}, {}
  for _, j in ipairs(graph.keys) do from[j] = FREE end
  for _, j in pairs(matching) do from[j] = nil end
  local layer = {}
  for _, j in ipairs(graph.keys) do if from[j] then layer[#layer + 1] = j end end
  while #layer > 0 and #open == 0 do
    local reached, keys = {}, {}
    for _, j in ipairs(layer) do
      for _, i in ipairs(graph[j]) do
        if not before[i] then
          if not reached[i] then
            reached[i] = {}
            keys[#keys + 1] = i
          end
          table.insert(reached[i], j)
        end
      end
    end
    layer = {}
    for _, i in ipairs(keys) do
      before[i] = reached[i]
      local j = matching[i]
      if j then
        layer[#layer + 1] = j
        from[j] = i
      else
        open[#open + 1] = i
      end
    end
  end
  return before, from, open
end

-- Follows the layers back from note i of the truth; true where a path ends at an unpaired note, and then all
-- pairs along it are exchanged.
local function follow(i, matching, before, from)
  local candidates = before[i]
  before[i] = nil
  for _, j in ipairs(candidates or {}) do
    local previous = from[j]
    if previous then
      from[j] = nil
      if previous == FREE or follow(previous, matching, before, from) then
        matching[i] = j
        return true
      end
    end
  end
  return false
end

-- {[note of the truth] = note of the estimate}: as many pairs as can be.
local function match(graph)
  local matching = {}
  for _, j in ipairs(graph.keys) do
    for _, i in ipairs(graph[j]) do
      if not matching[i] then
        matching[i] = j
        break
      end
    end
  end
  while true do
    local before, from, open = layers_of(graph, matching)
    if #open == 0 then return matching end
    for _, i in ipairs(open) do follow(i, matching, before, from) end
  end
end

-- The matching as a list of {truth, estimate} in the order of the truth.
local function pairs_in_order(matching, count)
  local list = {}
  for i = 1, count do if matching[i] then list[#list + 1] = { i, matching[i] } end end
  return list
end

-- ---- velocities ---------------------------------------------------------------------------------

-- Those pairs whose velocities agree: the truth's between 0 and 1 over its range, the estimate's moved by
-- the line that fits best (least squares).
local function as_loud(truth, estimate, list, o)
  local low, high = math.huge, -math.huge
  for _, r in ipairs(truth) do low, high = math.min(low, r.velocity), math.max(high, r.velocity) end
  local range, n = math.max(1, high - low), #list
  local mean_x, mean_y = 0, 0
  for _, pair in ipairs(list) do
    mean_x = mean_x + estimate[pair[2]].velocity / n
    mean_y = mean_y + (truth[pair[1]].velocity - low) / range / n
  end
  local xx, xy = 0, 0
  for _, pair in ipairs(list) do
    local x = estimate[pair[2]].velocity - mean_x
    xx, xy = xx + x * x, xy + x * ((truth[pair[1]].velocity - low) / range - mean_y)
  end
  local slope, kept = xx > 0 and xy / xx or 0, {}
  for _, pair in ipairs(list) do
    local fitted = mean_y + slope * (estimate[pair[2]].velocity - mean_x)
    if math.abs(fitted - (truth[pair[1]].velocity - low) / range) < o.velocity_tolerance then
      kept[#kept + 1] = pair
    end
  end
  return kept
end

-- ---- scores -------------------------------------------------------------------------------------

local function f_measure(p, r) return p + r > 0 and 2 * p * r / (p + r) or 0 end

-- {p, r, f, overlap, pairs} of a list of pairs.
local function score(truth, estimate, list)
  if #truth == 0 or #estimate == 0 then return { p = 0, r = 0, f = 0, overlap = 0, pairs = {} } end
  local p, r, overlap = #list / #estimate, #list / #truth, 0
  for _, pair in ipairs(list) do
    local a, b = truth[pair[1]], estimate[pair[2]]
    overlap = overlap + (math.min(a.stop, b.stop) - math.max(a.start, b.start))
      / (math.max(a.stop, b.stop) - math.min(a.start, b.start))
  end
  return { p = p, r = r, f = f_measure(p, r), overlap = #list > 0 and overlap / #list or 0, pairs = list }
end

local function check(notes, what)
  local velocities = true
  for i, n in ipairs(notes) do
    for _, field in ipairs { "start", "stop", "pitch" } do
      if type(n[field]) ~= "number" or n[field] ~= n[field] then
        core.fail("note scores: %s of note %d of the %s is a %s, wanted a number", field, i, what,
          type(n[field]))
      end
    end
    if n.start < 0 or n.stop <= n.start then
      core.fail("note scores: note %d of the %s lasts from %g to %g s", i, what, n.start, n.stop)
    end
    velocities = velocities and type(n.velocity) == "number"
  end
  return velocities
end

--- Scores of an estimate against the truth, both lists of notes {start, stop (seconds), pitch (MIDI number,
-- fractions are allowed), velocity}, in any order, as lt.midi.read gives them. Notes that last no time are
-- an error.
-- @param given {onset_tolerance = 0.05 (seconds), pitch_tolerance = 50 (cents), offset_ratio = 0.2 (of
--   the true length), offset_minimum = 0.05 (seconds), velocity_tolerance = 0.1}
-- @return table with a field for each of scores.names, {p = precision, r = recall, f = F1, overlap = mean
--   overlap of the pairs, pairs = list of {truth, estimate}, in the order of the truth}; all 0 where either
--   has no note. `velocity` and `onset_velocity` are missing where a note has no velocity. Also `truth` and
--   `estimate`, the numbers of notes.
function scores.evaluate(truth, estimate, given)
  local o = options.read("note scores", given, DEFAULTS)
  local loud = check(truth, "truth")
  loud = check(estimate, "estimate") and loud
  local function matched(field, reach, fits)
    return pairs_in_order(match(graph_of(truth, estimate, field, reach, fits, o)), #truth)
  end
  local function near() return o.onset_tolerance end
  local function length(r) return math.max(o.offset_ratio * (r.stop - r.start), o.offset_minimum) end
  local onset = matched("start", near, same_onset)
  local offset = matched("start", near, function(r, e) return same_onset(r, e, o) and stops_near(r, e, o) end)
  local result = { truth = #truth, estimate = #estimate, onset = score(truth, estimate, onset),
    offset = score(truth, estimate, offset),
    starts = score(truth, estimate, matched("start", near, starts_near)),
    stops = score(truth, estimate, matched("stop", length, stops_near)) }
  if loud then
    result.velocity = score(truth, estimate, as_loud(truth, estimate, offset, o))
    result.onset_velocity = score(truth, estimate, as_loud(truth, estimate, onset, o))
  end
  return result
end

--- Means over pieces of precision, recall, F1 and overlap of each score, and the sums of notes; `pieces` is
-- their number.
function scores.mean(list)
  local result = { pieces = #list, truth = 0, estimate = 0 }
  for _, one in ipairs(list) do
    result.truth, result.estimate = result.truth + one.truth, result.estimate + one.estimate
  end
  for _, name in ipairs(scores.names) do
    local sum, n = { p = 0, r = 0, f = 0, overlap = 0 }, 0
    for _, one in ipairs(list) do
      if one[name] then
        n = n + 1
        for field in pairs(sum) do sum[field] = sum[field] + one[name][field] end
      end
    end
    if n > 0 then
      for field, value in pairs(sum) do sum[field] = value / n end
      result[name] = sum
    end
  end
  return result
end

return scores
