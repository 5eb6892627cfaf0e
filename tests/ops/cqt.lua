local ops = require "luatrain.ops.cqt"
local frames = require("luatrain.ops.stft").frames
local log = require("luatrain.ops.mel").log

-- Two complex filters over bins 2..4 and 0 of frames of 16 samples, hop 6, centred.
local weights = { 0.5, -1, 2, 0.25, -0.75, 1, 1.5, 0.5 }

local function octave(x, complex)
  local bands = lt.tensor({ { 2, 3, 0 }, { 0, 1, 3 } }, "i32")
  local count = math.floor(x:size(2) / 6) + 1
  local y = lt.Tensor.empty { x:size(1), 2, count, complex and 2 or nil }
  return ops.octave(y, x, bands, lt.tensor(weights), frames(16, 6, true, false), log "none")
end

local function reference(complex)
  return function(x)
    local clips = {}
    for c, row in ipairs(x:tolist()) do
      clips[c] = { {}, {} }
      for t = 0, math.floor(#row / 6) do
        local function bin(k)
          local re, im = 0, 0
          for i = 0, 15 do
            local v, a = row[t * 6 - 8 + i + 1] or 0, -2 * math.pi * k * i / 16
            re, im = re + v * math.cos(a), im + v * math.sin(a)
          end
          return re, im
        end
        for m, list in ipairs { { 2, 3, 4 }, { 0 } } do
          local re, im, at = 0, 0, m == 1 and 0 or 6
          for _, k in ipairs(list) do
            local xr, xi = bin(k)
            local wr, wi = weights[at + 1], weights[at + 2]
            re, im, at = re + wr * xr - wi * xi, im + wr * xi + wi * xr, at + 2
          end
          clips[c][m][t + 1] = complex and { re, im } or math.sqrt(re * re + im * im)
        end
      end
    end
    return lt.tensor(clips)
  end
end

return {
  cases = {
    { name = "cqt_complex", golden = false, inputs = { { 2, 100 } }, no_directional = true,
      fn = function(x) return octave(x, true) end, reference = reference(true) },
    { name = "cqt_magnitude", golden = false, inputs = { { 1, 50 } }, no_directional = true,
      fn = function(x) return octave(x, false) end, reference = reference(false) },
  },
}
