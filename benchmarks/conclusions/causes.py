"""Does the curve of `vlm-audit causes` predict what it has not seen, and is nothing called where nothing was planted?

Trains the emoji model at five doses of misnamed captions, in runs of a few seeds, and predicts each dose between the ends from the other
four, as the plan `docs/examples/causes.toml` predicts its held-back dose: at least 90 of 100 held-back models lie inside their 95 %
prediction interval. Then trains more models at dose 0: each planned difference (of the planted answer, as in the plan, and of the
accuracy in the same roles) is called in at most 9 of 100. ``--steps 90`` trains the small model. Models that exist are not trained again.
"""

import argparse
import contextlib
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from audit.api import run_audit
from audit.api.audit_output import Clock
from audit.extensions.causes.arms import is_called
from audit.extensions.causes.curve import DoseCurve
from audit.extensions.causes.models import degree_of
from audit.extensions.causes.outcome import RateOutcome, rate_outcome
from audit.extensions.causes.plan import read_plan
from audit.extensions.causes.record import CausesPlan, PlannedRate
from audit.options.audits import AuditRequest
from contrastive.train import main as train_command
from probes.counterfactual import emoji

DOSES, ALPHA = (0.0, 0.25, 0.5, 0.75, 1.0), 0.05
Model = tuple[float, int]
"""A dose and a seed."""


def the_plan() -> CausesPlan:
    return read_plan(Path(__file__).parents[2] / "docs" / "examples" / "causes.toml", Clock().moment).plan


def answers(folder: Path, settings: Sequence[str], model: Model) -> Path:
    """Train a model and write its answers to the probe's first question; return their file."""
    dose, seed = model
    out = folder / f"dose-{dose:g}-seed-{seed}"
    if (table := out / "answers.parquet").is_file():
        return table
    own = [f"run.seed={seed}", f"data.intervention.seed={seed}", f"data.intervention.share={dose}", f"run.out={out}", "--quiet"]
    with contextlib.redirect_stdout(sys.stderr):
        if code := train_command(["emoji", *the_plan().overrides, *settings, *own]):
            raise SystemExit(f"training of {out.name} ended with {code}")
    probe = replace(emoji.PROBE, measurements=emoji.PROBE.measurements[:1], specifications=(), what_ifs=(), paired=())
    run_audit(AuditRequest(model=str(out / "ckpt.pt"), probe=probe, no_cache=True, draws=199)).predictions().to_parquet(table)
    return table


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True)
class HeldBackModel:
    """What was predicted of a model."""

    off: float
    """Its outcome minus the curve's."""
    half: float
    """Of the prediction interval."""
    inside: bool


def held_back(outcomes: dict[Model, RateOutcome], degree: int) -> list[HeldBackModel]:
    """Predict each dose between the ends from the others."""
    found = []
    for dose in DOSES[1:-1]:
        fitted = {model: outcome for model, outcome in outcomes.items() if model[0] != dose}
        curve = DoseCurve(
            dose=np.array([of for of, _ in fitted]), outcome=np.array([outcome.value for outcome in fitted.values()]),
            seed=np.array([seed for _, seed in fitted]), degree=degree, bounds=(-1.0, 1.0),
            image_variance=np.nan_to_num([outcome.variance for outcome in fitted.values()]),
        )  # fmt: skip
        predicted = curve.predict(dose, ALPHA)
        for outcome in (outcome for model, outcome in outcomes.items() if model[0] == dose):
            inside = predicted.low <= outcome.value <= predicted.high
            found.append(HeldBackModel(outcome.value - predicted.value, (predicted.high - predicted.low) / 2, inside))
    return found


def size(models: Sequence[HeldBackModel]) -> str:
    off, half = (100 * np.mean(values) for values in zip(*((abs(one.off), one.half) for one in models), strict=True))
    return f"{sum(one.inside for one in models)} of {len(models)} inside; on average {off:.1f} points off, interval ±{half:.1f}"


def curves(outcomes: dict[Model, RateOutcome], seeds: int, degree: int) -> list[HeldBackModel]:
    """Hold back doses in each run of a few seeds, and print what came of it."""
    found: list[HeldBackModel] = []
    numbers = sorted({seed for _, seed in outcomes})
    for run in (numbers[start : start + seeds] for start in range(0, len(numbers), seeds)):
        own = {model: outcome for model, outcome in outcomes.items() if model[1] in run}
        found += held_back(own, degree)
        means = ", ".join(f"{100 * np.mean([outcome.value for model, outcome in own.items() if model[0] == dose]):.1f}" for dose in DOSES)
        print(f"seeds {run[0]} to {run[-1]}: planted answer {means} points at the doses; {size(found)}")
    values = [[outcomes[dose, seed].value for dose in DOSES] for seed in numbers]
    rising = sum(all(before <= after for before, after in pairwise(of_seed)) for of_seed in values)
    correlation = np.corrcoef([dose for dose, _ in outcomes], [outcome.value for outcome in outcomes.values()])[0, 1]
    print(f"held back: {size(found)}; rising in {rising} of {len(numbers)} seeds, R² of a line {correlation**2:.2f}")
    return found


def read(tables: Mapping[Model, Path], planned: PlannedRate) -> dict[Model, RateOutcome]:
    return {model: rate_outcome(pd.read_parquet(table), planned, emoji.PROBE.cluster) for model, table in tables.items()}


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--repeats", type=int, default=1, help="runs of the five doses")
    parse.add_argument("--seeds", type=int, default=3, help="per run")
    parse.add_argument("--null", type=int, default=0, help="further models at dose 0")
    parse.add_argument("--steps", type=int, help="fewer than the recipe's 270")
    parse.add_argument("--batch", type=int, help="smaller than the recipe's 256")
    parse.add_argument("--jobs", type=int, default=2, help="models at a time, one thread each")
    parse.add_argument("--folder", type=Path, default=Path("runs/causes-pooled"), help="where the models are kept")
    arguments = parse.parse_args()
    started, plan = time.monotonic(), the_plan()
    settings = [f"optim.steps={arguments.steps}", f"optim.warmup={arguments.steps // 9}"] if arguments.steps else []
    settings += [f"data.batch={arguments.batch}"] if arguments.batch else []
    dosed = [(dose, seed) for seed in range(arguments.repeats * arguments.seeds) for dose in DOSES]
    models = [*dosed, *((0.0, 10_000 + seed) for seed in range(arguments.null))]
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn"), one_thread) as pool:
        tables = dict(zip(models, pool.map(partial(answers, arguments.folder, settings), models), strict=True))
    print(f"{len(models)} models in {time.monotonic() - started:.0f} s")
    found = curves(read({model: tables[model] for model in dosed}, plan.outcome), arguments.seeds, degree_of(plan))
    where = {"role": list(plan.outcome.answers)}
    accuracy = replace(plan.outcome, rate="accuracy", of=plan.outcome.minus, minus=plan.outcome.of, where=where, answers={})
    null = {model: table for model, table in tables.items() if model[0] == 0}
    calls = [sum(is_called(outcome, ALPHA) for outcome in read(null, planned).values()) for planned in (plan.outcome, accuracy)]
    print(f"dose 0, {len(null)} models: difference of the planted answer called in {calls[0]}, of the accuracy in {calls[1]}")
    return 0 if sum(one.inside for one in found) >= 0.9 * len(found) and max(calls) <= 0.09 * max(len(null), 12) else 1


if __name__ == "__main__":
    sys.exit(main())
