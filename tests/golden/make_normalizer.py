"""Goldens of tests/data/normalizer_spec.lua: scikit-learn's StandardScaler and MinMaxScaler, in doubles."""
import os

import numpy as np
from safetensors.numpy import save_file
from sklearn.preprocessing import MinMaxScaler, StandardScaler

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
x = rng.standard_normal((200, 7)).astype(np.float32)
x[:, 1] = 1e6 + x[:, 1]          # a mean far above the spread
x[:, 2] *= 1e-8
x[:, 3] = 0.1                    # constant
x[:, 4] = 0
x[:, 5] = (x[:, 5] > 0) * 127
x[:, 6] = 1e-3 * x[:, 6] - 5
new = x[:5] + 1
out = {"x": x, "new": new}
for name, scaler in (("standard", StandardScaler()), ("minmax", MinMaxScaler((-1, 2)))):
    scaler.fit(x.astype(np.float64))
    y = scaler.transform(new.astype(np.float64))
    out[name] = y
    out[name + "_inverse"] = scaler.inverse_transform(y)
    for field in ("mean_", "var_", "scale_", "data_min_", "data_max_"):
        if hasattr(scaler, field):
            out[f"{name}.{field}"] = np.asarray(getattr(scaler, field))
save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, os.path.join(here, "normalizer.safetensors"))
