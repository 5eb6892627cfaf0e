-- Time stretching and pitch shifting against librosa (tests/golden/make_augment.py), and rooms.
local harness = require "ops_harness"
local audio = lt.audio

local golden = lt.keep(lt.safetensors.load "tests/golden/augment.safetensors")
local x = golden.x

local raises = harness.raises

-- The frequency of a sine, by its passages through zero.
local function frequency(y, rate)
  local list, first, last, count = y:flat(), nil, nil, 0
  for i = 2, #list do
    if list[i - 1] < 0 and list[i] >= 0 then
      local at = i - list[i] / (list[i] - list[i - 1])
      first, last, count = first or at, at, count + 1
    end
  end
  return (count - 1) / (last - first) * rate
end

describe("the phase vocoder", function()
  it("matches librosa's", function()
    harness.close(audio.phase_vocoder(golden.spectrum, 1.7):narrow(2, 1, 23), golden.vocoder, 1e-4, "spectra")
    local batch = lt.stack({ golden.spectrum, golden.spectrum * 2 }, 1):unsqueeze(1)
    local y = audio.phase_vocoder(batch, 1.7)
    harness.close(y:select(1, 1):select(1, 2):narrow(2, 1, 23), golden.vocoder * 2, 1e-4, "batch")
  end)

  it("stretches time as librosa does", function()
    harness.close((audio.time_stretch(x, 1.3)), golden.faster, 1e-4, "faster")
    harness.close((audio.time_stretch(x, 0.8, { n_fft = 512, hop = 128 })), golden.slower, 1e-4, "slower")
  end)

  it("gives a signal back at its own speed", function()
    harness.close((audio.time_stretch(x, 1)), x, 1e-4, "speed 1")
    harness.close((audio.pitch_shift(x, 0)), x, 1e-4, "no steps")
  end)

  it("keeps the pitch when it changes the speed, and the other way round", function()
    local t = lt.arange(16000):to "f32" * (2 * math.pi * 440 / 16000)
    local slow = audio.time_stretch(t:sin(), 0.75)
    assert.equal(21333, slow:size(1))
    assert.near(440, frequency(slow:narrow(1, 4000, 12000), 16000), 0.2)
    for _, steps in ipairs { -12, -5, -0.3, 0.7, 4, 12 } do
      local y = audio.pitch_shift(t:sin(), steps)
      assert.equal(16000, y:size(1))
      local found = frequency(y:narrow(1, 4000, 8000), 16000)
      assert.near(steps, 12 * math.log(found / 440) / math.log(2), 0.01)
    end
  end)
end)

describe("pitch shifting", function()
  it("matches librosa's", function()
    harness.close((audio.pitch_shift(x, 2)), golden.up, 1e-3, "up")
    harness.close((audio.pitch_shift(x, -3.5)), golden.down, 1e-3, "down")
    local cents = audio.pitch_shift(x, 7, { bins_per_octave = 1200, n_fft = 1024 })
    harness.close(cents, golden.cents, 1e-3, "cents")
  end)

  it("draws from ranges by the generator alone, and tells what it drew", function()
    local function drawn(seed)
      return audio.pitch_shift(x, { -2, 2 }, { generator = lt.generator(seed, 1, 2) })
    end
    local y, steps = drawn(5)
    local again, same = drawn(5)
    assert.equal(steps, same)
    harness.close(y, again, 0, "same seed")
    assert.is_true(steps >= -2 and steps <= 2 and steps ~= select(2, drawn(6)))
    harness.close(y, (audio.pitch_shift(x, steps)), 0, "same steps")
    local z, rate = audio.time_stretch(x, { 0.9, 1.1 })
    assert.is_true(rate >= 0.9 and rate <= 1.1 and math.abs(z:size(1) - 9600 / rate) <= 0.5)
  end)

  it("takes batches and short signals, and leaves its input as it was", function()
    local before = x:clone()
    local batch = lt.stack({ x, x * 0.5 }, 1)
    local both = audio.pitch_shift(batch, 2)
    harness.close(both:select(1, 1), (audio.pitch_shift(x, 2)), 1e-6, "row 1")
    harness.close(both:select(1, 2), (audio.pitch_shift(x * 0.5, 2)), 1e-6, "row 2")
    harness.close(x, before, 0, "the input")
    assert.same({ 1, 2, 5 }, (audio.pitch_shift(lt.ones(1, 2, 5), -3)):size())
    assert.same({ 1 }, (audio.time_stretch(lt.ones(2), 3)):size())
    assert.equal(0, (audio.pitch_shift(lt.zeros(4000), 3)):abs():max():item())
  end)

  it("refuses what makes no sense", function()
    raises("a speed of 0", audio.time_stretch, x, 0)
    raises("a speed of 32", audio.pitch_shift, x, -60)
    raises("wanted a number or {low, high}", audio.pitch_shift, x, "up")
    raises("wanted a number or {low, high}", audio.time_stretch, x, { 2, 1 })
    raises("unknown option 'nfft'; did you mean 'n_fft'?", audio.time_stretch, x, 2, { nfft = 512 })
    raises("wanted (..., bins, frames, 2)", audio.phase_vocoder, x, 2)
  end)
end)

describe("rooms", function()
  local function room(o)
    o = o or {}
    o.generator = lt.generator(1, 2, 3)
    return o
  end

  it("depend on the generator alone, and are as loud as asked", function()
    local y = audio.reverb(x, 16000, room { wet = -10 })
    harness.close(y, audio.reverb(x, 16000, room { wet = -10 }), 0, "same seed")
    local other = audio.reverb(x, 16000, { wet = -10, generator = lt.generator(9) })
    assert.is_true(harness.error_of(y, other) > 0.01)
    local added = y - x
    assert.near(-10, 10 * math.log10((added * added):sum():item() / (x * x):sum():item()), 1e-3)
    assert.equal(0, audio.reverb(lt.zeros(2, 100), 16000, room()):abs():max():item())
    assert.same({ 1, 2, 50 }, audio.reverb(lt.ones(1, 2, 50), 16000, room()):size())
  end)

  it("die away by 60 dB in the time asked", function()
    for _, decay in ipairs { 0.3, 1 } do
      local click = lt.zeros(32000)
      click:narrow(1, 1, 1):fill_(1)
      local y = audio.reverb(click, 16000, room { decay = decay, wet = 0, damping = 0 })
      local function level(from, to)                              -- dB of the part between two times
        local part = y:narrow(1, math.floor(from * 16000), math.floor((to - from) * 16000))
        return 10 * math.log10((part * part):mean():item())
      end
      local fall = level(0.2 * decay, 0.4 * decay) - level(0.8 * decay, decay)
      assert.near(36, fall, 4)                                    -- 0.6 of the time, 0.6 of 60 dB
      local damped = audio.reverb(click, 16000, room { decay = decay, wet = 0, damping = 0.6 })
      local function brightness(z)
        local d = z:narrow(1, 4001, 4000) - z:narrow(1, 4000, 4000)
        return (d * d):sum():item() / (z * z):narrow(1, 4000, 4000):sum():item()
      end
      assert.is_true(brightness(damped) < 0.5 * brightness(y))
    end
  end)

  it("refuse what makes no sense", function()
    raises("the sample rate is nil", audio.reverb, x)
    raises("decay and size must be above 0", audio.reverb, x, 16000, { decay = 0 })
    raises("unknown option 'mix'", audio.reverb, x, 16000, { mix = 1 })
    raises("damping is 2", audio.reverb, x, 16000, { damping = 2 })
  end)
end)
