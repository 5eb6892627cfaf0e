"""The best value Optuna's samplers find on the functions of sweep_samplers.lua, for a number of seeds.

python sweep_samplers_peer.py FUNCTIONS SAMPLERS TRIALS SEEDS   (names separated by commas)
prints {"version": ..., function: {sampler: [best value for each seed]}} as JSON.
"""
import json
import math
import sys
import warnings

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")


def point(trial, n, low, high):
    return [trial.suggest_float(f"x{i + 1}", low, high) for i in range(n)]


def sphere(n):
    return lambda trial: sum((x - 1) ** 2 for x in point(trial, n, -5, 5))


def rosenbrock(n):
    def f(trial):
        x = point(trial, n, -2, 2)
        return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(n - 1))

    return f


def branin(trial):
    x, y = trial.suggest_float("x1", -5, 10), trial.suggest_float("x2", 0, 15)
    pi = math.pi
    return (y - 5.1 / (4 * pi**2) * x**2 + 5 / pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * math.cos(x) + 10


A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]


def hartmann6(trial):
    x = point(trial, 6, 0, 1)
    return -sum(alpha * math.exp(-sum(a[j] * (x[j] - p[j] / 10000) ** 2 for j in range(6)))
                for alpha, a, p in zip([1, 1.2, 3, 3.2], A, P))


def ackley5(trial):
    x = point(trial, 5, -32.768, 32.768)
    squares, cosines = sum(v * v for v in x) / 5, sum(math.cos(2 * math.pi * v) for v in x) / 5
    return 20 + math.e - 20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(cosines)


def mixed(trial):
    loss = (math.log10(trial.suggest_float("lr", 1e-5, 1, log=True)) + 3) ** 2
    loss += 0.5 * (trial.suggest_int("layers", 1, 6) - 3) ** 2
    loss += 0.2 * (math.log(trial.suggest_int("width", 4, 512, log=True)) - 4) ** 2
    loss += 4 * (trial.suggest_float("dropout", 0, 0.5, step=0.1) - 0.2) ** 2
    loss += {"relu": 0.3, "gelu": 0, "tanh": 0.8}[trial.suggest_categorical("act", ["relu", "gelu", "tanh"])]
    if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
        return loss + 10 * (trial.suggest_float("momentum", 0, 0.99) - 0.9) ** 2
    return loss + 0.1 + abs(math.log10(1 - trial.suggest_float("beta", 0.5, 0.9999)) + 2)


FUNCTIONS = {"sphere3": sphere(3), "sphere10": sphere(10), "rosenbrock2": rosenbrock(2),
             "rosenbrock5": rosenbrock(5), "branin": branin, "hartmann6": hartmann6, "ackley5": ackley5,
             "mixed": mixed}
SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False),
    "tpe_multivariate": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
}


def best(function, sampler, trials, seed):
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed), pruner=optuna.pruners.NopPruner())
    study.optimize(FUNCTIONS[function], n_trials=trials)
    return study.best_value


functions, samplers, trials, seeds = sys.argv[1].split(","), sys.argv[2].split(","), *map(int, sys.argv[3:])
result = {f: {s: [best(f, s, trials, seed) for seed in range(1, seeds + 1)] for s in samplers} for f in functions}
result["version"] = optuna.__version__
print(json.dumps(result))
