-- Distances of sounds against librosa and numpy (tests/golden/make_distances.py).
local harness = require "ops_harness"
local audio = lt.audio

local golden = lt.keep(lt.safetensors.load "tests/golden/distances.safetensors")
local x, y = golden.x, golden.y

describe("distances", function()
  it("are those of librosa and numpy", function()
    local d = audio.distances(x, y, 22050)
    for _, name in ipairs { "multiscale", "mfcc", "log_spectral", "envelope" } do
      harness.close(d[name], golden[name], 1e-3, name)   -- logarithms of single precision
    end
    harness.close(audio.rms_envelope(x), golden.rms, 1e-5, "rms")
  end)

  it("keep leading dimensions, and a single sound gives a single value", function()
    local one = audio.multiscale_spectral_distance(x[1], y[1])
    assert.are.equal(0, one:dim())
    assert.near(golden.multiscale:get(1), one:item(), 1e-3)
    assert.are.same({ 2, 1 }, audio.log_spectral_distance(x:reshape(2, 1, -1), y:reshape(2, 1, -1)):size())
    assert.are.same({}, audio.envelope_correlation(x[2], y[2]):size())
  end)

  it("are none between equal sounds, and finite for silence", function()
    local silence = lt.zeros { 5000 }
    for name, d in pairs(audio.distances(x, x, 22050)) do
      local want = name == "envelope" and 1 or 0
      for _, value in ipairs(d:flat()) do assert.near(want, value, 1e-5) end
    end
    for name, d in pairs(audio.distances(silence, x[1]:narrow(1, 1, 5000), 22050)) do
      assert.is_true(d:item() == d:item() and math.abs(d:item()) < 1e6, name)
    end
    assert.are.equal(0, audio.envelope_correlation(silence, silence):item())
  end)

  it("refuse sounds of different length and misspelt options", function()
    assert.error_matches(function() audio.mfcc_distance(x, y:narrow(2, 1, 100)) end, "equally long")
    assert.error_matches(function() audio.log_spectral_distance(x, y, { nfft = 3 }) end, "did you mean")
  end)
end)
