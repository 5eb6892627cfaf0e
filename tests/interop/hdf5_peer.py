"""h5py's side of tests/interop/hdf5_spec.lua.

    python tests/interop/hdf5_peer.py read FILE     checks what luatrain has written
    python tests/interop/hdf5_peer.py write FOLDER  writes random data sets, and their bytes beside them

Numeric data sets that luatrain writes count up in row-major order, modulo 100 (booleans: odd or even).
"""
import os
import sys

import h5py
import numpy as np


def read(path):
    count = 0

    def look(name, item):
        nonlocal count
        if not isinstance(item, h5py.Dataset) or name.startswith("strings"):
            return
        want = np.arange(item.size).reshape(item.shape) % 100
        want = want % 2 == 1 if item.dtype == bool else want.astype(item.dtype)
        assert (item[...] == want).all(), name
        layout = name.split("/")[0]
        assert (item.compression == "gzip") == ("gzip" in layout), (name, item.compression)
        assert item.shuffle == ("shuffle" in layout), name
        assert item.fletcher32 == ("sum" in layout), name
        count += 1

    with h5py.File(path) as f:
        f.visititems(look)
        assert [s.decode() for s in f["strings"]] == ["a", "", "für"]
        attributes = dict(f.attrs)
        assert attributes["rate"] == 44100 and attributes["rate"].dtype == np.int64
        assert attributes["ratio"] == 0.5 and attributes["on"] is np.True_
        assert attributes["text"] == "für" and list(attributes["texts"]) == ["a", "", "für"]
        assert list(attributes["numbers"]) == [1, 2.5] and list(attributes["flags"]) == [True, False]
        assert len(attributes["many"]) == 9000
        assert f["gzip/f32"].attrs["unit"] == "Hz"
    print(f"{count} data sets")


def write(folder):
    rng = np.random.default_rng()
    for k in range(12):
        version = ["earliest", "v108", "v110"][k % 3]
        with h5py.File(os.path.join(folder, f"{k}.h5"), "w", libver=(version, "v110")) as f:
            shape = tuple(int(n) for n in rng.integers(1, 30, rng.integers(1, 5)))
            chunk = tuple(int(rng.integers(1, n + 1)) for n in shape)
            dtype = rng.choice(["f4", "f8", "i8", "i4", "u1", ">f4", ">i4"])
            x = rng.integers(0, 100, shape).astype(dtype)
            if k % 4 == 0:
                f["x"] = x
            else:
                f.create_dataset("x", data=x, chunks=chunk, compression="gzip" if k % 4 > 1 else None,
                                 shuffle=bool(k % 2), fletcher32=bool(k % 5 == 0))
            x.astype(x.dtype.newbyteorder("<")).tofile(os.path.join(folder, f"{k}.raw"))


{"read": read, "write": write}[sys.argv[1]](sys.argv[2])
