-- What the frame-wise model minimises, and how it is measured while it learns.

local bands = require "transcription_bands"
local note_scores = require "luatrain.music.note_scores"
local targets = require "transcription_targets"
local loss = lt.loss

local frame_loss = {}

--- Loss of scores (N, T, 88, 4) against targets (N, T, 88, 4): binary cross-entropies of onset, frame and
-- offset, summed over the keys, and the squared error of the velocity near onsets (Kong et al. 2021).
function frame_loss.measure(scores, wanted, c)
  local keys = wanted:size(3)
  local function part(i) return scores:select(4, i), wanted:select(4, i) end
  local function entropy(i)
    local x, y = part(i)
    return loss.bce_with_logits(x:contiguous(), y:contiguous()) * keys
  end
  local onset, frame, offset = entropy(1), entropy(2), entropy(3)
  local x, y = part(4)
  local weight = wanted:select(4, 1)
  local error = (x:sigmoid() - y) * weight
  local velocity = (error * error):sum() / math.max(1, weight:sum():item())
  local total = onset + frame * c.frame_weight + offset * c.offset_weight + velocity * c.velocity_weight
  return total, { onset_loss = onset, frame_loss = frame, offset_loss = offset, velocity_loss = velocity }
end

--- Notes of probabilities (T, 88, 4), in seconds from the first row.
function frame_loss.notes(probabilities, c)
  local decoder = targets.decoder(bands.row_seconds, c)
  decoder:push(probabilities)
  return decoder:finish()
end

local function counts(truth, found)
  local result = note_scores.evaluate(truth, found)
  return result.onset.pairs and #result.onset.pairs or 0, result.offset.pairs and #result.offset.pairs or 0
end

--- Note scores over the windows of a loader, all notes together: {onset_f1, onset_precision, onset_recall,
-- offset_f1}. Truth is what the exact rolls decode to, so that windows' edges count against nobody.
function frame_loss.validate(model, loader, c)
  local fetch = loader:epoch(1)
  local hits, ends, truths, finds = 0, 0, 0, 0
  local function batch_of()
    local batch = fetch()
    if not batch then return false end
    local found = model(batch.levels):sigmoid()
    for i = 1, found:size(1) do
      local truth = frame_loss.notes(batch.targets:select(1, i), c)
      local guess = frame_loss.notes(found:select(1, i), c)
      truths, finds = truths + #truth, finds + #guess
      if #truth > 0 and #guess > 0 then
        local a, b = counts(truth, guess)
        hits, ends = hits + a, ends + b
      end
    end
    return true
  end
  repeat until not lt.no_grad(lt.scope, batch_of)
  local function f1(n) return 2 * n / math.max(1, truths + finds) end
  return { onset_f1 = f1(hits), onset_precision = hits / math.max(1, finds),
    onset_recall = hits / math.max(1, truths),
    offset_f1 = f1(ends) }
end

return frame_loss
