-- Augmentation of mel features against what the same does to the sound, by librosa
-- (tests/golden/make_augment.py) and by lt.audio.
local harness = require "ops_harness"
local audio = lt.audio

local golden = lt.keep(lt.safetensors.load "tests/golden/augment.safetensors")
local x = golden.x

local forms = { { form = "none" }, { form = "db", top_db = false }, { form = "db", ref = "max" },
  { form = "natural" }, { form = "natural", eps = 1e-4 }, { form = "log1p", gain = 1000 },
  { form = "db", power = 1, top_db = false, norm = false, scale = "htk" } }

local function mel(o)
  local all = { sample_rate = 16000, n_mels = 64, n_fft = 1024, hop = 256 }
  for key, value in pairs(o) do all[key] = value end
  return audio.Mel(all)
end

local raises = harness.raises

describe("mel features at another speed", function()
  it("are those of librosa's phase vocoder", function()
    local size = golden.spectrum:square():sum(-1):sqrt()                              -- (33, 40)
    local fast = golden.vocoder:square():sum(-1):sqrt()                               -- (33, 23)
    local w = audio.mel_filters { sample_rate = 16000, n_fft = 64, n_mels = 12 }
    local y, rate = audio.mel_time_stretch(w:matmul(size), 1.7)
    assert.equal(1.7, rate)
    assert.same({ 12, 24 }, y:size())
    harness.close(y:narrow(2, 1, 23), w:matmul(fast), 1e-5, "faster")
  end)

  it("keep their ends, their batches and, at speed 1, their bits", function()
    local m = lt.tensor { { 0, 1, 2 }, { 6, 4, 2 } }
    assert.same({ { 0, 0.5, 1, 1.5, 2, 2 }, { 6, 5, 4, 3, 2, 2 } }, (audio.mel_time_stretch(m, 0.5)):tolist())
    local batch = lt.stack { m, m * 2 }
    local y, rate = audio.mel_time_stretch(batch, { 0.7, 1.4 }, { generator = lt.generator(1, 2, 3) })
    assert.equal(rate, select(2, audio.mel_time_stretch(batch, { 0.7, 1.4 }, { generator = lt.generator(1, 2,
      3) })))
    harness.close(y:select(1, 2), (audio.mel_time_stretch(m, rate)) * 2, 1e-6, "batch")
    harness.close((audio.mel_time_stretch(m, 1)), m, 0, "same")
    assert.same({ 2, 1 }, (audio.mel_time_stretch(m, 16)):size())
  end)
end)

describe("mel features at another pitch", function()
  it("are near those of librosa's pitch shift", function()
    for _, case in ipairs { { 2, golden.up }, { -3.5, golden.down } } do
      local feature = mel { form = "db", ref = "max", top_db = 40 }
      local m, wanted = feature(x), feature(case[2])
      local function off(y) return (y - wanted):narrow(2, 3, 28):abs():mean():item() end
      local y, steps = audio.mel_pitch_shift(m, case[1], feature)
      assert.equal(case[1], steps)
      assert.is_true(off(y) < 0.55 * off(m) and off(y) < 4.2, ("%g dB off, unshifted %g"):format(off(y),
        off(m)))
    end
  end)

  it("move a tone to its band in every form and scale", function()
    for _, scale in ipairs { "slaney", "htk", "kaldi" } do
      for _, form in ipairs { "none", "db" } do
        local feature = mel { scale = scale, form = form, n_mels = 40 }
        local function peak(hertz)
          return feature((lt.arange(8192):to "f32" * (2 * math.pi * hertz / 16000)):sin()):mean(2)
        end
        local shifted = audio.mel_pitch_shift(peak(1000):unsqueeze(2), 7, feature):squeeze(2)
        assert.near(peak(1498.3):argmax():item(), shifted:argmax():item(), 1)
      end
    end
  end)

  it("keep their bits without steps, and take what comes in from the least value", function()
    local feature = mel { form = "db" }
    local m = feature(x)
    harness.close((audio.mel_pitch_shift(m, 0, feature)), m, 0, "same")
    local up = audio.mel_pitch_shift(m, 24, feature)
    assert.near(m:min():item(), up:get(1, 5), 1e-5)
    assert.equal(-7, (audio.mel_pitch_shift(m, 24, feature, { value = -7 })):get(1, 5))
    local drawn, steps = audio.mel_pitch_shift(lt.stack { m, m }, { -3, 3 }, feature,
      { generator = lt.generator(4) })
    assert.is_true(steps > -3 and steps < 3)
    harness.close(drawn:select(1, 2), (audio.mel_pitch_shift(m, steps, feature)), 1e-6, "batch")
  end)
end)

describe("mel features of another level", function()
  it("are those of the louder sound", function()
    for i, o in ipairs(forms) do
      local feature = mel(o)
      local gained = audio.mel_gain(feature(x), -6, feature)
      local wanted = feature(x * 10 ^ (-6 / 20))
      if o.ref == "max" then wanted = wanted - 6 end                    -- which Mel takes off again
      harness.close(gained, wanted, 2e-3, "form " .. i)
    end
    local feature = mel { form = "db" }
    local batch = lt.stack { feature(x), feature(x) }
    local y = audio.mel_gain(batch, { -9, 9 }, feature, { generator = lt.generator(5) })
    assert.is_true(math.abs(y:get(1, 20, 9) - y:get(2, 20, 9)) > 1e-3)
    harness.close(y, audio.mel_gain(batch, { -9, 9 }, feature, { generator = lt.generator(5) }), 0,
      "same seed")
  end)
end)

describe("mel features with noise", function()
  it("have the mean and spread in each band of those of the noisy sound", function()
    for _, o in ipairs { {}, { scale = "htk", norm = false } } do
      local feature = mel(o)
      local long = lt.cat { x, x, x, x, x, x, x, x }
      local m = feature(long)
      for _, snr in ipairs { -10, 0 } do
        local sound = feature(audio.noise(long, snr, { generator = lt.generator(1) })) - m
        local ours = audio.mel_noise(m, snr, feature, { generator = lt.generator(2) }) - m
        local function mean(t) return t:mean(2) end
        local level = 10 * math.log10(mean(ours):sum():item() / mean(sound):sum():item())
        assert.is_true(math.abs(level) < 0.4, ("%g dB of %g too many"):format(level, snr))
        local ratio = mean(ours) / mean(sound)
        assert.is_true(ratio:narrow(1, 20, 44):min():item() > 0.6 and ratio:narrow(1, 20,
          44):max():item() < 1.6)
      end
    end
    local feature = mel {}
    local white = feature(lt.randn(160000))
    local added = audio.mel_noise(white, 0, feature, { generator = lt.generator(3) }) - white
    local function spread(t) return (t:square():mean(2) - t:mean(2):square()):sqrt() / t:mean(2) end
    harness.close(spread(added), spread(white), 0.15, "spread")
  end)

  it("stay silent where they are, in every form, and depend on the generator alone", function()
    for _, o in ipairs(forms) do
      local feature = mel(o)
      if o.power ~= 1 then
        local silence = feature(lt.zeros(8000))
        if not o.ref then harness.close(audio.mel_noise(silence, 10, feature), silence, 0.05, o.form) end
        local m = feature(x)
        local function noisy(seed)
          return audio.mel_noise(m, { 5, 20 }, feature, { generator = lt.generator(seed, 1, 1) })
        end
        harness.close(noisy(1), noisy(1), 0, "same seed")
        assert.is_true((noisy(1) - noisy(2)):abs():max():item() > 0)
      end
    end
  end)
end)

describe("what makes no sense", function()
  it("is refused", function()
    local feature = mel {}
    local m = feature(x)
    raises("a speed of 0", audio.mel_time_stretch, m, 0)
    raises("are (3), wanted (..., n_mels, frames)", audio.mel_time_stretch, lt.ones(3), 1)
    raises("wants the lt.audio.Mel", audio.mel_pitch_shift, m, 1)
    raises("the lt.audio.Mel makes 64 bands", audio.mel_gain, m:narrow(1, 1, 3), 1, feature)
    raises("wanted power = 2", audio.mel_noise, m, 1, mel { power = 1 })
    raises("unknown option 'values'", audio.mel_pitch_shift, m, 1, feature, { values = 1 })
    raises("wanted a number or {low, high}", audio.mel_noise, m, "loud", feature)
  end)
end)
