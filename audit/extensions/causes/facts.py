"""Assembles the results of a plan from the outcomes of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.extensions.causes.arms import differences, is_called, mean_difference
from audit.extensions.causes.curve import DoseCurve, interval, pooled_interval
from audit.extensions.causes.models import DoseModel, degree_of
from audit.extensions.causes.outcome import RateOutcome, variance_over_images, weighted_sum
from audit.extensions.causes.record import (
    SCHEMA_VERSION,
    ArmDifference,
    ArmEffect,
    BandPoint,
    Causes,
    CausesPlan,
    DosePoint,
    DosePredictions,
    FittedCurve,
    HeldBack,
    ModelOutcome,
    PredictedDose,
    SeedTurn,
    Turn,
)
from audit.records.base import Estimate, FindingVerdict, Timing
from audit.types import Settings

_BAND = 41
"""Number of doses at which the band is computed."""


@dataclass(frozen=True)
class Audited:
    """A model, its outcomes and what the audit says."""

    model: DoseModel
    outcome: RateOutcome
    capability: RateOutcome
    verdict: FindingVerdict
    checkpoint: str
    """sha256 of the file."""
    settings: Settings
    """Of the audit."""

    @property
    def audit_called(self) -> bool:
        """Whether the audit calls its question a disparity, or a signal if it is exploratory."""
        return self.verdict in ("disparity", "signal")


def predict_held_back(plan: CausesPlan, fitted: Sequence[Audited], created: str) -> DosePredictions | None:
    """Predict the held-back doses from the fitted models; None if none is held back, or one seed shows no spread."""
    curve = _curve(plan, fitted)
    intervals = [(dose, curve.predict(dose, fitted[0].settings.alpha)) for dose in plan.held_back]
    doses = tuple(PredictedDose(dose, predicted) for dose, predicted in intervals if predicted is not None)
    return DosePredictions(SCHEMA_VERSION, created, tuple(one.model.name for one in fitted), doses) if doses else None


def causes_of(
    plan: CausesPlan, audited: Sequence[Audited], predictions: tuple[DosePredictions | None, bool], budget_min: float | None
) -> Causes:
    """Return the results, without their circumstances."""
    fitted = [one for one in audited if one.model.part == "fit"]
    alpha, curve = fitted[0].settings.alpha, _curve(plan, fitted)
    dosed = [one for one in audited if one.model.arm is None]
    contrast = bool(plan.outcome.minus)
    turns = [_turn("audit", dosed, alpha), *([_turn("contrast", dosed, alpha)] if contrast else [])]
    reference, effects, between = _arms(plan, audited, alpha)
    held_back = tuple(_held_back(one, curve, alpha) for one in audited if one.model.part == "held back")
    return Causes(
        schema_version=SCHEMA_VERSION, status="complete", tool="", command=(), plan=plan,
        models=tuple(_model(one, alpha, contrast=contrast) for one in audited), left_out=(), budget_min=budget_min,
        points=tuple(_point(dose, dosed, curve, fitted, alpha, contrast=contrast) for dose in sorted({one.model.dose for one in dosed})),
        curve=_fitted_curve(plan, curve, fitted, alpha), band=_band(curve, alpha), held_back=held_back,
        beforehand=predictions[1] if predictions[0] is not None and held_back else None, turns=tuple(turns), reference=reference,
        arms=effects, arm_differences=between, settings=fitted[0].settings, environment={}, seconds={}, timing=Timing(plan.created, 0.0),
        checkpoints={one.model.name: one.checkpoint for one in audited},
    )  # fmt: skip


def _curve(plan: CausesPlan, fitted: Sequence[Audited]) -> DoseCurve:
    return DoseCurve(
        dose=np.array([one.model.dose for one in fitted]),
        outcome=np.array([one.outcome.value for one in fitted]),
        seed=np.array([one.model.seed for one in fitted]),
        degree=degree_of(plan),
        bounds=(-1.0 if plan.outcome.minus else 0.0, 1.0),
        image_variance=np.nan_to_num([one.outcome.variance for one in fitted]),
        least=variance_over_images([fitted[0].outcome], np.ones(1), fitted[0].settings.alpha),
    )


def _model(one: Audited, alpha: float, *, contrast: bool) -> ModelOutcome:
    planned = one.model
    return ModelOutcome(
        planned.name, planned.part, planned.arm, planned.dose, planned.seed, one.outcome.interval(alpha), one.outcome.images,
        one.outcome.clusters, is_called(one.outcome, alpha) if contrast else None, one.audit_called, one.verdict, one.capability.value,
    )  # fmt: skip


def _over_images(curve: DoseCurve, fitted: Sequence[Audited], weights: np.ndarray, alpha: float) -> Estimate:
    """A weighted sum of the fitted outcomes with its interval over seeds and images; over images alone with one seed."""
    outcomes = [one.outcome for one in fitted]
    value, variance = weighted_sum(outcomes, weights)[0], variance_over_images(outcomes, weights, alpha)
    images = (variance, max(outcomes[0].clusters - 1, 1))
    seeds = curve.band(weights, new_models=0.0)
    return interval(value, *images, alpha) if seeds is None else pooled_interval(value, seeds, images, alpha)


def _point(
    dose: float, dosed: Sequence[Audited], curve: DoseCurve, fitted: Sequence[Audited], alpha: float, *, contrast: bool
) -> DosePoint:
    own = [one for one in dosed if one.model.dose == dose]
    return DosePoint(
        dose=dose,
        held_back=own[0].model.part == "held back",
        models=len(own),
        mean=float(np.mean([one.outcome.value for one in own])),
        fitted=_over_images(curve, fitted, curve.weights(dose), alpha),
        predicted=curve.predict(dose, alpha),
        contrast_called=sum(is_called(one.outcome, alpha) for one in own) if contrast else None,
        audit_called=sum(one.audit_called for one in own),
    )


def _band(curve: DoseCurve, alpha: float) -> tuple[BandPoint, ...]:
    doses = np.linspace(curve.dose.min(), curve.dose.max(), _BAND).tolist()
    return tuple(BandPoint(dose, curve.at(dose), curve.predict(dose, alpha)) for dose in doses)


def _fitted_curve(plan: CausesPlan, curve: DoseCurve, fitted: Sequence[Audited], alpha: float) -> FittedCurve:
    parts, low, high = curve.components, float(curve.dose.min()), float(curve.dose.max())
    middle = curve.band(curve.weights((low + high) / 2), new_models=1.0)
    by_seed = [[one.outcome.value for one in fitted if one.model.seed == seed] for seed in np.unique(curve.seed)]
    return FittedCurve(
        fit=plan.fit,
        coefficients=tuple(curve.coefficients.tolist()),
        r_squared=curve.r_squared,
        models=len(fitted),
        seeds=len(by_seed),
        spread_seed=None if parts is None else parts.of_seed**0.5,
        spread_model=None if parts is None else parts.within**0.5,
        df=None if middle is None else middle[1],
        change=_over_images(curve, fitted, curve.weights(high) - curve.weights(low), alpha),
        rising_seeds=sum(bool(np.all(np.diff(values) >= 0)) for values in by_seed),
        falling_seeds=sum(bool(np.all(np.diff(values) <= 0)) for values in by_seed),
    )


def _held_back(one: Audited, curve: DoseCurve, alpha: float) -> HeldBack:
    predicted = curve.predict(one.model.dose, alpha)
    value = one.outcome.value
    inside = None if predicted is None else predicted.low <= value <= predicted.high
    return HeldBack(one.model.name, one.model.dose, one.model.seed, value, predicted, inside)


def _turn(of: str, dosed: Sequence[Audited], alpha: float) -> Turn:
    called: dict[int, dict[float, bool]] = {}
    for one in dosed:
        verdict = one.audit_called if of == "audit" else is_called(one.outcome, alpha)
        called.setdefault(one.model.seed, {})[one.model.dose] = verdict
    return turn("audit" if of == "audit" else "contrast", called)


def _arms(plan: CausesPlan, audited: Sequence[Audited], alpha: float) -> tuple[str, tuple[ArmEffect, ...], tuple[ArmDifference, ...]]:
    """Compare the arms, and the smallest dose, with the dose at which the arms were trained."""
    reference, least = f"dose {plan.arms_at:g}, nothing else", min(plan.doses)
    groups: dict[str, list[Audited]] = {reference: [one for one in audited if one.model.part == "fit" and one.model.dose == plan.arms_at]}
    if least != plan.arms_at:
        groups[f"dose {least:g}{' (captions unchanged)' if not least else ''}"] = [
            one for one in audited if one.model.part == "fit" and one.model.dose == least
        ]
    groups |= {arm.name: [one for one in audited if one.model.arm == arm.name] for arm in plan.arms}
    groups = {name: own for name, own in groups.items() if own}
    if not plan.arms or reference not in groups or len(groups) < 2:
        return reference, (), ()
    outcomes, capabilities = (
        {name: {one.model.seed: getattr(one, what) for one in own} for name, own in groups.items()} for what in ("outcome", "capability")
    )
    others = [name for name in groups if name != reference]
    of_arm = {arm.name: arm.overrides for arm in plan.arms}
    return reference, _effects(outcomes, capabilities, others, (reference, alpha), of_arm), _between(outcomes, others, alpha)


_Blocks = Mapping[str, Mapping[int, RateOutcome]]


def _effects(
    outcomes: _Blocks, capabilities: _Blocks, others: Sequence[str], against: tuple[str, float], overrides: Mapping[str, tuple[str, ...]]
) -> tuple[ArmEffect, ...]:
    reference, alpha = against
    pairs = [(name, reference) for name in others]
    made = zip(others, differences(outcomes, pairs, alpha), differences(capabilities, pairs, alpha), strict=True)
    return tuple(
        ArmEffect(
            arm=name, overrides=overrides.get(name, ()), models=len(outcomes[name]),
            level=float(np.mean([outcome.value for outcome in outcomes[name].values()])), effect=effect,
            difference=mean_difference(outcomes, name, reference), capability=cost,
            capability_difference=mean_difference(capabilities, name, reference),
        )
        for name, effect, cost in made
    )  # fmt: skip


def _between(outcomes: _Blocks, others: Sequence[str], alpha: float) -> tuple[ArmDifference, ...]:
    pairs = [(first, second) for at, first in enumerate(others) for second in others[at + 1 :]]
    made = zip(pairs, differences(outcomes, pairs, alpha) if pairs else [], strict=True)
    return tuple(ArmDifference(*pair, estimate, mean_difference(outcomes, *pair)) for pair, estimate in made)


# ---- where a verdict turns ----------------------------------------------------------------------------------------------------------


def turn(of: Literal["audit", "contrast"], called: Mapping[int, Mapping[float, bool]]) -> Turn:
    """Return where a verdict turns; `called`: seed -> dose -> whether the model's verdict is a disparity.

    The interval covers every seed that turns within the doses tried, from the largest dose that is not yet called to the smallest that is.

    >>> turn("audit", {0: {0.0: False, 0.5: True, 1.0: True}, 1: {0.0: True, 0.5: False, 1.0: True}})
    Turn(of='audit', seeds=(SeedTurn(seed=0, low=0.0, high=0.5), SeedTurn(seed=1, low=0.5, high=1.0)), low=0.0, high=1.0, turned=2)
    """
    seeds = tuple(_of_seed(seed, verdicts) for seed, verdicts in sorted(called.items()))
    turned = [one for one in seeds if one.low is not None and one.high is not None]
    low = min((one.low for one in turned if one.low is not None), default=None)
    high = max((one.high for one in turned if one.high is not None), default=None)
    return Turn(of, seeds, low, high, len(turned))


def _of_seed(seed: int, called: Mapping[float, bool]) -> SeedTurn:
    doses, high = sorted(called), None
    for dose in reversed(doses):
        if not called[dose]:
            return SeedTurn(seed, dose, high)
        high = dose
    return SeedTurn(seed, None, high)
