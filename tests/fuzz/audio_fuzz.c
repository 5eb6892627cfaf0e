// audio_fuzz: sound files with any content must be loaded or refused, never worse.
#include "core/internal.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void load(const char *path, int64_t offset, int64_t frames, bool mono)
{
    lt_tensor y = {0};
    int32_t rate = 0;
    if (lt_sound_load(&y, &rate, path, offset, frames, mono) != LT_OK) {
        if (!lt_error()[0]) abort();  // a refusal says why
        return;
    }
    int64_t limit = frames < 0 ? INT64_MAX : frames;
    if (rate < 1 || y.shape[y.ndim - 1] < 1 || y.shape[y.ndim - 1] > limit) abort();
    const float *x = lt_f32(&y);
    for (int64_t i = 0; i < lt_numel(&y); i++)
        if (!isfinite(x[i])) abort();
    lt_tensor_release(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("sound", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lt_memory_limit((int64_t)1 << 30);
    lt_sound_info info;
    if (lt_sound_read_info(&info, path) == LT_OK && (info.rate < 1 || info.channels < 1)) abort();
    load(path, 0, -1, true);
    load(path, 7, 100, false);
    close(fd);
    return 0;
}
