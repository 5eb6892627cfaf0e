-- Moods: valence (sad to happy) and arousal (calm to excited), each from -1 to 1, and their codes: the
-- numbers by which a network reads or writes them.

local failure = require "luatrain.failure"

local mood = {}

--- Names that stand for moods in labels, {valence, arousal}: places on J. Russell's circle (1980).
mood.names = {
  happy = { 0.8, 0.4 }, excited = { 0.6, 0.8 }, joyful = { 0.9, 0.6 }, energetic = { 0.4, 0.9 },
  tense = { -0.3, 0.8 }, anxious = { -0.6, 0.7 }, fearful = { -0.7, 0.7 }, angry = { -0.7, 0.8 },
  sad = { -0.8, -0.4 }, melancholic = { -0.5, -0.5 }, grieving = { -0.9, -0.2 }, bored = { -0.5, -0.8 },
  calm = { 0.4, -0.8 }, peaceful = { 0.6, -0.7 }, tender = { 0.6, -0.5 }, nostalgic = { 0.1, -0.4 },
  neutral = { 0, 0 },
}

local function number(value, what, where)
  local n = tonumber(value)
  if not n or n ~= n then
    failure.raise("data", "%s: %s is '%s', wanted a number from -1 to 1", where, what, tostring(value))
  elseif n < -1 or n > 1 then
    failure.raise("data", "%s: %s is %g, wanted a number from -1 to 1", where, what, n)
  end
  return n
end

--- The mood a label means: a name, {valence =, arousal =}, or a table with one of these under "emotion".
-- @param where names the label in errors
function mood.read(label, where)
  if type(label) == "table" and label.emotion ~= nil then label = label.emotion end
  if type(label) == "string" then
    local known = mood.names[label:lower()]
    if not known then
      failure.raise("data", "%s: no mood is called '%s'%s", where, label:sub(1, 40),
        failure.suggest(label:lower(), lt.core.sorted_keys(mood.names)))
    end
    return { valence = known[1], arousal = known[2] }
  elseif type(label) ~= "table" then
    failure.raise("data", "%s: wants the name of a mood, or valence and arousal", where)
  end
  return { valence = number(label.valence, "valence", where),
    arousal = number(label.arousal, "arousal", where) }
end

--- The code of a mood in n numbers between -1 and 1: of n / 2 thresholds each, evenly from -1 to 1, how far
-- valence, then arousal, lies above them. Without a mood zeros, which no mood has.
-- @return a list
function mood.code(one, n)
  local code = {}
  for i = 1, n do
    local k = (i - 1) % (n / 2)
    local value = one and (i <= n / 2 and one.valence or one.arousal)
    code[i] = one and math.tanh(4 * (value + 1 - (2 * k + 1) / (n / 2))) or 0
  end
  return code
end

return mood
