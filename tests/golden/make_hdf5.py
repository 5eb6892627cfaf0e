"""Writes the HDF5 files of tests/data/hdf5_spec.lua with h5py.

    python tests/golden/make_hdf5.py

Every numeric data set counts up in row-major order (from 0, by 1), so that the test knows what it
should read. The three files differ in the version of the file format: earliest, 1.8 and 1.10.
"""
import os

import h5py
import numpy as np

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hdf5")
os.makedirs(here, exist_ok=True)
shape = (23, 5, 9)
x = np.arange(np.prod(shape), dtype="f4").reshape(shape)

for version in ("earliest", "v108", "v110"):
    with h5py.File(os.path.join(here, version + ".h5"), "w", libver=(version, "v110")) as f:
        f["plain"] = x
        f.create_dataset("gzip", data=x, chunks=(4, 5, 9), compression="gzip")
        f.create_dataset("all", data=x, chunks=(4, 5, 9), compression="gzip", shuffle=True,
                         fletcher32=True)
        f.create_dataset("pieces", data=x, chunks=(4, 3, 2), compression="gzip", shuffle=True)
        f.create_dataset("rows", data=x, chunks=(1, 5, 9))
        f.create_dataset("blocks", data=x, chunks=(5, 2, 9))
        f.create_dataset("checked", data=x, chunks=(5, 5, 9), fletcher32=True)
        f.create_dataset("growing", data=x, chunks=(4, 5, 9), maxshape=(None, 5, 9))
        f.create_dataset("scaled", data=x.astype("i4"), chunks=(4, 5, 9), scaleoffset=0)
        holes = f.create_dataset("holes", (12, 3), dtype="f4", chunks=(4, 3), fillvalue=2.5)
        holes[5] = 1
        f.create_dataset("never", (4, 2), dtype="f4", fillvalue=7)
        f["types/f64"] = np.arange(6, dtype="f8")
        f["types/f16"] = np.arange(6, dtype="f2")
        f["types/big"] = np.arange(6, dtype=">f4")
        for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4"):
            f["types/" + name] = np.arange(6, dtype=name)
        f["types/bool"] = np.arange(6) % 2 == 1
        f["types/scalar"] = 3.5
        f["types/compound"] = np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])
        f["strings/variable"] = ["one", "", "drei", "für"]
        f["strings/fixed"] = np.array([b"ab", b"c", b"", b"defg"])
        f.create_dataset("bad/lzf", data=x, chunks=(4, 5, 9), compression="lzf")
        f["bad/external_link"] = h5py.ExternalLink("earliest.h5", "/plain")
        f["bad/soft_to_link"] = h5py.SoftLink("/bad/external_link")
        f["soft"] = h5py.SoftLink("/plain")
        layout = h5py.VirtualLayout(shape=(23, 5, 9), dtype="f4")
        layout[:] = h5py.VirtualSource("earliest.h5", "plain", shape=shape)
        f.create_virtual_dataset("bad/virtual", layout)
        f.create_dataset("bad/external_storage", (4,), dtype="f4", external=[("/dev/zero", 0, 16)])
        f.attrs.update({"sample_rate": 44100, "names": ["cutoff", "für"], "ranges": np.array([0.5, 2]),
                        "flag": True, "text": "{\"a\": 1}", "empty": np.array([], dtype="f8"),
                        "bytes": np.bytes_(b"old")})
        f["plain"].attrs["unit"] = "s"
