-- Analysis by synthesis: from the preset that the model hears, in small random steps, to one whose rendering
-- is nearer to the sound.
--
-- An evolution strategy, (1 + lambda): each generation changes a few continuous parameters of the best preset
-- so far by normal steps of several sizes, and now and then a categorical one to an option that the model
-- thinks possible; the nearest rendering, if it is nearer than before, is the next generation's parent. Only
-- parameters that are heard in the parent are changed. Distance: multi-scale spectral, of two sizes (the
-- other four would cost three times the time and choose much the same).

local player = require "inversion_player"

local search = {}

local GENERATION = 16
local STEPS = { 0.01, 0.03, 0.1, 0.3 }
local SIZES = { sizes = { 1024, 256 } }

-- Numbers of the search's own: uniform() in 0..1, normal(), and whole(n) from 1 to n.
local function numbers(seed)
  local generator, list, at = lt.random.generator(seed), {}, 0
  local self = {}
  function self.uniform()
    if at == #list then list, at = lt.rand(1024, { generator = generator }):tolist(), 0 end
    at = at + 1
    return list[at]
  end
  function self.whole(n) return math.min(n, 1 + math.floor(n * self.uniform())) end
  function self.normal()
    return math.sqrt(-2 * math.log(1 - self.uniform())) * math.cos(2 * math.pi * self.uniform())
  end
  return self
end

-- Positions of entries that are not 0.
local function set_entries(t)
  local list = {}
  for j, one in ipairs(t:tolist()[1]) do if one > 0 then list[#list + 1] = j end end
  return list
end

-- What may be changed of a parent.
local function heard_in(space, parent)
  local mask, gates = space:masks(lt.tensor({ parent.categorical }, "i64"))
  return set_entries(mask), set_entries(gates)
end

-- An option drawn from the model's probabilities.
local function draw(list, random)
  local at = random.uniform()
  for k, p in ipairs(list) do
    at = at - p
    if at < 0 then return k - 1 end
  end
  return #list - 1
end

-- A child of the parent.
local function change(parent, continuous, categorical, likely, random)
  local child = { continuous = { unpack(parent.continuous) }, categorical = { unpack(parent.categorical) } }
  if #categorical > 0 and random.uniform() < 0.3 then
    local j = categorical[random.whole(#categorical)]
    child.categorical[j] = draw(likely[j], random)
  end
  local count, step = random.whole(math.min(6, #continuous)), STEPS[random.whole(#STEPS)]
  for _ = 1, #continuous > 0 and count or 0 do
    local j = continuous[random.whole(#continuous)]
    child.continuous[j] = math.min(math.max(child.continuous[j] + step * random.normal(), 0), 1)
  end
  return child
end

-- Renders the children and returns the nearest, with its sound and distance; nil where none can be rendered.
local function nearest(synth, space, children, note, target)
  local continuous, categorical = {}, {}
  for k, child in ipairs(children) do
    continuous[k], categorical[k] = child.continuous, child.categorical
  end
  local m = #children[1].categorical
  local sounds, failed = player.render(synth, space, lt.tensor(continuous),
    m > 0 and lt.tensor(categorical, "i64") or lt.zeros({ #children, 0 }, "i64"), { note })
  local all = target:unsqueeze(1):expand(#children, target:size(1)):contiguous()
  local best
  for k, d in ipairs(lt.audio.multiscale_spectral_distance(sounds, all, SIZES):tolist()) do
    if not failed[k] and not (best and d >= best.distance) then
      best = children[k]
      best.distance, best.row = d, k
    end
  end
  if best then best.sound = sounds:select(1, best.row):contiguous() end
  return best
end

--- Searches around a preset.
-- @param preset  continuous (1, n), categorical (1, m) i64, and scores, the model's list of (1, k)
-- @param target  the sound (samples)
-- @param note    MIDI note to render at
-- @param o       {renderings = how many to try, 0 returns the preset itself; seed = 1}
-- @return continuous (1, n), categorical (1, m), the rendering (samples); nil where nothing can be rendered
function search.refine(synth, space, preset, target, note, o)
  local random, likely = numbers(o.seed or 1), {}
  for j, one in ipairs(preset.scores) do likely[j] = one:softmax(2):tolist()[1] end
  local first = { continuous = preset.continuous:tolist()[1],
    categorical = preset.categorical:tolist()[1] or {} }
  local parent = nearest(synth, space, { first }, note, target)
  if not parent then return nil end
  lt.keep(parent.sound)
  for left = o.renderings, 1, -GENERATION do
    lt.scope(function()
      local continuous, categorical = heard_in(space, parent)
      local children = {}
      for k = 1, math.min(GENERATION, left) do
        children[k] = change(parent, continuous, categorical, likely, random)
      end
      local best = nearest(synth, space, children, note, target)
      if best and best.distance < parent.distance then
        parent.sound:release()
        parent = best
        lt.keep(parent.sound)
      end
    end)
  end
  return lt.tensor { parent.continuous }, preset.categorical:size(2) > 0
    and lt.tensor({ parent.categorical }, "i64") or preset.categorical, parent.sound
end

return search
