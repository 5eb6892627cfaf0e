"""Goldens of tests/optim/optim_spec.lua and schedule_spec.lua: ten steps of each optimizer of
PyTorch on fixed gradients, and the rates of its schedulers."""
import json
import os

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
here = os.path.dirname(os.path.abspath(__file__))
out = {"p1": torch.randn(3, 4), "p2": torch.randn(5)}
for t in range(10):
    for i in (1, 2):
        out[f"g{i}.{t + 1}"] = torch.randn_like(out[f"p{i}"])

runs = {
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_decay": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.05)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "sgd_maximize": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, maximize=True, weight_decay=0.05)),
    "adam": (torch.optim.Adam, dict(lr=0.05)),
    "adam_decay": (torch.optim.Adam, dict(lr=0.05, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    "adam_amsgrad": (torch.optim.Adam, dict(lr=0.05, amsgrad=True)),
    "adamw": (torch.optim.AdamW, dict(lr=0.05)),
    "adamw_amsgrad": (torch.optim.AdamW, dict(lr=0.05, weight_decay=0.2, amsgrad=True, maximize=True)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.05)),
    "rmsprop_all": (torch.optim.RMSprop, dict(lr=0.05, alpha=0.9, momentum=0.9, centered=True,
                                              weight_decay=0.1)),
    "rmsprop_momentum": (torch.optim.RMSprop, dict(lr=0.05, momentum=0.5)),
}
for name, (cls, options) in runs.items():
    ps = [out["p1"].clone().requires_grad_(), out["p2"].clone().requires_grad_()]
    opt = cls(ps, **options)
    for t in range(10):
        for i, p in enumerate(ps):
            p.grad = out[f"g{i + 1}.{t + 1}"].clone()
        opt.step()
        if t in (0, 9):
            for i, p in enumerate(ps):
                out[f"{name}.{t + 1}.p{i + 1}"] = p.detach().clone()

ps = [out["p1"].clone().requires_grad_(), out["p2"].clone().requires_grad_()]
for kind, norm_type, limit in (("two", 2.0, 1.5), ("inf", float("inf"), 0.5), ("below", 2.0, 100.0)):
    for i, p in enumerate(ps):
        p.grad = out[f"g{i + 1}.1"].clone()
    out[f"clip_{kind}.norm"] = torch.nn.utils.clip_grad_norm_(ps, limit, norm_type).reshape(1)
    for i, p in enumerate(ps):
        out[f"clip_{kind}.g{i + 1}"] = p.grad.clone()
save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(here, "optim.safetensors"))

rates = {}


def record(name, make, steps, lr=0.1, optimizer=torch.optim.SGD, metric=None, **options):
    p = torch.zeros(1, requires_grad=True)
    opt = optimizer([p], lr=lr, **options)
    sched = make(opt)
    lrs, moms = [], []
    for n in range(steps):
        g = opt.param_groups[0]
        lrs.append(g["lr"])
        moms.append(g["betas"][0] if "betas" in g else g.get("momentum", 0))
        opt.step()
        sched.step(metric[n]) if metric else sched.step()
    rates[name] = {"lr": lrs, "momentum": moms}


S = torch.optim.lr_scheduler
record("cosine", lambda o: S.CosineAnnealingLR(o, 10, 0.01), 10)
record("linear", lambda o: S.LinearLR(o, 1.0, 0.1, 8), 10)
record("step", lambda o: S.StepLR(o, 3, 0.5), 10)
record("exponential", lambda o: S.ExponentialLR(o, 0.9), 10)
record("constant", lambda o: S.LambdaLR(o, lambda t: 1), 3)
for three in (False, True):
    for anneal in ("cos", "linear"):
        record(f"one_cycle_{anneal}_{3 if three else 2}", lambda o: S.OneCycleLR(
            o, 0.5, 20, anneal_strategy=anneal, three_phase=three), 20, optimizer=torch.optim.AdamW)
record("one_cycle_sgd", lambda o: S.OneCycleLR(o, 0.5, 12, pct_start=0.5, div_factor=10,
                                               final_div_factor=100), 12, momentum=0.9)
metric = [5, 4, 4.5, 4.2, 4.1, 4.05, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 2, 2, 2, 2, 2]
rates["metric"] = metric
record("plateau", lambda o: S.ReduceLROnPlateau(o, patience=2, factor=0.5), 21, metric=metric)
record("plateau_all", lambda o: S.ReduceLROnPlateau(
    o, mode="max", patience=1, factor=0.3, threshold=0.01, threshold_mode="abs", cooldown=2,
    min_lr=0.005), 21, metric=metric)
with open(os.path.join(here, "schedule.json"), "w") as f:
    json.dump(rates, f, indent=1)
