"""Made-up outcomes of models with different doses: a planted dose response with spread over seeds and images."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from audit.extensions.causes.facts import Audited, causes_of, predict_held_back
from audit.extensions.causes.influence import Proxies, influence_of
from audit.extensions.causes.models import DoseModel, planned_models
from audit.extensions.causes.outcome import RateOutcome
from audit.extensions.causes.page import render_causes
from audit.extensions.causes.record import Causes, CausesPlan, LeftOutGroup, PlannedArm, PlannedInfluence, PlannedRate
from audit.types import Settings

ARMS = (
    PlannedArm("counterfactual captions", ("data.intervention.kind=add",)),
    PlannedArm("balanced sampling", ("optim.sampling=balanced",)),
)
GROUPS = {
    "women in the planted roles": 0.3, "men in these roles": 0.05, "women in others": 0.0, "flags": -0.05, "animals": -0.1, "faces": -0.2,
}  # fmt: skip
"""Group -> what leaving it out takes from the outcome."""
INFLUENCE = PlannedInfluence(
    tuple(LeftOutGroup(name, {}, (name.split()[0],)) for name in GROUPS), at=1.0, seeds=(0, 1, 2), keep_every=15, batches=8
)


def proxies(of: CausesPlan, values: Sequence[float], noise: float = 0.0) -> dict[int, Proxies]:
    """Return made-up gradients of the groups of a plan, for each seed."""
    rng, number = np.random.default_rng(0), len(values)
    seeds = of.influence.seeds if of.influence else ()
    drawn = {seed: [value + noise * rng.normal() for value in values] for seed in seeds}
    return {seed: Proxies([100] * number, [40] * number, own, own[::-1], 0.25, (0, 15, 90)) for seed, own in drawn.items()}


EFFECTS = {"counterfactual captions": 0.2, "balanced sampling": 0.95}
"""Arm -> share of the outcome that is left."""


def plan(**changes: object) -> CausesPlan:
    outcome = PlannedRate("role", "planted answer", {"gender": "woman"}, {}, {}, {"judge": "student"})
    base = CausesPlan(
        title="What made women be misnamed", run="emoji", overrides=("optim.steps=90",), dose="data.intervention.share",
        doses=(0.0, 0.25, 0.5, 1.0), held_back=(0.75,), seeds=(0, 1, 2), fit="quadratic", arms=ARMS, arms_at=1.0, probe="emoji",
        question="role/accuracy/gender", outcome=outcome, capability=PlannedRate("role", "accuracy", {}, {}, {}, {}), sha256="0" * 64,
        created=dt.datetime(2026, 11, 30, tzinfo=dt.UTC).isoformat(),
    )  # fmt: skip
    return replace(base, **changes)


CONTRAST = PlannedRate("role", "accuracy", {"gender": "man"}, {"gender": "woman"}, {"role": [f"role {n}" for n in range(33)]}, {})


def rate(p: float, rng: np.random.Generator, images: int = 165, per_cluster: int = 5) -> RateOutcome:
    """Draw an outcome of images in clusters of equal size."""
    event = rng.random(images) < min(max(p, 0.0), 1.0)
    influence = pd.Series((event - event.mean()) / images).groupby(np.arange(images) // per_cluster).sum()
    return RateOutcome(float(event.mean()), influence, (images,))


def audited(of: CausesPlan, rng: np.random.Generator, slope: float = 0.3, spread: float = 0.02, images: int = 165) -> list[Audited]:
    """Draw the outcomes of all models of a plan: slope x dose, plus a deviation per seed and one per model, plus images."""
    of_seed = {seed: rng.normal(0, spread) for seed in of.seeds}

    def one(model: DoseModel) -> Audited:
        level = slope * model.dose * EFFECTS.get(model.arm or "", 1.0) - GROUPS.get((model.arm or "").removeprefix("without "), 0.0)
        outcome = rate(level + of_seed[model.seed] + rng.normal(0, spread), rng, images)
        return Audited(model, outcome, rate(0.9, rng, 300), "disparity" if outcome.value > 0.05 else "inconclusive", "ab" * 32, Settings())

    return [one(model) for model in planned_models(of)]


def sample(seed: int = 1, **changes: object) -> Causes:
    """Return the facts of a made-up run; `changes` are those of its plan."""
    of, rng = plan(**changes), np.random.default_rng(seed)
    drawn = audited(of, rng)
    fitted = [one for one in drawn if one.model.part == "fit"]
    facts = causes_of(of, drawn, (predict_held_back(of, fitted, of.created), True), None)
    influence = influence_of(of, drawn, proxies(of, [-taken for taken in GROUPS.values()]))
    seconds = {one.model.name: (15.0, 6.0) for one in drawn}
    return replace(facts, influence=influence, tool="vlm-audit 0", command=("vlm-audit causes", "plan.toml"), seconds=seconds)


PAGES = {"causes": lambda: render_causes(sample(influence=INFLUENCE))}
