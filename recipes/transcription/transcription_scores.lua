-- What is measured of a transcription, of one piece and of many. Notes are lists as in transcription_notes.
--
--     local one = scores.piece(truth, found)              what was counted in a piece
--     scores.record(one).onset_f1                         its scores, by the names below
--     local all = scores.summary { one, another }         all.mean.onset_f1, all.pooled.onset_f1
--
-- Which note of the truth belongs to which found note is decided by mir_eval's rules and its largest matching
-- (luatrain.music.note_scores), never greedily: a greedy pass in order of time gives lower, order-dependent
-- numbers. The names, those of the evaluation report's columns:
--
--     onset_precision, _recall, _f1       same pitch, start within the tolerance: mir_eval's "no offset"
--     offset_precision, _recall, _f1      and the stop within 50 ms or 20 % of the true length
--     velocity_precision, _recall, _f1    and the loudness within 0.1 of the piece's range after a linear fit
--                                         (Hawthorne et al. 2018); missing where a note has no velocity
--     average_overlap, offset_overlap     mean overlap of the pairs of the first and of the second
--     note_accuracy                       share of the true notes with a pair whose start lies within the
--                                         tolerance and whose stop lies within 50 ms, however long they are
--     pitch_precision, _recall, _f1       which pitches sound at each moment, every 10 ms, whatever begins or
--     frame_accuracy                      ends there; the accuracy is right / (right + extra + missing)
--                                         (Poliner and Ellis 2007; mir_eval.multipitch's sums over frames)
--     timing_error_mean                   mean distance of the starts of the onset pairs, in seconds
--     onset_deviation_*_ms                mean, median and standard deviation of (found - true) start, signed
--     offset_deviation_*_ms               the same of the stops of the onset pairs
--     true_positives, false_positives, false_negatives            of the onset pairs
--     octave_errors, semitone_errors, other_pitch_errors          missed notes in whose place, within the
--                                         tolerance, a wrong one was found: how far off that is
--     polyphony_true, polyphony_predicted mean number of notes while any sounds
--
-- Scores of a piece are 0 where the truth or what was found holds no note, as mir_eval's are.

local note_scores = require "luatrain.music.note_scores"

local scores = {}

--- Names of a record's values: first those of the documented report, in its order, then ours.
scores.names = {
  "note_accuracy", "onset_f1", "onset_precision", "onset_recall", "offset_f1", "pitch_f1", "pitch_precision",
  "pitch_recall", "timing_error_mean", "num_predicted", "num_ground_truth", "true_positives",
  "false_positives", "false_negatives",
  "offset_precision", "offset_recall", "velocity_f1", "velocity_precision", "velocity_recall",
  "average_overlap", "offset_overlap", "frame_accuracy",
  "onset_deviation_mean_ms", "onset_deviation_median_ms", "onset_deviation_std_ms",
  "offset_deviation_mean_ms", "offset_deviation_median_ms", "offset_deviation_std_ms",
  "octave_errors", "semitone_errors", "other_pitch_errors", "polyphony_true", "polyphony_predicted",
}

-- Those that are numbers of something: their mean over pieces says little, their sum is in `pooled`.
local COUNTS = { num_predicted = true, num_ground_truth = true, true_positives = true, false_positives = true,
  false_negatives = true, octave_errors = true, semitone_errors = true, other_pitch_errors = true }

--- Those of the names that are averaged over pieces.
scores.averaged = {}
for _, name in ipairs(scores.names) do
  if not COUNTS[name] then table.insert(scores.averaged, name) end
end

--- Seconds between the moments at which the pitches that sound are compared.
scores.frame_seconds = 0.01

-- ---- frames -------------------------------------------------------------------------------------

-- The first frame at or after a time. A note sounds in the frames k with start <= 0.01 k < stop; the bit
-- taken off keeps 0.29 s, which times 100 is 29.000000000000004, in frame 29.
local function frame_at(time) return math.ceil(time / scores.frame_seconds - 1e-6) end

-- {[pitch] = ordered list of {first, past} frames, not touching each other}.
local function spans_of(list)
  local by_pitch = {}
  for _, n in ipairs(list) do
    by_pitch[n.pitch] = by_pitch[n.pitch] or {}
    table.insert(by_pitch[n.pitch], { frame_at(n.start), frame_at(n.stop) })
  end
  for pitch, spans in pairs(by_pitch) do
    table.sort(spans, function(a, b) return a[1] < b[1] end)
    local merged = {}
    for _, span in ipairs(spans) do
      local last = merged[#merged]
      if last and span[1] <= last[2] then
        last[2] = math.max(last[2], span[2])
      else
        merged[#merged + 1] = span
      end
    end
    by_pitch[pitch] = merged
  end
  return by_pitch
end

local function frames_in(by_pitch)
  local sum = 0
  for _, spans in pairs(by_pitch) do
    for _, span in ipairs(spans) do sum = sum + span[2] - span[1] end
  end
  return sum
end

-- Frames in which a pitch sounds in both.
local function common(a, b)
  local sum, i, k = 0, 1, 1
  while a[i] and b[k] do
    sum = sum + math.max(0, math.min(a[i][2], b[k][2]) - math.max(a[i][1], b[k][1]))
    if a[i][2] < b[k][2] then i = i + 1 else k = k + 1 end
  end
  return sum
end

local function frames(truth, found)
  local a, b, right = spans_of(truth), spans_of(found), 0
  for pitch, spans in pairs(a) do
    if b[pitch] then right = right + common(spans, b[pitch]) end
  end
  return right, frames_in(a), frames_in(b)
end

-- ---- polyphony ----------------------------------------------------------------------------------

-- Seconds of all notes together and seconds in which any sounds.
local function sounding(list)
  local order, sum, any, past = {}, 0, 0, -math.huge
  for i, n in ipairs(list) do order[i] = n end
  table.sort(order, function(a, b) return a.start < b.start end)
  for _, n in ipairs(order) do
    sum = sum + n.stop - n.start
    any = any + math.max(0, n.stop - math.max(n.start, past))
    past = math.max(past, n.stop)
  end
  return sum, any
end

-- ---- wrong pitches ------------------------------------------------------------------------------

-- Notes of a list without a pair.
local function unpaired(list, paired)
  local left = {}
  for i = 1, #list do if not paired[i] then left[#left + 1] = i end end
  return left
end

-- Pairs of a missed note and an extra one that begin within the tolerance of each other, the nearest in time
-- (to the millisecond) first, then the nearest in pitch; each note once.
local function mistaken(truth, found, missed, extra, tolerance)
  local candidates, first = {}, 1
  table.sort(missed, function(a, b) return truth[a].start < truth[b].start end)
  table.sort(extra, function(a, b) return found[a].start < found[b].start end)
  for _, i in ipairs(missed) do
    while extra[first] and found[extra[first]].start < truth[i].start - tolerance do first = first + 1 end
    local at = first
    while extra[at] and found[extra[at]].start <= truth[i].start + tolerance do
      local j = extra[at]
      local apart = math.abs(truth[i].start - found[j].start)
      candidates[#candidates + 1] = { i, j, math.floor(apart * 1000 + 0.5),
        math.abs(truth[i].pitch - found[j].pitch) }
      at = at + 1
    end
  end
  table.sort(candidates, function(a, b)
    for _, key in ipairs { 3, 4, 1 } do
      if a[key] ~= b[key] then return a[key] < b[key] end
    end
    return a[2] < b[2]
  end)
  local used_truth, used_found, list = {}, {}, {}
  for _, c in ipairs(candidates) do
    if not used_truth[c[1]] and not used_found[c[2]] then
      used_truth[c[1]], used_found[c[2]] = true, true
      list[#list + 1] = { c[1], c[2] }
    end
  end
  return list, used_truth, used_found
end

local function count(cells, row, column)
  cells[row] = cells[row] or {}
  cells[row][column] = (cells[row][column] or 0) + 1
end

-- {cells = {[true pitch] = {[found pitch] = count}}, missed = {[pitch] = count} with nothing found in their
-- place, extra = {[pitch] = count} with nothing missed in their place}; the diagonal holds the right ones.
local function confusion(truth, found, pairs_of_onsets, tolerance)
  local hit_truth, hit_found, cells = {}, {}, {}
  for _, pair in ipairs(pairs_of_onsets) do
    hit_truth[pair[1]], hit_found[pair[2]] = true, true
    count(cells, truth[pair[1]].pitch, found[pair[2]].pitch)
  end
  local missed, extra = unpaired(truth, hit_truth), unpaired(found, hit_found)
  local wrong, explained, used = mistaken(truth, found, missed, extra, tolerance)
  for _, pair in ipairs(wrong) do count(cells, truth[pair[1]].pitch, found[pair[2]].pitch) end
  local result = { cells = cells, missed = {}, extra = {} }
  for _, i in ipairs(missed) do
    local pitch = truth[i].pitch
    if not explained[i] then result.missed[pitch] = (result.missed[pitch] or 0) + 1 end
  end
  for _, j in ipairs(extra) do
    local pitch = found[j].pitch
    if not used[j] then result.extra[pitch] = (result.extra[pitch] or 0) + 1 end
  end
  return result, hit_truth, hit_found
end

-- Numbers of notes taken for one an octave (or several), a semitone and something else away.
local function pitch_errors(cells)
  local octaves, semitones, others = 0, 0, 0
  for row, columns in pairs(cells) do
    for column, n in pairs(columns) do
      local distance = math.abs(row - column)
      if distance == 1 then
        semitones = semitones + n
      elseif distance % 12 ~= 0 then
        others = others + n
      elseif distance > 0 then
        octaves = octaves + n
      end
    end
  end
  return octaves, semitones, others
end

-- ---- one piece ----------------------------------------------------------------------------------

--- Everything that is counted in a piece.
-- @param truth, found lists of {start, stop (seconds), pitch (whole MIDI number), velocity}, in any order
-- @param options {onset_tolerance = 0.05 (seconds)}
-- @return table for scores.record and scores.summary; also confusion = {cells, missed, extra} of pitches,
--   hit_truth and hit_found = {[position in the list] = true where the note has a pair of its pitch},
--   onset_deviations and offset_deviations (seconds, found - true, of those pairs in the order of the truth)
function scores.piece(truth, found, options)
  local tolerance = options and options.onset_tolerance or 0.05
  local result = note_scores.evaluate(truth, found, { onset_tolerance = tolerance })
  -- mir_eval lets a long note stop later by a share of its length; note_accuracy does not.
  local exact = note_scores.evaluate(truth, found, { onset_tolerance = tolerance, offset_ratio = 0 })
  local piece = { truth = #truth, found = #found, exact = #exact.offset.pairs,
    onset = #result.onset.pairs, offset = #result.offset.pairs,
    velocity = result.velocity and #result.velocity.pairs, onset_deviations = {}, offset_deviations = {},
    overlap = result.onset.overlap * #result.onset.pairs,
    offset_overlap = result.offset.overlap * #result.offset.pairs }
  for k, pair in ipairs(result.onset.pairs) do
    piece.onset_deviations[k] = found[pair[2]].start - truth[pair[1]].start
    piece.offset_deviations[k] = found[pair[2]].stop - truth[pair[1]].stop
  end
  piece.frames_right, piece.frames_true, piece.frames_found = frames(truth, found)
  piece.sum_true, piece.any_true = sounding(truth)
  piece.sum_found, piece.any_found = sounding(found)
  piece.confusion, piece.hit_truth, piece.hit_found = confusion(truth, found, result.onset.pairs, tolerance)
  piece.octaves, piece.semitones, piece.others = pitch_errors(piece.confusion.cells)
  return piece
end

local function ratio(a, b) return b > 0 and a / b or 0 end

local function harmonic(p, r) return p + r > 0 and 2 * p * r / (p + r) or 0 end

--- Mean, median and standard deviation of a list of numbers; nothing of an empty one.
function scores.moments(list)
  if #list == 0 then return end
  local sum, squares, order = 0, 0, {}
  for i, x in ipairs(list) do
    sum = sum + x
    order[i] = x
  end
  local mean = sum / #list
  for _, x in ipairs(list) do squares = squares + (x - mean) ^ 2 end
  table.sort(order)
  local low, high = order[math.ceil(#order / 2)], order[math.floor(#order / 2) + 1]
  return mean, (low + high) / 2, math.sqrt(squares / #list)
end

--- The scores of what scores.piece counted, by the names of scores.names. Missing are those of times where
-- there is no pair, and of velocities where notes have none.
function scores.record(piece)
  local record = { note_accuracy = ratio(piece.exact, piece.truth) }
  local function put(name, right, truth, found)
    if not right then return end
    local p, r = ratio(right, found), ratio(right, truth)
    record[name .. "_precision"], record[name .. "_recall"], record[name .. "_f1"] = p, r, harmonic(p, r)
  end
  for _, name in ipairs { "onset", "offset", "velocity" } do
    put(name, piece[name], piece.truth, piece.found)
  end
  put("pitch", piece.frames_right, piece.frames_true, piece.frames_found)
  record.frame_accuracy = ratio(piece.frames_right,
    piece.frames_true + piece.frames_found - piece.frames_right)
  record.average_overlap = ratio(piece.overlap, piece.onset)
  record.offset_overlap = ratio(piece.offset_overlap, piece.offset)
  for _, name in ipairs { "onset", "offset" } do
    local mean, median, deviation = scores.moments(piece[name .. "_deviations"])
    if mean then
      local stem = name .. "_deviation_"
      record[stem .. "mean_ms"], record[stem .. "median_ms"] = mean * 1000, median * 1000
      record[stem .. "std_ms"] = deviation * 1000
    end
  end
  local distances = {}
  for i, x in ipairs(piece.onset_deviations) do distances[i] = math.abs(x) end
  record.timing_error_mean = scores.moments(distances)
  record.num_predicted, record.num_ground_truth = piece.found, piece.truth
  record.true_positives = piece.onset
  record.false_positives, record.false_negatives = piece.found - piece.onset, piece.truth - piece.onset
  record.octave_errors, record.semitone_errors = piece.octaves, piece.semitones
  record.other_pitch_errors = piece.others
  record.polyphony_true = ratio(piece.sum_true, piece.any_true)
  record.polyphony_predicted = ratio(piece.sum_found, piece.any_found)
  return record
end

-- ---- many pieces --------------------------------------------------------------------------------

local function add_cells(sum, cells)
  for row, columns in pairs(cells) do
    sum[row] = sum[row] or {}
    for column, n in pairs(columns) do sum[row][column] = (sum[row][column] or 0) + n end
  end
end

local function add_counts(sum, counts)
  for pitch, n in pairs(counts) do sum[pitch] = (sum[pitch] or 0) + n end
end

--- The pieces as if they were one: sums of counts, all deviations, the sum of the confusions.
function scores.pool(list)
  local sum = { onset_deviations = {}, offset_deviations = {},
    confusion = { cells = {}, missed = {}, extra = {} } }
  for _, name in ipairs { "truth", "found", "exact", "onset", "offset", "velocity", "overlap",
    "offset_overlap", "frames_right", "frames_true", "frames_found", "sum_true", "any_true", "sum_found",
    "any_found", "octaves", "semitones", "others" } do
    sum[name] = 0
    for _, piece in ipairs(list) do sum[name] = sum[name] and piece[name] and sum[name] + piece[name] end
  end
  for _, piece in ipairs(list) do
    for _, name in ipairs { "onset_deviations", "offset_deviations" } do
      for _, x in ipairs(piece[name]) do table.insert(sum[name], x) end
    end
    add_cells(sum.confusion.cells, piece.confusion.cells)
    add_counts(sum.confusion.missed, piece.confusion.missed)
    add_counts(sum.confusion.extra, piece.confusion.extra)
  end
  return sum
end

--- What many pieces come to: {pieces, mean, std, min, max = records over the pieces, every piece counting the
-- same, as in the papers (a score that a piece lacks is left out of its mean; numbers of notes are not in
-- them), pooled = the record of all pieces as one, confusion = the sum of theirs}.
function scores.summary(list)
  local pooled = scores.pool(list)
  local result = { pieces = #list, mean = {}, std = {}, min = {}, max = {}, pooled = scores.record(pooled),
    confusion = pooled.confusion }
  local records = {}
  for i, piece in ipairs(list) do records[i] = scores.record(piece) end
  for _, name in ipairs(scores.averaged) do
    local values = {}
    for _, record in ipairs(records) do values[#values + 1] = record[name] end
    if #values > 0 then
      local mean, _, deviation = scores.moments(values)
      table.sort(values)
      result.mean[name], result.std[name] = mean, deviation
      result.min[name], result.max[name] = values[1], values[#values]
    end
  end
  return result
end

-- ---- where mistakes are -------------------------------------------------------------------------

-- Number of true notes that sound when each begins, itself among them.
local function company(truth)
  local order, ends, result = {}, {}, {}
  for i, n in ipairs(truth) do
    order[i] = i
    ends[i] = n.stop
  end
  table.sort(order, function(a, b) return truth[a].start < truth[b].start end)
  table.sort(ends)
  local over, k = 0, 1
  while order[k] do
    local now, last = truth[order[k]].start, k
    -- What begins within 10 ms is one chord.
    while order[last + 1] and truth[order[last + 1]].start <= now + 0.01 do last = last + 1 end
    while ends[over + 1] and ends[over + 1] <= now do over = over + 1 end
    for at = k, last do result[order[at]] = last - over end
    k = last + 1
  end
  return result
end

local function tally(counts, key, hit)
  local cell = counts[key] or { hit = 0, all = 0 }
  counts[key] = cell
  cell.all = cell.all + 1
  if hit then cell.hit = cell.hit + 1 end
end

--- Where the true notes were found and where not: {pitch, octave, velocity, polyphony}, each {[key] = {hit,
-- all}}; keys are the pitch, the octave (C4 = 60 is in 4), the lower end of 16 velocities and the number of
-- notes that sound when it begins. `found_octave` tells the same of the found notes: how many are right.
-- @param pieces list of {truth, found, scores = what scores.piece returned}
function scores.breakdown(pieces)
  local result = { pitch = {}, octave = {}, velocity = {}, polyphony = {}, found_octave = {} }
  for _, piece in ipairs(pieces) do
    local together = company(piece.truth)
    for i, n in ipairs(piece.truth) do
      local hit = piece.scores.hit_truth[i]
      tally(result.pitch, n.pitch, hit)
      tally(result.octave, math.floor(n.pitch / 12) - 1, hit)
      if n.velocity then tally(result.velocity, math.floor(n.velocity / 16) * 16, hit) end
      tally(result.polyphony, together[i], hit)
    end
    for j, n in ipairs(piece.found) do
      tally(result.found_octave, math.floor(n.pitch / 12) - 1, piece.scores.hit_found[j])
    end
  end
  return result
end

return scores
