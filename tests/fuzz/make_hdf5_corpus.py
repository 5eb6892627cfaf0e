"""Writes the seeds of hdf5_fuzz.c: object headers with their chunk indices, and stored chunks.

    python tests/fuzz/make_hdf5_corpus.py
"""
import os
import struct
import zlib

import h5py
import numpy as np

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "hdf5")
os.makedirs(here, exist_ok=True)


def save(name, choice, filters, data):
    with open(os.path.join(here, name), "wb") as f:
        f.write(bytes([choice, filters]) + data)


def fletcher32(data):
    a = b = 0
    for i in range(0, len(data), 2):
        a = (a + (data[i] << 8) + (data[i + 1] if i + 1 < len(data) else 0)) % 65535
        b = (b + a) % 65535
    return struct.pack("<I", b << 16 | a)


for version in ("earliest", "v108"):
    for ndim in (1, 2, 3):
        for packed in (False, True):
            path = os.path.join(here, "seed.h5")
            shape = (23, 6, 6)[:ndim]
            with h5py.File(path, "w", libver=(version, "v110")) as f:
                x = f.create_dataset("x", data=np.arange(np.prod(shape), dtype="f4").reshape(shape),
                                     chunks=(4,) * ndim, compression="gzip" if packed else None)
                header = h5py.h5o.get_info(x.id).addr
            with open(path, "rb") as f:
                data = f.read()
            os.remove(path)
            # The address of the object header stands in the first bytes, where the signature was.
            choice = (ndim - 1) | 2 << 2 | packed << 4
            save(f"index_{version}_{ndim}_{int(packed)}", choice, 0, struct.pack("<Q", header) + data[8:])

chunk = np.arange(4, dtype="f4").tobytes()
planes = np.frombuffer(chunk, "u1").reshape(4, 4).T.tobytes()
one = 2 << 2
save("chunk_gzip", one, 1 | 1 << 2, zlib.compress(chunk))
save("chunk_shuffle", one, 1, planes)
save("chunk_sum", one, 1 | 2 << 2, chunk + fletcher32(chunk))
save("chunk_shuffle_gzip", one, 2 | 0 << 2 | 1 << 3, zlib.compress(planes))
save("chunk_masked", one, 1 | 1 << 2 | 1 << 6, chunk)
save("chunk_too_long", one, 1 | 1 << 2, zlib.compress(chunk * 9))
save("chunk_cut", one, 1 | 1 << 2, zlib.compress(chunk)[:-3])
