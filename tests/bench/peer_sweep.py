"""The peer of sweep.lua: Optuna with PyTorch, the same small network, two processes at a time over one SQLite
file; each trial in a process of its own (sweep_small), or two processes that run all (sweep_small_workers)."""
import os
import subprocess
import sys
import tempfile
import time

import timing

TRIALS = {"each": 10, "workers": 60}


def objective(trial):
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.set_num_threads(1)
    torch.manual_seed(1)
    width = trial.suggest_int("width", 64, 256)
    model = nn.Sequential(nn.Linear(128, width), nn.ReLU(), nn.Linear(width, 128), nn.ReLU(),
                          nn.Linear(128, 64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=trial.suggest_float("lr", 1e-4, 1e-2, log=True),
                                  fused=True)
    x, target = torch.randn(64, 128), torch.randint(0, 64, (64,))
    for _ in range(200):
        loss = F.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def study_of(path):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(study_name="small", storage="sqlite:///" + path, load_if_exists=True,
                               sampler=optuna.samplers.RandomSampler())


def run(path, count):
    study_of(path).optimize(objective, n_trials=count)


def measure(kind):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "study.db")
        study_of(path)
        count = TRIALS[kind]
        each = 1 if kind == "each" else count // 2
        start, running, begun = time.perf_counter(), [], 0
        while begun < count or running:
            running = [p for p in running if p.poll() is None]
            while begun < count and len(running) < 2:
                running.append(subprocess.Popen([sys.executable, __file__, path, str(each)]))
                begun += each
            time.sleep(0.002)
        return (time.perf_counter() - start) / count


if len(sys.argv) > 2:
    run(sys.argv[1], int(sys.argv[2]))
else:
    import optuna
    import torch
    note = f"optuna_{optuna.__version__}_torch_{torch.__version__}"
    timing.result("sweep_small", measure("each"), note)
    timing.result("sweep_small_workers", measure("workers"), note)
