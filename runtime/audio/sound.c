// sound: sound files in and out, through libsndfile (WAV, AIFF, FLAC, OGG, MP3 and what else it reads).
//
// Every file is taken as hostile: it must be a regular file with something in it, memory grows with
// what was decoded and not with what a header promises, a file that ends before its header says so is
// an error, and so is a sample that is not a number.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_SAMPLES ((int64_t)1 << 31)

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// ---- opening -----------------------------------------------------------------------------------
// libsndfile reads a cut RIFF file as if it had been meant so; the header knows better. Sizes of
// 0 and from 2^31 - 64 KiB on are what writers leave behind that could not seek.
static lt_status check_riff(const char *path, int64_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return LT_OK;  // sf_open reports it
    uint8_t head[12];
    int64_t at = 12;
    bool riff = pread(fd, head, 12, 0) == 12 && !memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WAVE", 4);
    uint32_t missing = 0;
    while (riff && at + 8 <= bytes && pread(fd, head, 8, at) == 8) {
        uint32_t size = little32(head + 4);
        if (!memcmp(head, "data", 4)) {
            if (size && size < 0x7fff0000u && at + 8 + (int64_t)size > bytes)
                missing = (uint32_t)(at + 8 + (int64_t)size - bytes);
            break;
        }
        at += 8 + (int64_t)size + (size & 1);
    }
    close(fd);
    LT_REQUIRE(!missing, LT_ERR_FORMAT,
               "%s: the file is cut off: %u bytes of the samples its header promises are missing", path,
               missing);
    return LT_OK;
}

static lt_status open_sound(SNDFILE **file, SF_INFO *info, const char *path)
{
    lt_file_info stat;
    LT_TRY(lt_file_stat(&stat, path));
    LT_REQUIRE(stat.kind != LT_FILE_NONE, LT_ERR_IO, "%s: there is no such file", path);
    LT_REQUIRE(stat.kind != LT_FILE_DIRECTORY, LT_ERR_IO, "%s: is a directory, not a sound file", path);
    LT_REQUIRE(stat.kind == LT_FILE_REGULAR, LT_ERR_IO, "%s: is not a regular file", path);
    LT_REQUIRE(stat.bytes > 0, LT_ERR_FORMAT, "%s: the file is empty (0 bytes)", path);
    LT_TRY(check_riff(path, stat.bytes));
    *info = (SF_INFO){0};
    *file = sf_open(path, SFM_READ, info);
    LT_REQUIRE(*file, LT_ERR_FORMAT, "%s: cannot be read as a sound file: %s", path, sf_strerror(NULL));
    const char *wrong = NULL;
    if (info->channels < 1 || info->channels > 1024) wrong = "channels";
    if (info->samplerate < 1 || info->samplerate > 100000000) wrong = "sample rate";
    if (info->frames < 0) wrong = "frames";
    if (wrong) {
        lt_status status = lt_fail(LT_ERR_FORMAT, "%s: impossible header: %d channels, %d Hz, %lld frames",
                                   path, info->channels, info->samplerate, (long long)info->frames);
        sf_close(*file);
        return status;
    }
    return LT_OK;
}

// Frames that can really be decoded are unknown to some formats; SF_COUNT_MAX stands for that.
static bool frames_known(const SF_INFO *info) { return info->frames < SF_COUNT_MAX; }

static void format_name(char *text, size_t size, int code)
{
    SF_FORMAT_INFO format = {.format = code};
    const char *name = sf_command(NULL, SFC_GET_FORMAT_INFO, &format, sizeof format) == 0 && format.name
                           ? format.name : "unknown";
    snprintf(text, size, "%s", name);
}

lt_status lt_sound_read_info(lt_sound_info *result, const char *path)
{
    SNDFILE *file;
    SF_INFO info;
    LT_TRY(open_sound(&file, &info, path));
    sf_close(file);
    LT_REQUIRE(info.frames > 0, LT_ERR_FORMAT, "%s: holds no samples", path);
    *result = (lt_sound_info){.rate = info.samplerate,
                              .channels = info.channels,
                              .frames = frames_known(&info) ? info.frames : -1};
    format_name(result->format, sizeof result->format, info.format & SF_FORMAT_TYPEMASK);
    format_name(result->encoding, sizeof result->encoding, info.format & SF_FORMAT_SUBMASK);
    return LT_OK;
}

// ---- reading -----------------------------------------------------------------------------------
// Interleaved samples, growing.
typedef struct samples {
    float *data;
    int64_t frames, capacity;
    int channels;
} samples;

static lt_status samples_reserve(samples *s, int64_t frames, const char *path)
{
    if (frames <= s->capacity) return LT_OK;
    LT_REQUIRE(frames <= MAX_SAMPLES / s->channels, LT_ERR_ARGUMENT,
               "%s: more than %lld samples; load a part of it with offset and frames", path,
               (long long)MAX_SAMPLES);
    float *data = lt_alloc(frames * s->channels * (int64_t)sizeof(float));
    LT_REQUIRE(data, LT_ERR_MEMORY, "%s: no memory for %lld frames of %d channels", path,
               (long long)frames, s->channels);
    if (s->frames) memcpy(data, s->data, sizeof(float) * (size_t)(s->frames * s->channels));
    lt_free(s->data);
    s->data = data;
    s->capacity = frames;
    return LT_OK;
}

// Reads up to `wanted` frames, or all of them (-1).
static lt_status read_frames(samples *s, SNDFILE *file, int64_t wanted, int64_t promised,
                             const char *path)
{
    enum { CHUNK = 1 << 16, TRUST = 1 << 22 };  // frames
    int64_t limit = wanted >= 0 ? wanted : MAX_SAMPLES;
    int64_t first = promised < TRUST ? promised : TRUST;
    LT_TRY(samples_reserve(s, first > 0 ? first : CHUNK, path));
    while (s->frames < limit) {
        if (s->frames == s->capacity) LT_TRY(samples_reserve(s, s->capacity * 2, path));
        int64_t room = s->capacity - s->frames, left = limit - s->frames;
        int64_t count = room < left ? room : left;
        sf_count_t got = sf_readf_float(file, s->data + s->frames * s->channels, count);
        if (got <= 0) break;
        s->frames += got;
    }
    int code = sf_error(file);
    LT_REQUIRE(code == SF_ERR_NO_ERROR || s->frames == limit, LT_ERR_FORMAT,
               "%s: cannot be decoded after frame %lld: %s", path, (long long)s->frames,
               sf_error_number(code));
    return LT_OK;
}

static lt_status seek_frames(SNDFILE *file, const SF_INFO *info, samples *s, int64_t offset,
                             const char *path)
{
    if (offset == 0) return LT_OK;
    if (info->seekable && sf_seek(file, offset, SF_SEEK_SET) == offset) return LT_OK;
    LT_REQUIRE(!info->seekable, LT_ERR_FORMAT, "%s: cannot be read from frame %lld on: %s", path,
               (long long)offset, sf_strerror(file));
    for (int64_t left = offset; left > 0;) {
        int64_t count = left < s->capacity ? left : s->capacity;
        sf_count_t got = sf_readf_float(file, s->data, count);
        LT_REQUIRE(got > 0, LT_ERR_FORMAT, "%s: offset %lld lies beyond the end", path,
                   (long long)offset);
        left -= got;
    }
    return LT_OK;
}

// Refuses NaN and Inf: written without float comparisons that -ffast-math could drop.
static lt_status check_samples(const samples *s, const char *path)
{
    const uint32_t *bits = (const uint32_t *)(const void *)s->data;
    int64_t n = s->frames * s->channels;
    for (int64_t i = 0; i < n; i++)
        LT_REQUIRE((bits[i] & 0x7f800000u) != 0x7f800000u, LT_ERR_FORMAT,
                   "%s: frame %lld of channel %lld is not a finite number", path,
                   (long long)(i / s->channels), (long long)(i % s->channels + 1));
    return LT_OK;
}

static lt_status to_tensor(lt_tensor *y, const samples *s, bool mono)
{
    int64_t shape[2] = {s->channels, s->frames};
    LT_TRY(mono ? lt_tensor_new(y, LT_F32, 1, shape + 1) : lt_tensor_new(y, LT_F32, 2, shape));
    float *out = lt_f32(y);
    int channels = s->channels;
    if (channels == 1) {
        memcpy(out, s->data, sizeof(float) * (size_t)s->frames);
        return LT_OK;
    }
    if (!mono) {
        for (int c = 0; c < channels; c++)
            for (int64_t i = 0; i < s->frames; i++)
                out[c * s->frames + i] = s->data[i * channels + c];
        return LT_OK;
    }
    for (int64_t i = 0; i < s->frames; i++) {
        double sum = 0;  // of floats it cannot overflow
        for (int c = 0; c < channels; c++) sum += s->data[i * channels + c];
        out[i] = (float)(sum / channels);
    }
    return LT_OK;
}

static lt_status load_open(lt_tensor *y, SNDFILE *file, const SF_INFO *info, samples *s,
                           const char *path, int64_t offset, int64_t frames, bool mono)
{
    int64_t total = frames_known(info) ? info->frames : -1;
    LT_REQUIRE(total != 0, LT_ERR_FORMAT, "%s: holds no samples", path);
    LT_REQUIRE(total < 0 || offset < total, LT_ERR_FORMAT,
               "%s: offset %lld lies beyond the end, there are %lld frames", path, (long long)offset,
               (long long)total);
    int64_t left = total < 0 ? -1 : total - offset;
    int64_t wanted = frames < 0 || (left >= 0 && left < frames) ? left : frames;
    LT_REQUIRE(wanted <= MAX_SAMPLES / s->channels, LT_ERR_FORMAT,
               "%s: %lld frames of %d channels are too many at once; load parts with offset and frames",
               path, (long long)wanted, s->channels);
    LT_TRY(samples_reserve(s, 4096, path));
    LT_TRY(seek_frames(file, info, s, offset, path));
    LT_TRY(read_frames(s, file, wanted, wanted, path));
    LT_REQUIRE(s->frames > 0, LT_ERR_FORMAT, "%s: no samples could be decoded", path);
    LT_REQUIRE(total < 0 || s->frames == wanted, LT_ERR_FORMAT,
               "%s: the file is cut off: it ends after frame %lld of %lld", path,
               (long long)(offset + s->frames), (long long)total);
    LT_TRY(check_samples(s, path));
    return to_tensor(y, s, mono);
}

lt_status lt_sound_load(lt_tensor *y, int32_t *rate, const char *path, int64_t offset, int64_t frames,
                        bool mono)
{
    LT_REQUIRE(offset >= 0 && frames != 0, LT_ERR_ARGUMENT,
               "%s: offset %lld and frames %lld; wanted 0 or more, and 1 or more", path,
               (long long)offset, (long long)frames);
    SNDFILE *file;
    SF_INFO info;
    LT_TRY(open_sound(&file, &info, path));
    samples s = {.channels = info.channels};
    lt_status status = load_open(y, file, &info, &s, path, offset, frames, mono);
    *rate = info.samplerate;
    sf_close(file);
    lt_free(s.data);
    return status;
}

// ---- writing -----------------------------------------------------------------------------------
// A file in memory for libsndfile's virtual input and output.
typedef struct memory_file {
    char *data;
    int64_t bytes, capacity, at;
    bool failed;
} memory_file;

static sf_count_t memory_length(void *user) { return ((memory_file *)user)->bytes; }
static sf_count_t memory_tell(void *user) { return ((memory_file *)user)->at; }

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
    memory_file *m = user;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->bytes;
    if (base + offset < 0) return -1;
    m->at = base + offset;
    return m->at;
}

static sf_count_t memory_read(void *to, sf_count_t count, void *user)
{
    memory_file *m = user;
    int64_t left = m->at < m->bytes ? m->bytes - m->at : 0;
    if (count > left) count = left;
    memcpy(to, m->data + m->at, (size_t)count);
    m->at += count;
    return count;
}

static sf_count_t memory_write(const void *from, sf_count_t count, void *user)
{
    memory_file *m = user;
    int64_t end = m->at + count;
    if (end > m->capacity) {
        int64_t capacity = end + end / 2 + 65536;
        char *data = realloc(m->data, (size_t)capacity);
        if (!data) {
            m->failed = true;
            return 0;
        }
        memset(data + m->capacity, 0, (size_t)(capacity - m->capacity));
        m->data = data;
        m->capacity = capacity;
    }
    memcpy(m->data + m->at, from, (size_t)count);
    m->at = end;
    if (end > m->bytes) m->bytes = end;
    return count;
}

static const struct { const char *name; int code; } containers[] = {
    {"wav", SF_FORMAT_WAV},   {"flac", SF_FORMAT_FLAC}, {"ogg", SF_FORMAT_OGG},
    {"aiff", SF_FORMAT_AIFF}, {"aif", SF_FORMAT_AIFF},  {"w64", SF_FORMAT_W64},
    {"rf64", SF_FORMAT_RF64}, {"caf", SF_FORMAT_CAF},
};
static const struct { const char *name; int code; } encodings[] = {
    {"pcm16", SF_FORMAT_PCM_16}, {"pcm24", SF_FORMAT_PCM_24},   {"pcm32", SF_FORMAT_PCM_32},
    {"float", SF_FORMAT_FLOAT},  {"vorbis", SF_FORMAT_VORBIS},
};

// The libsndfile format of a container name (NULL: by the path's extension) and an encoding name
// (NULL: the container's usual one).
static lt_status find_format(int *code, const char *path, const char *container, const char *encoding)
{
    const char *dot = strrchr(path, '.'), *name = container;
    if (!name) name = dot && !strchr(dot, '/') ? dot + 1 : "";
    *code = 0;
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++)
        if (!strcasecmp(name, containers[i].name)) *code = containers[i].code;
    LT_REQUIRE(*code, LT_ERR_ARGUMENT,
               "%s: cannot write format '%s'; there are wav, flac, ogg, aiff, w64, rf64 and caf", path,
               name);
    if (!encoding) {
        *code |= *code == SF_FORMAT_OGG ? SF_FORMAT_VORBIS : SF_FORMAT_PCM_16;
        return LT_OK;
    }
    int sub = 0;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if (!strcmp(encoding, encodings[i].name)) sub = encodings[i].code;
    LT_REQUIRE(sub, LT_ERR_ARGUMENT,
               "%s: unknown encoding '%s'; there are pcm16, pcm24, pcm32, float and vorbis", path,
               encoding);
    *code |= sub;
    return LT_OK;
}

static lt_status write_samples(SNDFILE *file, const lt_tensor *x, const char *path)
{
    enum { CHUNK = 4096 };  // frames; libsndfile's Vorbis writer wants them small
    int64_t channels = x->ndim == 2 ? x->shape[0] : 1, frames = x->shape[x->ndim - 1];
    int64_t channel_stride = x->ndim == 2 ? x->stride[0] : 0, stride = x->stride[x->ndim - 1];
    float *chunk = lt_alloc(CHUNK * channels * (int64_t)sizeof(float));
    LT_REQUIRE(chunk, LT_ERR_MEMORY, "%s: no memory for %lld channels", path, (long long)channels);
    lt_status status = LT_OK;
    for (int64_t at = 0; at < frames && status == LT_OK; at += CHUNK) {
        int64_t count = frames - at < CHUNK ? frames - at : CHUNK;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < count; i++)
                chunk[i * channels + c] = lt_f32(x)[c * channel_stride + (at + i) * stride];
        if (sf_writef_float(file, chunk, count) != count)
            status = lt_fail(LT_ERR_IO, "%s: cannot be encoded: %s", path, sf_strerror(file));
    }
    lt_free(chunk);
    return status;
}

static lt_status encode(memory_file *m, const lt_tensor *x, SF_INFO info, double quality,
                        const char *path)
{
    SF_VIRTUAL_IO io = {memory_length, memory_seek, memory_read, memory_write, memory_tell};
    char format[64], encoding[64];
    format_name(format, sizeof format, info.format & SF_FORMAT_TYPEMASK);
    format_name(encoding, sizeof encoding, info.format & SF_FORMAT_SUBMASK);
    LT_REQUIRE(sf_format_check(&info), LT_ERR_ARGUMENT,
               "%s: %s files cannot hold %d channels of %s at %d Hz", path, format, info.channels,
               encoding, info.samplerate);
    SNDFILE *file = sf_open_virtual(&io, SFM_WRITE, &info, m);
    LT_REQUIRE(file, LT_ERR_ARGUMENT, "%s: cannot be made: %s", path, sf_strerror(NULL));
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    if (quality >= 0) sf_command(file, SFC_SET_VBR_ENCODING_QUALITY, &quality, sizeof quality);
    lt_status status = write_samples(file, x, path);
    int closed = sf_close(file);
    if (status != LT_OK) return status;
    LT_REQUIRE(!m->failed, LT_ERR_MEMORY, "%s: no memory for the file's %lld bytes", path,
               (long long)m->bytes);
    LT_REQUIRE(closed == 0, LT_ERR_IO, "%s: cannot be encoded: %s", path, sf_error_number(closed));
    return LT_OK;
}

lt_status lt_sound_save(const char *path, const lt_tensor *x, int32_t rate, const char *container,
                        const char *encoding, double quality)
{
    LT_REQUIRE(lt_present(x), LT_ERR_ARGUMENT, "%s: the signal was released with its scope", path);
    LT_TRY(lt_check_dtype("sound_save", "x", x, LT_F32));
    LT_REQUIRE((x->ndim == 1 || x->ndim == 2) && lt_numel(x) > 0, LT_ERR_ARGUMENT,
               "%s: the signal is %s, it must be (T) or (C, T) with at least one sample", path,
               LT_SHAPE(x));
    int64_t channels = x->ndim == 2 ? x->shape[0] : 1;
    LT_REQUIRE(channels <= 1024 && rate >= 1, LT_ERR_ARGUMENT,
               "%s: %lld channels at %d Hz; wanted at most 1024 and at least 1 Hz", path,
               (long long)channels, rate);
    SF_INFO info = {.samplerate = rate, .channels = (int)channels};
    LT_TRY(find_format(&info.format, path, container, encoding));
    memory_file m = {0};
    lt_status status = encode(&m, x, info, quality, path);
    if (status == LT_OK) status = lt_file_write(path, m.data, m.bytes);
    free(m.data);
    return status;
}
