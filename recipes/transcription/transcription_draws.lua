-- Random draws of the piece composer: a sequence that depends on (seed, index, attempt) alone.
--
--     local draw = require("transcription_draws").new(42, 7, 1)
--     draw.uniform(2, 5)   draw.whole(1, 6)   draw.chance(0.3)   draw.normal(0.01)   draw.one { "a", "b" }
--     draw.weighted { { "often", 3 }, { "seldom", 1 } }

local draws = {}

local BLOCK = 512

--- Draws of piece `index` of the data set with this seed; `attempt` numbers the tries at it.
function draws.new(seed, index, attempt)
  local generator, block, at = lt.generator(seed, index, attempt), {}, 0
  local draw = {}

  -- In [0, 1); numbers are made in blocks, one by one they cost a hundred times as much.
  local function unit()
    if at >= #block then
      block = lt.scope(function() return lt.rand(BLOCK, { generator = generator }):flat() end)
      at = 0
    end
    at = at + 1
    return block[at]
  end

  --- In [low, high).
  function draw.uniform(low, high) return low + (high - low) * unit() end

  --- A whole number from low to high, both included.
  function draw.whole(low, high) return low + math.floor((high - low + 1) * unit()) end

  --- True with probability p.
  function draw.chance(p) return unit() < p end

  --- Normal with mean 0, cut at three deviations: the sum of twelve uniforms.
  function draw.normal(deviation)
    local sum = -6
    for _ = 1, 12 do sum = sum + unit() end
    return math.max(-3, math.min(3, sum)) * deviation
  end

  --- One of a list.
  function draw.one(list) return list[1 + math.floor(#list * unit())] end

  --- One of a list of {item, weight}; nil where no weight is above 0.
  function draw.weighted(list)
    local total = 0
    for _, entry in ipairs(list) do total = total + entry[2] end
    local left = total * unit()
    for _, entry in ipairs(list) do
      left = left - entry[2]
      if entry[2] > 0 and left < 0 then return entry[1] end
    end
    for i = #list, 1, -1 do
      if list[i][2] > 0 then return list[i][1] end
    end
  end

  return draw
end

return draws
