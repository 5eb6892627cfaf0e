// luatrain/audio.h - spectral ops, resampling and audio files.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- spectral ----------------------------------------------------------------------------------
// Signals are (B, T), f32, contiguous along T. Spectra have frames in their last dimension (before
// re/im), 1 + n_fft / 2 bins, and any stride over bins and clips.
// How frames lie: frame t covers samples t hop .. t hop + n_fft, moved n_fft / 2 back with center;
// samples outside are zeros, or mirrored (reflect). The number of frames is
// 1 + (T + 2 (n_fft / 2) - n_fft) / hop with center, 1 + (T - n_fft) / hop without.
typedef struct lt_frames {
    int64_t n_fft, hop;
    bool center, reflect;
    double scale;  // spectra are multiplied by it
} lt_frames;
// What is taken of a power: multiplier * log(...) + offset of scale * power.
enum {
    LT_LOG_NONE = 0,
    LT_LOG_1P,   // log(1 + x)
    LT_LOG_MAX,  // log(max(x, floor))
    LT_LOG_ADD   // log(x + floor)
};
typedef struct lt_log {
    int32_t form;
    double scale, floor, multiplier, offset;
    double top;  // above 0: every clip is limited to its largest value minus top
} lt_log;
// y (B, bins, frames, 2): re and im. window: n_fft samples, NULL for ones.
lt_status lt_stft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                  const lt_frames *frames);
lt_status lt_stft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                           const lt_frames *frames);
// y (B, T) from x (B, bins, frames, 2): inverse transforms, windowed, overlapped, divided by the sum
// of squared windows. Any T: what lies beyond the frames is 0.
lt_status lt_istft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                   const lt_frames *frames);
lt_status lt_istft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                            const lt_frames *frames);
// y (B, bins, frames): |X|^power (power 1 or 2), then log.
lt_status lt_spectrogram(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                         const lt_frames *frames, const lt_log *log, int32_t power);
lt_status lt_spectrogram_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                                  const lt_tensor *window, const lt_frames *frames,
                                  const lt_log *log, int32_t power);
// y (B, rows, frames): a filter bank over |X|^power, then log. Row m of bands (rows, 3), i32, is
// first bin, number of bins, and where their weights begin in weights (n).
lt_status lt_log_mel(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                     const lt_tensor *bands, const lt_tensor *weights, const lt_frames *frames,
                     const lt_log *log, int32_t power);
lt_status lt_log_mel_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                              const lt_tensor *window, const lt_tensor *bands,
                              const lt_tensor *weights, const lt_frames *frames, const lt_log *log,
                              int32_t power);
// y (B, frames, rows), contiguous: Kaldi's log filter bank energies of x (B, T), computed in f64. Frames
// are as long as the window and hop apart, as many as fit; bands and weights as above.
typedef struct lt_fbank_options {
    int64_t n_fft, hop;     // frames are filled with zeros to n_fft samples
    double preemphasis;     // this share of the sample before is subtracted
    double floor;           // of the energies, above 0
    bool remove_dc_offset;  // subtract a frame's mean first
} lt_fbank_options;
lt_status lt_fbank(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                   const lt_tensor *bands, const lt_tensor *weights, const lt_fbank_options *o);
lt_status lt_fbank_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                            const lt_tensor *window, const lt_tensor *bands,
                            const lt_tensor *weights, const lt_fbank_options *o);
// y (B, rows, frames, 2), or (B, rows, frames) for the log of magnitudes: complex filters over
// spectra of rectangular frames. bands as above with complex weights (re, im, re, im, ...); y may hold
// fewer frames than x has.
lt_status lt_cqt_octave(lt_tensor *y, const lt_tensor *x, const lt_tensor *bands,
                        const lt_tensor *weights, const lt_frames *frames, const lt_log *log);
// A fresh resampling filter (phases, taps) for the ratio up / down, without common factors: a Kaiser-
// windowed sinc with a pass band up to `pass` and a stop band of `attenuation` dB (50 to 200) from
// `stop` on, both as shares of the lower of the two Nyquist frequencies.
lt_status lt_resample_filter(lt_tensor *filter, int64_t up, int64_t down, double pass, double stop,
                             double attenuation);
// y (B, ceil(T up / down)) from x (B, T), both contiguous.
lt_status lt_resample(lt_tensor *y, const lt_tensor *x, const lt_tensor *filter, int64_t up,
                      int64_t down);
lt_status lt_resample_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *filter,
                               int64_t up, int64_t down);

// ---- augmentation ------------------------------------------------------------------------------
// y (B, bins, ceil(frames / rate), 2) from spectra x (B, bins, frames, 2): `rate` times as fast, with
// interpolated magnitudes and phases that advance as they do in x.
lt_status lt_phase_vocoder(lt_tensor *y, const lt_tensor *x, double rate);
// y (B, T): what a room adds to x (B, T), without x itself. delays (B, 12), i32: samples of 8 combs, then of 4
// all-passes. gains (B, 8): of the combs' loops, 0 to 1; damping: of their low passes, 0 to 1.
lt_status lt_reverb(lt_tensor *y, const lt_tensor *x, const lt_tensor *delays, const lt_tensor *gains,
                    double damping);

// ---- audio files -------------------------------------------------------------------------------
// Errors name the file: LT_ERR_IO where it cannot be opened, LT_ERR_FORMAT where its content is not
// what it should be (empty, cut off, not a sound file, a sample that is not a number).
typedef struct lt_sound_info {
    int32_t rate;       // Hz
    int32_t channels;
    int64_t frames;     // samples of one channel; -1 where only decoding would tell
    char format[64];    // "WAV (Microsoft)"
    char encoding[64];  // "Signed 16 bit PCM"
} lt_sound_info;
lt_status lt_sound_read_info(lt_sound_info *info, const char *path);
// y: a fresh (C, T), or with mono the mean of the channels (T); samples of integer files lie between
// -1 and 1. offset: frames to pass over; frames: how many at most, -1 for all.
lt_status lt_sound_load(lt_tensor *y, int32_t *rate, const char *path, int64_t offset, int64_t frames,
                        bool mono);
// Writes x, (T) or (C, T), at once (see lt_file_write). container: wav flac ogg aiff w64 rf64 caf,
// NULL takes the extension; encoding: pcm16 (the usual), pcm24, pcm32, float, vorbis (the usual of
// ogg); quality between 0 and 1 for vorbis, -1 for its default. Integer samples are clipped.
lt_status lt_sound_save(const char *path, const lt_tensor *x, int32_t rate, const char *container,
                        const char *encoding, double quality);

// cdef end
