"""The peers of hdf5.lua, which makes their files: raw pread, and h5py in a PyTorch DataLoader.

    python tests/bench/peer_hdf5.py

Raw pread: a C loop over the rows' places in the file, in a random order, into the buffer of a batch of
32; by one thread, and by two that share the batches. h5py: batches of 32 by four worker processes that
read a sound, and torchaudio's log-mel of it; a few batches only, for it takes seconds for each.
"""
import ctypes
import os
import subprocess
import tempfile
import threading
import time

import numpy as np
import timing

MELS, AUDIO, BATCH, ROW = "build/bench-data/mels.h5", "build/bench-data/audio.h5", 32, 128 * 173 * 4
SOURCE = """
#define _GNU_SOURCE
#include <unistd.h>
int read_batch(int fd, char *buffer, long bytes, const long *places, long n)
{
    for (long i = 0; i < n; i++)
        if (pread(fd, buffer + i * bytes, bytes, places[i]) != bytes) return 1;
    return 0;
}
"""


def compiled():
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "raw.c"), "w") as f:
        f.write(SOURCE)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder + "/raw.so", folder + "/raw.c"], check=True)
    return ctypes.CDLL(folder + "/raw.so").read_batch


def places():
    import h5py
    with h5py.File(MELS) as f:
        data = f["features/mel_spectrogram"]
        found = np.empty(data.shape[0], np.int64)
        data.id.chunk_iter(lambda chunk: found.__setitem__(chunk.chunk_offset[0], chunk.byte_offset))
    return found


def raw(read_batch, threads):
    fd, where = os.open(MELS, os.O_RDONLY), places()
    rng = np.random.default_rng(1)

    def work(batches):
        buffer = ctypes.create_string_buffer(BATCH * ROW)
        for batch in batches:
            if read_batch(fd, buffer, ctypes.c_long(ROW), batch.ctypes.data_as(ctypes.c_void_p), len(batch)):
                raise OSError("pread")

    times = []
    for _ in range(16):
        order = where[rng.permutation(len(where))]
        batches = [np.ascontiguousarray(order[i:i + BATCH]) for i in range(0, len(order), BATCH)]
        start = time.perf_counter()
        workers = [threading.Thread(target=work, args=(batches[k::threads],)) for k in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        times.append((time.perf_counter() - start) * 1000 / len(where))
    return min(times[1:])


def h5py_loader(batches):
    import h5py
    import torch
    # torchaudio refuses to load beside a torch built for another CUDA, which the CPU path never uses.
    cuda, torch.version.cuda = torch.version.cuda, None
    import torchaudio
    torch.version.cuda = cuda

    class Sounds(torch.utils.data.Dataset):
        def __init__(self):
            with h5py.File(AUDIO) as f:
                self.count = f["audio"].shape[0]
            self.file = None
            self.mel = torchaudio.transforms.MelSpectrogram(
                sample_rate=44100, n_fft=2048, hop_length=512, n_mels=128, mel_scale="slaney", norm="slaney")

        def __len__(self):
            return self.count

        def __getitem__(self, i):
            if self.file is None:
                torch.set_num_threads(1)
                self.file = h5py.File(AUDIO)
            return torch.log1p(self.mel(torch.from_numpy(self.file["audio"][i])))

    loader = torch.utils.data.DataLoader(Sounds(), batch_size=BATCH, shuffle=True, num_workers=4,
                                         persistent_workers=True)
    steps = iter(loader)
    next(steps)  # starting the workers is not counted
    start = time.perf_counter()
    for _ in range(batches):
        next(steps)
    return (time.perf_counter() - start) * 1000 / (batches * BATCH)


if __name__ == "__main__":
    read = compiled()
    timing.result("hdf5_mels", raw(read, 1), "raw pread")
    timing.result("hdf5_mels_two", raw(read, 2), "raw pread")
    timing.result("hdf5_audio", h5py_loader(4), "h5py and DataLoader")
    os._exit(0)  # batches that nobody waits for are still being read
