-- Compares luatrain's note scores with those that mir_eval gave for lists of notes (make_notes.py).
local scores = require "luatrain.music.note_scores"

local cases = {}

local function notes(list)
  local result = {}
  for i, n in ipairs(list) do result[i] = { start = n[1], stop = n[2], pitch = n[3], velocity = n[4] } end
  return result
end

-- mir_eval's name of a field of ours.
local NAMES = { onset = "%s_no_offset", offset = "%s", starts = "Onset_%s", stops = "Offset_%s" }
local FIELDS = { p = "Precision", r = "Recall", f = "F-measure", overlap = "Average_Overlap_Ratio" }

local function largest(got, want, names)
  local worst = 0
  for ours, pattern in pairs(names) do
    for field, name in pairs(FIELDS) do
      local reference = want[pattern:format(name)]
      if reference then worst = math.max(worst, math.abs(got[ours][field] - reference)) end
    end
  end
  return worst
end

--- The largest difference over all cases of a list, and their number.
function cases.compare(list)
  local worst = 0
  for _, case in ipairs(list) do
    local got = scores.evaluate(notes(case.truth), notes(case.estimate))
    worst = math.max(worst, largest(got, case.scores, NAMES),
      largest(got, case.velocity, { onset_velocity = "%s_no_offset", velocity = "%s" }))
  end
  return worst, #list
end

return cases
