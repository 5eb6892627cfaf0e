local audio = lt.audio

local function stft(o)
  return function(x) return audio.stft(x, o) end
end

return {
  golden = "ops_spectral",
  cases = {
    { name = "stft", fn = stft { n_fft = 64, hop = 20, pad_mode = "reflect" }, inputs = { { 2, 150 } } },
    { name = "stft_zeros", fn = stft { n_fft = 64, hop = 20 }, inputs = { { 2, 150 } } },
    { name = "stft_short_window", fn = stft { n_fft = 80, hop = 20, win_length = 50,
      pad_mode = "reflect" }, inputs = { { 1, 150 } } },
    { name = "stft_odd", fn = stft { n_fft = 45, hop = 31, center = false }, inputs = { { 2, 150 } } },
    { name = "stft_bluestein", fn = stft { n_fft = 74, hop = 30, pad_mode = "reflect" },
      inputs = { { 2, 150 } } },
    { name = "stft_large", fn = stft { n_fft = 256, hop = 100, pad_mode = "reflect" },
      inputs = { { 1, 400 } } },
    { name = "istft", fn = function(x) return audio.istft(x, { hop = 20 }) end,
      inputs = { { 2, 33, 5, 2 } } },
    { name = "istft_length", fn = function(x) return audio.istft(x, { hop = 20, length = 350 }) end,
      inputs = { { 1, 33, 19, 2 } } },
    { name = "istft_odd", fn = function(x) return audio.istft(x, { n_fft = 45, hop = 9 }) end,
      inputs = { { 1, 23, 12, 2 } } },
  },
}
