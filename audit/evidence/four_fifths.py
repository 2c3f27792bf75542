"""The four-fifths rule on selection rates: exploratory, never a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.evidence.base import DRAWS, EvidenceInputs, compared_counts
from audit.records.base import record
from audit.statistics.null import generator
from audit.ties import least_equal

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@record
class FourFifths:
    """The four-fifths rule: exploratory, never a verdict."""

    ratio: float | None
    """Lowest rate divided by highest; None if no image is an event."""
    below: bool
    share_by_chance: float
    """How often groups of these sizes fall below four fifths if they do not differ."""


FOUR_FIFTHS = 0.8


def by_finding(inputs: EvidenceInputs) -> dict[str, FourFifths]:
    """The rule for each primary selection rate."""
    draws = min(inputs.settings.draws, DRAWS)
    return {
        finding.id: four_fifths(*compared_counts(finding)[1:], draws, generator(inputs.settings.seed, f"{finding.id}/four fifths"))
        for finding in inputs.tested
        if finding.metric == "selection_rate"  # the rule is about selection rates
    }


def four_fifths(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator) -> FourFifths:
    """Lowest rate divided by highest, and how often it falls below four fifths by chance (29 CFR 1607.4 D).

    Exploratory, never a verdict: 18 groups of 56 images at a rate of one half always fall below four fifths, although they do not differ.
    https://www.ecfr.gov/current/title-29/section-1607.4
    """
    total = int(events.sum())
    if total == 0:
        return FourFifths(None, below=False, share_by_chance=0.0)
    rates = events / n
    drawn = rng.multivariate_hypergeometric(n, total, size=draws, method="marginals") / n
    return FourFifths(float(rates.min() / rates.max()), bool(_below(rates)), float(_below(drawn).mean()))


def _below(rates: Float[np.ndarray, "*b g"]) -> Bool[np.ndarray, "*b"]:
    return np.asarray(rates.min(axis=-1) < least_equal(FOUR_FIFTHS * rates.max(axis=-1)))  # four fifths exactly is not below
