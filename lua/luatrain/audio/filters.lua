--- Windows, mel and chroma filter banks, DCT matrices: small tables computed in double precision.
local core = require "luatrain.core"
local Tensor = require "luatrain.tensor"

local filters = {}

-- ---- windows ------------------------------------------------------------------------------------
local cosine = {  -- w = sum of c_k cos(2 pi k n / period)
  hann = { 0.5, -0.5 }, hamming = { 0.54, -0.46 }, blackman = { 0.42, -0.5, 0.08 },
  ones = { 1 },
}

--- The window `name` as a list of n doubles: "hann", "hamming", "blackman" or "ones"; periodic
-- (for spectra) unless `symmetric`.
function filters.window_values(name, n, symmetric)
  local c = cosine[name]
  if not c then
    local near = core.nearest(tostring(name), { "hann", "hamming", "blackman", "ones" })
    core.fail("window '%s' is unknown%s", tostring(name), near and "; did you mean '" .. near .. "'?"
      or "; there are hann, hamming, blackman and ones")
  end
  local period = symmetric and math.max(n - 1, 1) or n
  local w = {}
  for i = 0, n - 1 do
    local sum = 0
    for k = 1, #c do sum = sum + c[k] * math.cos(2 * math.pi * (k - 1) * i / period) end
    w[i + 1] = n == 1 and 1 or sum
  end
  return w
end

--- The window `name` (or the values of a tensor (win_length)) as a tensor of n_fft samples:
-- win_length samples (default n_fft) with zeros around them, as librosa and torch centre it.
function filters.window(name, n_fft, win_length)
  local values
  if Tensor.is_tensor(name) then
    values = name:flat()
    win_length = win_length or #values
    if #values ~= win_length then
      core.fail("the window has %d samples, win_length is %d", #values, win_length)
    end
  else
    win_length = win_length or n_fft
    values = filters.window_values(name, win_length)
  end
  if win_length > n_fft or win_length < 1 then
    core.fail("win_length is %s, it must lie between 1 and n_fft = %d", tostring(win_length), n_fft)
  end
  local t = Tensor.empty { n_fft }
  local p, left = t:data(), math.floor((n_fft - win_length) / 2)
  for i = 0, n_fft - 1 do p[i] = values[i - left + 1] or 0 end
  return t
end

-- ---- mel ----------------------------------------------------------------------------------------
local LOG_STEP = math.log(6.4) / 27

--- Hz to mel. scale: "slaney" (linear below 1 kHz; librosa's default), "htk" (2595 log10(1 + f/700))
-- or "kaldi" (1127 ln(1 + f/700)).
function filters.hz_to_mel(f, scale)
  if scale == "htk" then return 2595 * math.log10(1 + f / 700) end
  if scale == "kaldi" then return 1127 * math.log(1 + f / 700) end
  return f < 1000 and 3 * f / 200 or 15 + math.log(f / 1000) / LOG_STEP
end

--- Mel to Hz, the inverse of hz_to_mel.
function filters.mel_to_hz(m, scale)
  if scale == "htk" then return 700 * (10 ^ (m / 2595) - 1) end
  if scale == "kaldi" then return 700 * (math.exp(m / 1127) - 1) end
  return m < 15 and 200 * m / 3 or 1000 * math.exp((m - 15) * LOG_STEP)
end

--- The n_mels + 2 corner frequencies in Hz of a mel filter bank.
function filters.mel_corners(n_mels, fmin, fmax, scale)
  local low, high = filters.hz_to_mel(fmin, scale), filters.hz_to_mel(fmax, scale)
  local corners = {}
  for i = 0, n_mels + 1 do
    corners[i + 1] = filters.mel_to_hz(low + (high - low) * i / (n_mels + 1), scale)
  end
  return corners
end

local function check_mel(rate, n_fft, n_mels, fmin, fmax, scale, norm)
  if not (rate and rate > 0) then core.fail("mel_filters: sample_rate is %s", tostring(rate)) end
  if not (n_mels and n_mels >= 1 and n_mels % 1 == 0) then
    core.fail("mel_filters: n_mels is %s, wanted a whole number from 1", tostring(n_mels))
  end
  if not (n_fft and n_fft >= 2 and n_fft % 1 == 0) then
    core.fail("mel_filters: n_fft is %s, wanted a whole number from 2", tostring(n_fft))
  end
  if not (fmin >= 0 and fmax > fmin) then
    core.fail("mel_filters: fmin %g and fmax %g; wanted 0 <= fmin < fmax", fmin, fmax)
  end
  if scale ~= "slaney" and scale ~= "htk" and scale ~= "kaldi" then
    core.fail("mel_filters: scale '%s'; there are slaney, htk and kaldi", tostring(scale))
  end
  if norm and norm ~= "slaney" then
    core.fail("mel_filters: norm '%s'; there are 'slaney' and false", tostring(norm))
  end
end

-- Rows of doubles: row m is { first bin counted from 0, weights... }, zeros at both ends left out.
local function mel_rows(rate, n_fft, n_mels, fmin, fmax, scale, norm)
  local corners = filters.mel_corners(n_mels, fmin, fmax, scale)
  local last = math.floor(n_fft / 2)
  local in_mel = scale == "kaldi"  -- Kaldi's triangles have straight sides over mel, not over Hz
  local function axis(f) return in_mel and filters.hz_to_mel(f, scale) or f end
  local rows = {}
  for m = 1, n_mels do
    local left, centre, right = axis(corners[m]), axis(corners[m + 1]), axis(corners[m + 2])
    local gain = norm == "slaney" and 2 / (corners[m + 2] - corners[m]) or 1
    local row = { first = 0 }
    for k = 0, last do
      local f = axis(k * rate / n_fft)
      local w = math.min((f - left) / (centre - left), (right - f) / (right - centre))
      if w > 0 and not (in_mel and k == last and n_fft % 2 == 0) then
        if #row == 0 then row.first = k end
        row[#row + 1] = w * gain
      elseif #row > 0 then
        break
      end
    end
    rows[m] = row
  end
  return rows
end

local function mel_options(o)
  local rate, n_fft, n_mels = o.sample_rate or 22050, o.n_fft or 2048, o.n_mels or 128
  local fmin, fmax = o.fmin or 0, o.fmax or rate / 2
  local scale = o.scale or "slaney"
  local norm = o.norm
  if norm == nil then norm = scale == "slaney" and "slaney" or false end
  check_mel(rate, n_fft, n_mels, fmin, fmax, scale, norm)
  return rate, n_fft, n_mels, fmin, fmax, scale, norm
end

--- Mel filters as a dense matrix (n_mels, 1 + n_fft / 2), computed in double precision.
-- o: sample_rate (22050 Hz), n_fft (2048), n_mels (128), fmin (0 Hz), fmax (sample_rate / 2),
-- scale ("slaney", "htk", "kaldi"), norm ("slaney": triangles of equal area, the default of the
-- slaney scale; false: of equal height).
-- Formula: librosa.filters.mel; for scale "kaldi" Kaldi's MelBanks.
function filters.mel_filters(o)
  local rows = mel_rows(mel_options(o or {}))
  local bins = math.floor((o and o.n_fft or 2048) / 2) + 1
  local t = Tensor.empty { #rows, bins }
  local p = t:data()
  for i = 0, #rows * bins - 1 do p[i] = 0 end
  for m, row in ipairs(rows) do
    for k = 1, #row do p[(m - 1) * bins + row.first + k - 1] = row[k] end
  end
  return t
end

--- The same filters as lt_log_mel wants them: bands (n_mels, 3), i32, and weights (n).
function filters.mel_bands(o)
  return filters.pack(mel_rows(mel_options(o or {})))
end

--- bands and weights of rows { first = bin from 0, weight, weight, ... }.
function filters.pack(rows)
  local count = 0
  for _, row in ipairs(rows) do count = count + #row end
  local bands, weights = Tensor.empty({ #rows, 3 }, "i32"), Tensor.empty { count }
  local b, w = bands:data(), weights:data()
  local at = 0
  for m, row in ipairs(rows) do
    b[3 * m - 3], b[3 * m - 2], b[3 * m - 1] = row.first, #row, at
    for k = 1, #row do w[at + k - 1] = row[k] end
    at = at + #row
  end
  return bands, weights
end

-- ---- MFCC ---------------------------------------------------------------------------------------
--- The orthonormal DCT-II as a matrix (n_out, n_in), its rows scaled by the lifter
-- 1 + (lifter / 2) sin(pi (n + 1) / lifter), n from 0; lifter 0 leaves them.
function filters.dct(n_out, n_in, lifter)
  local t = Tensor.empty { n_out, n_in }
  local p = t:data()
  for k = 0, n_out - 1 do
    local scale = math.sqrt((k == 0 and 1 or 2) / n_in)
    if lifter and lifter > 0 then
      scale = scale * (1 + lifter / 2 * math.sin(math.pi * (k + 1) / lifter))
    end
    for i = 0, n_in - 1 do p[k * n_in + i] = scale * math.cos(math.pi * k * (2 * i + 1) / (2 * n_in)) end
  end
  return t
end

-- ---- chroma -------------------------------------------------------------------------------------
local function rounded(x) return math.floor(x + 0.5) end

--- Chroma filters (n_chroma, 1 + n_fft / 2): Gaussian bumps around each pitch class, weighted by a
-- Gaussian over octaves. tuning: in fractions of a chroma bin. Row 1 is C. librosa.filters.chroma.
-- o: sample_rate (22050), n_fft (2048), n_chroma (12), tuning (0), ctroct (5), octwidth (2).
function filters.chroma_filters(o)
  o = o or {}
  local rate, n_fft, n = o.sample_rate or 22050, o.n_fft or 2048, o.n_chroma or 12
  local ctroct, octwidth = o.ctroct or 5, o.octwidth or 2
  local a0 = 440 * 2 ^ ((o.tuning or 0) / n) / 16
  local position = {}
  for k = 1, n_fft - 1 do position[k] = n * math.log(k * rate / n_fft / a0) / math.log(2) end
  position[0] = position[1] - 1.5 * n
  local bins = math.floor(n_fft / 2) + 1
  local t = Tensor.empty { n, bins }
  local p, half = t:data(), rounded(n / 2)
  local turn = 3 * math.floor(n / 12)
  for k = 0, bins - 1 do
    local width = k < n_fft - 1 and math.max(position[k + 1] - position[k], 1) or 1
    local column, norm = {}, 0
    for c = 0, n - 1 do
      local d = (position[k] - c + half + 10 * n) % n - half
      column[c] = math.exp(-0.5 * (2 * d / width) ^ 2)
      norm = norm + column[c] ^ 2
    end
    norm = math.sqrt(norm)
    local weight = math.exp(-0.5 * ((position[k] / n - ctroct) / octwidth) ^ 2)
    if norm > 0 then weight = weight / norm end
    for c = 0, n - 1 do p[((c - turn) % n) * bins + k] = column[c] * weight end
  end
  return t
end

return filters
