-- Features against librosa and torchaudio (tests/golden/make_audio.py).
local harness = require "ops_harness"
local audio = lt.audio

local golden = lt.keep(lt.safetensors.load "tests/golden/audio.safetensors")
local x = golden.x
local short = x:narrow(1, 1, 6000)

-- Every element within `tolerance` of the golden's largest value.
local function matches(name, y, tolerance)
  harness.close(y, golden[name], tolerance or 1e-4, name)
end

-- Every element within `tolerance` of its own value, where that is not negligible.
local function matches_each(name, y, tolerance)
  matches(name, y, tolerance)
  local a, b = y:flat(), golden[name]:flat()
  local scale = 0
  for i = 1, #b do scale = math.max(scale, math.abs(b[i])) end
  for i = 1, #b do
    local e = math.abs(a[i] - b[i]) / math.max(math.abs(b[i]), 1e-5 * scale)
    assert(e <= tolerance, ("%s: element %d is %g, wanted %g"):format(name, i, a[i], b[i]))
  end
end

local raises = harness.raises

describe("spectra", function()
  it("match librosa.stft and come back", function()
    matches("stft", audio.stft(short, { n_fft = 256, hop = 300 }), 1e-5)
    for _, o in ipairs { { n_fft = 512 }, { n_fft = 441, hop = 100 }, { n_fft = 400, hop = 160 },
      { n_fft = 512, hop = 128, win_length = 400, normalized = "window" }, { n_fft = 1024, hop = 512 } } do
      local options = { length = 6000 }
      for k, v in pairs(o) do options[k] = v end
      local back = audio.istft(audio.stft(short, o), options)
      harness.close(back, short:contiguous(), 1e-5, "n_fft " .. o.n_fft)
    end
  end)

  it("keep leading dimensions", function()
    local stack = lt.stack({ x, x * 0.5 }, 1):reshape(2, 1, -1)
    local y = audio.log_mel(stack)
    assert.are.same({ 2, 1, 128, 44 }, y:size())
    harness.close(y[1][1], audio.log_mel(x), 1e-6, "first")
    assert.are.same({ 2, 1, 1025, 44, 2 }, audio.stft(stack, { hop = 512 }):size())
    assert.are.same({ 2, 1, 84, 44 }, audio.cqt(stack):size())
    assert.are.same({ 2, 1, 22050 }, audio.istft(audio.stft(stack, { hop = 512 }), { hop = 512,
      length = 22050 }):size())
  end)

  it("do not depend on the number of threads", function()
    local before = lt.threads()
    local batch = lt.stack({ x, x * 0.5, x * 0.25 }, 1)
    lt.threads(1)
    local one = audio.log_mel(batch)
    lt.threads(3)
    local three = audio.log_mel(batch)
    lt.threads(before)
    assert.are.equal(0, harness.error_of(one, three))
  end)

  it("say what is wrong with options", function()
    raises("did you mean 'hop'", audio.stft, x, { hopp = 3 })
    raises("n_fft is 0", audio.stft, x, { n_fft = 0 })
    raises("shorter than one frame", audio.stft, x:narrow(1, 1, 9), { n_fft = 64, center = false })
    raises("reflect padding", audio.stft, x:narrow(1, 1, 9), { n_fft = 64, pad_mode = "reflect" })
    raises("did you mean 'hann'", audio.stft, x, { window = "han" })
    raises("form 'dB'", audio.log_mel, x, { form = "dB" })
    raises("fmin 9000", audio.mel, x, { fmin = 9000, fmax = 8000 })
    raises("a string", audio.mel, "song.wav")
    raises("beyond half the sample rate", audio.cqt, x, { n_bins = 120 })
    raises("wanted a whole number", audio.cqt, x, { hop = 1.5 })
    raises("top_db has no gradient", function()
      local y = short:clone()
      y:set_requires_grad()
      audio.log_mel(y, { form = "db" }):sum():backward()
    end)
  end)
end)

describe("mel", function()
  it("filters match librosa and Kaldi", function()
    local o = { sample_rate = 16000, n_fft = 256, n_mels = 20 }
    matches_each("filters_slaney", audio.mel_filters(o), 1e-4)
    o.scale = "htk"
    matches_each("filters_htk", audio.mel_filters(o), 1e-4)
    local kaldi = audio.mel_filters { sample_rate = 16000, n_fft = 256, n_mels = 20, scale = "kaldi",
      fmin = 20 }
    matches("filters_kaldi", kaldi:narrow(2, 1, 128), 1e-4)
    matches_each("filters_chroma", audio.chroma_filters { n_fft = 512, tuning = 0.2 }, 1e-4)
  end)

  it("energies match librosa, Slaney and HTK", function()
    matches_each("mel_slaney", audio.mel(x), 1e-4)
    matches_each("mel_htk", audio.mel(short, { sample_rate = 16000, n_fft = 512, hop = 160, n_mels = 40,
      scale = "htk", fmin = 50, fmax = 7000 }), 1e-4)
  end)

  it("energies match torchaudio", function()
    matches_each("torchaudio_mel", audio.mel(short, { sample_rate = 16000, n_fft = 400, hop = 200,
      n_mels = 64, scale = "htk", pad_mode = "reflect" }), 1e-4)
    matches_each("torchaudio_beat", audio.log_mel(short, { sample_rate = 22050, n_fft = 1024, hop = 441,
      fmin = 30, fmax = 11000, norm = false, power = 1, pad_mode = "reflect",
      normalized = "frame_length", gain = 1000 }), 1e-4)
  end)

  it("logarithms: dB with its floor, log1p, natural", function()
    matches("mel_db", audio.log_mel(x, { form = "db" }), 1e-4)
    local mel = audio.mel(x)
    harness.close(audio.log_mel(x, { gain = 10 }), (mel * 10 + 1):log(), 1e-5, "log1p")
    harness.close(audio.log_mel(x, { form = "natural", amin = 1e-3 }), mel:clamp(1e-3):log(), 1e-5, "natural")
    harness.close(audio.log_mel(x, { form = "natural", eps = 1e-6 }), (mel + 1e-6):log(), 1e-5, "eps")
    local relative = audio.log_mel(x, { form = "db", ref = "max" })
    harness.close(relative, golden.mel_db - golden.mel_db:amax({ 1, 2 }, true), 1e-4, "ref max")
    local silence = audio.log_mel(lt.zeros(4000), { form = "db" })
    assert.is_true(math.abs(silence:get(1, 1) + 100) < 1e-4)
  end)

  it("MFCC match librosa", function()
    matches("mfcc", audio.mfcc(x), 1e-4)
    matches("mfcc_htk", audio.mfcc(x, { n_mfcc = 13, scale = "htk", norm = "slaney", lifter = 22 }), 1e-4)
  end)
end)

describe("constant Q", function()
  it("matches librosa.cqt", function()
    matches("cqt", audio.cqt(x, { output = "complex" }), 1e-2)
    matches("cqt_fine", audio.cqt(x, { hop = 441, n_bins = 60, bins_per_octave = 36, fmin = 110,
      tuning = 0.25 }), 1e-2)
    matches("cqt_early", audio.cqt(x, { hop = 1024, n_bins = 24, fmin = 65.4 }), 1e-2)
  end)

  it("answers a cosine with half the root of the filter's length", function()
    local q = audio.Cqt {}
    for _, k in ipairs { 13, 40, 73, 84 } do
      local f, y = q:frequencies()[k], lt.zeros(44100)
      local p = y:data()
      for i = 0, 44099 do p[i] = math.cos(2 * math.pi * f * i / 22050) end
      local value = q(y):get(k, 43)
      local wanted = 0.5 * math.sqrt(17.331590297652433 * 22050 / f)
      assert.is_true(math.abs(value / wanted - 1) < 5e-3, ("bin %d: %g, wanted %g"):format(k, value, wanted))
    end
  end)

  it("has the forms of the mel features", function()
    local plain = audio.cqt(x)
    harness.close(audio.cqt(x, { form = "log1p", gain = 5 }), (plain * 5 + 1):log(), 1e-5, "log1p")
    local db = audio.cqt(x, { form = "db", top_db = 40, ref = "max" })
    local top = db:amax({ 1, 2 }):item()
    assert.are.equal(0, top)
    assert.is_true(math.abs(db:amin({ 1, 2 }):item() - (top - 40)) < 1e-3)
  end)

  it("gives chroma as librosa's", function()
    matches("chroma_stft", audio.chroma_stft(x, { tuning = 0 }), 1e-3)
    matches("chroma_tuned", audio.chroma_stft(x), 1e-3)
    matches("chroma_cqt", audio.chroma_cqt(x, { tuning = 0 }), 1e-2)
    assert.is_true(math.abs(audio.estimate_tuning(x) - golden.tuning:item()) < 1e-6)
  end)
end)

describe("resample", function()
  local function sine(f, rate, n)
    local y = lt.zeros(n)
    local p = y:data()
    for i = 0, n - 1 do p[i] = 0.9 * math.sin(2 * math.pi * f * i / rate + 0.3) end
    return y
  end

  it("keeps tones to better than 100 dB and removes aliases", function()
    for _, c in ipairs { { 44100, 48000, 997 }, { 44100, 48000, 19000 }, { 48000, 44100, 19000 },
      { 44100, 22050, 9900 }, { 22050, 44100, 9900 }, { 44100, 16000, 7000 }, { 44100, 44101, 15000 } } do
      local from, to, f = c[1], c[2], c[3]
      local y, wanted = audio.resample(sine(f, from, from), from, to), sine(f, to, to)
      local a, b, wrong, right = y:data(), wanted:data(), 0, 0
      for i = 250, to - 250 do
        wrong, right = wrong + (a[i] - b[i]) ^ 2, right + b[i] ^ 2
      end
      local snr = 10 * math.log10(right / wrong)
      assert.is_true(snr > 100, ("%d to %d Hz, %d Hz: %.1f dB"):format(from, to, f, snr))
    end
    local alias = audio.resample(sine(11300, 44100, 44100), 44100, 22050):narrow(1, 2000, 18000)
    assert.is_true(alias:abs():amax(1):item() < 1e-5)
  end)

  it("matches soxr inside of the signal", function()
    local y = audio.resample(x:narrow(1, 1, 8000), 22050, 16000)
    assert.are.equal(5805, y:size(1))
    matches("resampled", y:narrow(1, 501, 5805 - 1000), 5e-4)  -- soxr rolls off a little lower
  end)

  it("refuses rates that are not whole", function()
    raises("whole number of Hz", audio.resample, x, 44100.5, 22050)
    raises("whole number of Hz", audio.resample, x, 44100, 0)
  end)
end)

describe("augmentation", function()
  local function g() return { generator = lt.generator(1, 2, 3) } end
  local function with(o)
    o.generator = lt.generator(1, 2, 3)
    return o
  end

  it("depends on the generator alone", function()
    harness.close(audio.noise(x, { 5, 20 }, g()), audio.noise(x, { 5, 20 }, g()), 0, "noise")
    harness.close(audio.gain(x, { -9, 9 }, g()), audio.gain(x, { -9, 9 }, g()), 0, "gain")
    local other = audio.noise(x, 5, { generator = lt.generator(9) })
    assert.is_true(harness.error_of(audio.noise(x, 5, g()), other) > 0.01)
  end)

  it("gives the level and the noise asked for", function()
    local before = x:clone()
    harness.close(audio.gain(x, -20, g()), x * 0.1, 1e-6, "gain")
    local difference = audio.noise(x, 12, g()) - x
    local snr = 10 * math.log10((x * x):mean():item() / (difference * difference):mean():item())
    assert.is_true(math.abs(snr - 12) < 0.2, snr)
    harness.close(audio.noise(lt.zeros(100), 3, g()), lt.zeros(100), 0, "silence")
    harness.close(x, before, 0, "the input")
  end)

  it("masks bands of bins and frames", function()
    local ones = lt.ones(3, 40, 50)
    local y = audio.spec_augment(ones, with { freq_masks = 2, freq_width = 10, time_masks = 1,
      time_width = 20 })
    for i = 1, 3 do
      local bins, frames = y[i]:amax(2):sum():item(), y[i]:amax(1):sum():item()
      assert.is_true(bins >= 20 and bins <= 40 and frames >= 30 and frames <= 50)
      assert.are.equal(bins * frames, y[i]:sum():item())
    end
    assert.is_true(y:sum():item() < 6000)
    assert.are.equal(6000, ones:sum():item())
  end)

  it("rolls bins", function()
    local c = lt.arange(1, 7):reshape(3, 2)
    assert.are.same({ 0, 0, 1, 2, 3, 4 }, audio.roll_bins(c, 1):flat())
    assert.are.same({ 5, 6, -1, -1, -1, -1 }, audio.roll_bins(c, -2, { value = -1 }):flat())
    assert.are.same({ 0, 0, 0, 0, 0, 0 }, audio.roll_bins(c, 7):flat())
  end)
end)
