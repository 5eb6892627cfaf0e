"""What Optuna, cmaes and SciPy decide and compute, for tests/sweep: writes tests/golden/sweep.json.

Run with Python packages optuna (5.0), cmaes, scipy:  python tests/golden/make_sweep.py
Curves and observations are drawn here; only the decisions and numbers of the other libraries are kept.
"""
import json
import math
import os
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import (HyperbandPruner, MedianPruner, NopPruner, PatientPruner, PercentilePruner,
                            SuccessiveHalvingPruner, ThresholdPruner)
from optuna.samplers._tpe import parzen_estimator
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")
rng = np.random.RandomState(5)


# ---- pruners -----------------------------------------------------------------------------------------


def curves(n, length):
    """Learning curves: {steps, values, fails}; values repeat now and then, a few are NaN (None)."""
    result = []
    for i in range(n):
        end, rate, start = rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.5), rng.uniform(0.7, 1.2)
        every = [1, 1, 1, 1, 3, 5][rng.randint(6)]
        steps = list(range(1, length + 1, every))
        values = [round(end + (start - end) * math.exp(-rate * s) + 0.02 * rng.randn(), 2) for s in steps]
        values = [None if rng.rand() < 0.01 else v for v in values]
        result.append({"steps": steps, "values": values, "fails": i % 13 == 7})
    return result


def number(v):
    return float("nan") if v is None else v


def stops(pruner, recorded, direction, workers):
    """Plays the curves with `workers` trials at a time, each making one report in turn. Returns for each
    trial the step at which it was stopped, 0 where it was not."""
    study = optuna.create_study(study_name="recorded", direction=direction, pruner=pruner,
                                sampler=optuna.samplers.RandomSampler(seed=1))
    result, slots, begun = [0] * len(recorded), [None] * workers, 0
    while begun < len(recorded) or any(slots):
        for w in range(workers):
            if slots[w] is None:
                if begun == len(recorded):
                    continue
                slots[w], begun = [study.ask(), 0], begun + 1
            trial, at = slots[w]
            curve = recorded[trial.number]
            step, value = curve["steps"][at], number(curve["values"][at])
            trial.report(value, step)
            slots[w][1] += 1
            if trial.should_prune():
                result[trial.number] = step
                study.tell(trial, state=TrialState.PRUNED)
            elif curve["fails"] and at == len(curve["steps"]) // 2 or at + 1 == len(curve["steps"]) and value != value:
                study.tell(trial, state=TrialState.FAIL)
            elif at + 1 == len(curve["steps"]):
                study.tell(trial, value)
            else:
                continue
            slots[w] = None
    return result


def pruners():
    recorded = curves(80, 30)
    kinds = [
        ({"name": "none"}, lambda: NopPruner()),
        ({"name": "median"}, lambda: MedianPruner()),
        ({"name": "median", "startup": 2, "warmup": 4, "interval": 3, "least": 3},
         lambda: MedianPruner(2, 4, 3, n_min_trials=3)),
        ({"name": "percentile", "percentile": 25}, lambda: PercentilePruner(25)),
        ({"name": "percentile", "percentile": 80, "startup": 1}, lambda: PercentilePruner(80, 1)),
        ({"name": "patient", "patience": 2}, lambda: PatientPruner(None, 2)),
        ({"name": "patient", "patience": 1, "min_delta": 0.01, "pruner": "median"},
         lambda: PatientPruner(MedianPruner(), 1, 0.01)),
        ({"name": "threshold", "upper": 0.9, "lower": 0.1, "warmup": 3, "interval": 2},
         lambda: ThresholdPruner(0.1, 0.9, 3, 2)),
        ({"name": "asha"}, lambda: SuccessiveHalvingPruner()),
        ({"name": "asha", "eta": 2, "resource": 1}, lambda: SuccessiveHalvingPruner(1, 2)),
        ({"name": "asha", "eta": 3, "resource": 1, "rate": 1}, lambda: SuccessiveHalvingPruner(1, 3, 1)),
        ({"name": "asha", "eta": 2, "resource": 2, "bootstrap": 2},
         lambda: SuccessiveHalvingPruner(2, 2, 0, 2)),
        ({"name": "hyperband", "study": "recorded"}, lambda: HyperbandPruner()),
        ({"name": "hyperband", "study": "recorded", "most": 27}, lambda: HyperbandPruner(1, 27)),
        ({"name": "hyperband", "study": "recorded", "least": 2, "most": 32, "eta": 2},
         lambda: HyperbandPruner(2, 32, 2)),
    ]
    runs = []
    for said, make in kinds:
        for direction in ("minimize", "maximize"):
            for workers in (1, 4):
                runs.append({"pruner": said, "direction": direction, "workers": workers,
                             "stops": stops(make(), recorded, direction, workers)})
    return {"curves": recorded, "runs": runs}


# ---- TPE: logarithms of the ratio of the two densities -------------------------------------------------


class StableNumpy:
    """NumPy whose argsort keeps equal observations in their order, which its default sort leaves open."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def argsort(x):
        return np.argsort(x, kind="stable")


parzen_estimator.np = StableNumpy()


def densities():
    space = {"a": FloatDistribution(-2, 3), "b": FloatDistribution(1e-4, 1, log=True),
             "c": IntDistribution(1, 9), "d": IntDistribution(1, 200, log=True),
             "e": FloatDistribution(0, 1, step=0.25), "f": CategoricalDistribution(["x", "y", "z"])}

    def draw(n):
        # Some values come twice, and some lie at the ends.
        values = {"a": rng.uniform(-2, 3, n), "b": np.exp(rng.uniform(math.log(1e-4), 0, n)),
                  "c": rng.randint(1, 10, n), "d": np.round(np.exp(rng.uniform(0, math.log(200), n))),
                  "e": rng.randint(0, 5, n) * 0.25, "f": rng.randint(0, 3, n)}
        values["a"][: n // 4] = np.round(values["a"][: n // 4])
        return {k: np.asarray(v, dtype=float) for k, v in values.items()}

    result = []
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    for names in (["a"], ["b"], ["c"], ["d"], ["e"], ["f"], list("abcdef")):
        sub = {name: space[name] for name in names}
        for below, above in ((1, 9), (0, 1), (4, 31), (12, 108)):
            sets = [{k: v for k, v in draw(n).items() if k in names} for n in (below, above)]
            points = {k: v for k, v in draw(12).items() if k in names}
            low, high = (_ParzenEstimator(s, sub, parameters).log_pdf(points) for s in sets)
            result.append({"names": names, "below": {k: v.tolist() for k, v in sets[0].items()},
                           "above": {k: v.tolist() for k, v in sets[1].items()},
                           "points": {k: v.tolist() for k, v in points.items()}, "score": (low - high).tolist()})
    return result


# ---- CMA-ES: the state after generations that were given ---------------------------------------------


def strategies():
    import cmaes

    result = []
    for n in (1, 2, 5):
        optimizer = cmaes.CMA(mean=np.full(n, 0.5), sigma=1 / 6, bounds=np.array([[0.0, 1.0]] * n), seed=1)
        generations, states = [], []
        for _ in range(6):
            x = np.round(np.clip(optimizer.mean + 0.2 * rng.randn(optimizer.population_size, n), 0, 1), 6)
            y = [float(round(((row - 0.3) ** 2 * np.arange(1, n + 1)).sum(), 9)) for row in x]
            generations.append([{"x": row.tolist(), "value": v} for row, v in zip(x, y)])
            optimizer.tell([(row, v) for row, v in zip(x, y)])
            states.append({"mean": optimizer._mean.tolist(), "sigma": optimizer._sigma,
                           "covariance": optimizer._C.tolist()})
        result.append({"n": n, "generations": generations, "states": states})
    return result


# ---- importance ----------------------------------------------------------------------------------------


def importance():
    result = []
    for direction in ("minimize", "maximize"):
        study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=3))

        def objective(trial):
            a, b = trial.suggest_float("a", -2, 2), trial.suggest_float("b", 1e-3, 1, log=True)
            c = trial.suggest_int("c", 1, 6)
            d = trial.suggest_int("d", 1, 500, log=True)
            e = trial.suggest_float("e", 0, 1, step=0.1)
            f = trial.suggest_categorical("f", ["x", "y", "z"])
            return (a - 1) ** 2 + 0.3 * abs(math.log10(b) + 2) + 0.02 * c + 0.01 * d / 500 + 0.1 * e \
                + {"x": 0, "y": 0.5, "z": 0.4}[f]

        study.optimize(objective, n_trials=150)
        trials = [{"params": t.params, "value": t.value} for t in study.trials]
        cases = []
        for options in ({}, {"target": 0.3}, {"target": 0.2, "region": 0.6}, {"local": False}):
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(
                target_quantile=options.get("target", 0.1), region_quantile=options.get("region", 1.0),
                evaluate_on_local=options.get("local", True))
            cases.append({"options": options,
                          "importance": optuna.importance.get_param_importances(study, evaluator=evaluator)})
        result.append({"direction": direction, "trials": trials, "cases": cases})
    return result


# ---- Sobol ---------------------------------------------------------------------------------------------


def sobol():
    from scipy.stats import qmc

    wide = qmc.Sobol(128, scramble=False, bits=30).random_base2(4)
    far = qmc.Sobol(20, scramble=False, bits=30).fast_forward(123456).random(2)
    return {"wide": (wide * 2**30).astype(int).tolist(), "far": (far * 2**30).astype(int).tolist()}


result = {"pruners": pruners(), "densities": densities(), "cmaes": strategies(), "importance": importance(),
          "sobol": sobol()}
with open(os.path.join(os.path.dirname(__file__), "sweep.json"), "w") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
