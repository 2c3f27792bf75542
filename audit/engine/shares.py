"""Findings by attributes that may have several values per image: it counts in each group with its share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from audit.errors import UsageError
from audit.naming import finding_id
from audit.records.finding import ClaimResult, Rate
from audit.statistics.counts import expanded
from audit.statistics.findings import findings
from audit.types import Claim, Dataset, Measurement, Predictions, Probe, Settings

_ALL = "all"


def check_shares(probe: Probe, dataset: Dataset, *, what_ifs: bool) -> None:
    """Raise UsageError for pairs, and requested what-ifs, by an attribute that may have several values per image."""
    by_name = {finding_id(measurement.name, claim): claim.by for measurement in probe.measurements for claim in measurement.claims}
    named = [(f"pairs by {claim.attribute!r}", (claim.attribute, claim.cluster, *claim.within)) for claim in probe.paired]
    for plan in probe.what_ifs if what_ifs else ():
        right = plan.right.attributes if plan.right else ()
        cluster = (plan.cluster,) if plan.cluster else ()
        named.append((f"the what-if {plan.question!r}", (*by_name.get(plan.finding, ()), *right, *cluster)))
    for what, attributes in named:
        if shared := [name for name in attributes if name in dataset.several]:
            raise UsageError(
                f"{what}: an image has several values of {shared[0]!r}", where=f"probe {probe.name!r}",
                why="it counts in each group with its share, and is in no single one", fix="name attributes with one value per image",
            )  # fmt: skip


def without_shares(measurements: Sequence[Measurement], dataset: Dataset) -> tuple[Measurement, ...]:
    """Remove the claims by attributes with several values."""
    several = set(dataset.several)
    return tuple(
        replace(measurement, claims=tuple(claim for claim in measurement.claims if not several & set(claim.by)))
        for measurement in measurements
    )


def findings_by_share(
    measurement: Measurement, predictions: Predictions, dataset: Dataset, settings: Settings, tested: Callable[[], object] | None = None
) -> tuple[ClaimResult, ...]:
    """Test every claim of a measurement, in their order, as `findings` does; those by attributes with several values use shares.

    Then a group's `n` counts the images that have a share in it, its rate, interval and test use the shares, and the sampling unit is
    the image (or its cluster). The rate of all images counts every image once.
    """
    by_share = {claim: tuple(name for name in dataset.several if name in claim.by) for claim in measurement.claims}
    by_claim: dict[Claim, ClaimResult] = {}
    for names in dict.fromkeys(by_share.values()):
        claims = tuple(claim for claim in measurement.claims if by_share[claim] == names)
        rows = expanded(predictions, names)
        answered = findings(replace(measurement, claims=claims), rows, dataset.levels, settings, tested)
        overall = _overall(measurement, claims, predictions, settings) if len(rows.y_pred) > len(predictions.y_pred) else {}
        for claim, finding in zip(claims, answered, strict=True):
            key = claim.metric, claim.outcome
            by_claim[claim] = replace(finding, overall=overall[key]) if key in overall else finding
    return tuple(by_claim[claim] for claim in measurement.claims)


def _overall(
    measurement: Measurement, claims: Sequence[Claim], predictions: Predictions, settings: Settings
) -> dict[tuple[str, str | None], Rate]:
    """The rate of all images, each counted once, for each metric and outcome."""
    overall_claims = {(claim.metric, claim.outcome): replace(claim, by=(_ALL,)) for claim in claims}
    together = replace(
        predictions,
        attributes=pd.DataFrame({_ALL: _ALL}, index=predictions.attributes.index, dtype="str"),
        cluster=np.arange(len(predictions.y_pred)) if predictions.cluster is None else predictions.cluster,
        weight=np.ones(len(predictions.y_pred)) if predictions.weight is None else predictions.weight,
    )
    answered = findings(replace(measurement, claims=tuple(overall_claims.values())), together, {_ALL: (_ALL,)}, settings)
    return {key: finding.overall for key, finding in zip(overall_claims, answered, strict=True)}
