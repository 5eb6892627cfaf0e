"""Whether two safetensors files hold the same tensors, by safetensors' own reader: prints {"equal": true}."""
import json
import sys

import torch
from safetensors.torch import load_file

a, b = load_file(sys.argv[1]), load_file(sys.argv[2])
equal = a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)
print(json.dumps({"equal": bool(equal)}))
