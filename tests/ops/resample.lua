local audio = lt.audio

-- Direct evaluation in doubles of the windowed sinc that "fast" uses (pass 0.8, stop 1, 100 dB).
local function reference(up, down)
  local pass, stop, attenuation = 0.8, 1, 100
  local function bessel0(x)
    local sum, term, k = 1, 1, 1
    while term > sum * 1e-17 do
      term = term * (x / 2 / k) ^ 2
      sum, k = sum + term, k + 1
    end
    return sum
  end
  local beta = 0.1102 * (attenuation - 8.7)
  local ratio = math.min(1, up / down)
  local cutoff = ratio * (pass + stop) / 2
  local width = (attenuation - 7.95) / (2.285 * 2 * math.pi * ratio * (stop - pass))
  local function h(t)
    if math.abs(t) >= width then return 0 end
    local s = t == 0 and 1 or math.sin(math.pi * cutoff * t) / (math.pi * cutoff * t)
    return cutoff * s * bessel0(beta * math.sqrt(1 - (t / width) ^ 2)) / bessel0(beta)
  end
  return function(x)
    local rows = {}
    for i, row in ipairs(x:tolist()) do
      rows[i] = {}
      for n = 0, math.ceil(#row * up / down) - 1 do
        local sum = 0
        for k = 1, #row do sum = sum + row[k] * h(n * down / up - (k - 1)) end
        rows[i][n + 1] = sum
      end
    end
    return lt.tensor(rows)
  end
end

local function case(name, up, down, length)
  return { name = name, golden = false, inputs = { { 2, length } }, reference = reference(up, down),
    fn = function(x) return audio.resample(x, down, up, { quality = "fast" }) end }
end

return {
  cases = {
    case("resample_half", 1, 2, 61),
    case("resample_ratio", 3, 2, 40),
    case("resample_down", 147, 160, 40),
    case("resample_interpolated", 4001, 4000, 40),
  },
}
