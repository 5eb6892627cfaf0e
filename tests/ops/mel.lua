local audio = lt.audio

local function mel(o)
  for key, value in pairs { sample_rate = 8000, n_fft = 256, hop = 100, n_mels = 12 } do o[key] = value end
  local feature = audio.Mel(o)
  return function(x) return feature(x) end
end

return {
  golden = "ops_spectral",
  cases = {
    { name = "spectrogram", inputs = { { 2, 150 } },
      fn = function(x) return audio.spectrogram(x, { n_fft = 64, hop = 20, pad_mode = "reflect" }) end },
    { name = "magnitude", inputs = { { 2, 150 } }, no_directional = true, fn = function(x)
      return audio.spectrogram(x, { n_fft = 64, hop = 20, pad_mode = "reflect", power = 1 })
    end },
    { name = "mel", fn = mel {}, inputs = { { 2, 600 } } },
    { name = "mel_log1p", fn = mel { form = "log1p", gain = 100 }, inputs = { { 2, 600 } } },
    { name = "mel_natural", fn = mel { form = "natural", amin = 0.2 }, inputs = { { 2, 600 } } },
    { name = "mel_log_add", fn = mel { form = "natural", eps = 1e-3 }, inputs = { { 2, 600 } } },
    { name = "fbank", golden = false, inputs = { { 2, 600 } },
      fn = function(x) return audio.fbank(x, { sample_rate = 8000, n_mels = 9 }) end },
    { name = "fbank of plain frames", golden = false, inputs = { { 2, 600 } }, fn = function(x)
      return audio.fbank(x, { sample_rate = 8000, n_mels = 9, remove_dc_offset = false, preemphasis = 0 })
    end },
    { name = "mel_db", fn = mel { form = "db", top_db = false }, inputs = { { 2, 600 } } },
  },
}
