local ops = require "luatrain.ops.vocoder"

-- Angles added up, frame by frame, in doubles.
local function reference(rate)
  return function(x)
    local clips = {}
    for c, clip in ipairs(x:tolist()) do
      clips[c] = {}
      for k, bin in ipairs(clip) do
        local phase, row = math.atan2(bin[1][2], bin[1][1]), {}
        for t = 0, math.ceil(#bin / rate) - 1 do
          local at = math.floor(t * rate)
          local a, b = bin[at + 1] or { 0, 0 }, bin[at + 2] or { 0, 0 }
          local share = t * rate - at
          local size = (1 - share) * math.sqrt(a[1] ^ 2 + a[2] ^ 2) + share * math.sqrt(b[1] ^ 2 + b[2] ^ 2)
          row[t + 1] = { size * math.cos(phase), size * math.sin(phase) }
          phase = phase + math.atan2(b[2], b[1]) - math.atan2(a[2], a[1])
        end
        clips[c][k] = row
      end
    end
    return lt.tensor(clips)
  end
end

local function case(name, rate, inputs)
  return { name = name, golden = false, inputs = { inputs }, reference = reference(rate),
    fn = function(x) return ops.phase_vocoder(x, rate) end }
end

return {
  cases = {
    case("phase_vocoder_faster", 1.3, { 2, 3, 17, 2 }),
    case("phase_vocoder_slower", 0.7, { 1, 4, 9, 2 }),
    case("phase_vocoder_same", 1, { 1, 2, 5, 2 }),
    case("phase_vocoder_one_frame", 0.25, { 2, 1, 1, 2 }),
    { name = "phase_vocoder_edges", golden = false, check = function()
      local zeros = ops.phase_vocoder(lt.zeros(1, 2, 6, 2), 0.5)
      assert(zeros:abs():max():item() == 0)
      local ok, e = pcall(ops.phase_vocoder, lt.zeros(1, 2, 6, 2), 1e-5)
      assert(not ok and tostring(e):find("the rate is 1e-05", 1, true), e)
      ok, e = pcall(ops.phase_vocoder, lt.zeros(1, 2, 6, 3), 1)
      assert(not ok and tostring(e):find("it must be (B, bins, frames, 2), re and im", 1, true), e)
    end },
  },
}
