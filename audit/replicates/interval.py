"""The gap of a model with several audited replicates, with an interval over images and replicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from audit.statistics.metrics import extremes
from audit.statistics.units.sampling_unit import widest_pair

if TYPE_CHECKING:
    from jaxtyping import Float

    from audit.statistics.units.sampling_unit import SamplingUnits


MOST_REPLICATES = 10_000
"""More are not worth a plan: if this many do not suffice, this is the number that is returned."""


@dataclass(frozen=True)
class GapOverReplicates:
    """The gap of the mean rates; `highest` and `lowest` are indices of groups."""

    highest: int
    lowest: int
    value: float
    low: float
    high: float


def gap_over_replicates(rates: Float[np.ndarray, "r g"], units: SamplingUnits, alpha: float) -> GapOverReplicates:
    """The gap of the mean rates, with an interval that covers both sources of error.

    Parameters
    ----------
    rates : float[r, g]
        Rate of each group in each of at least two replicates.
    units : SamplingUnits
        The same groups with the answers of all replicates; an image (or cluster) is one unit with all of its answers.
    alpha : float
        One minus the level, two-sided.

    Notes
    -----
    The mean difference of two groups deviates from the true one because of the images and because of the replicates. Each gives a
    half-width, and the squares of the two are added:

    * *within*: replicates answer about the same images, so their errors are correlated. The outcome of an image is its mean over the
      replicates; the spread of these means over images (clusters) gives the interval of `units`.
    * *between*: ``t s / sqrt(R)``, s the standard deviation of the difference over the R replicates and t Student's quantile with R - 1
      degrees of freedom.

    Random errors of single replicates on single images are in both, which makes the interval up to some 4 % too wide. One t with
    Satterthwaite's degrees of freedom for the sum of the variances would be narrower, but misses 1.6 times as often as stated with three
    replicates and one pair, and 9 times with 21 pairs, if most of the error is between replicates; this interval never misses more often
    than stated (simulated, 2 to 10 replicates). For replicates with separate images, equally many, ``s^2 / R`` is the variance in the
    random-effects model of DerSimonian and Laird. As in `gap_interval` the ends are the largest lower and the largest upper limit of any
    pair, each at ``alpha / pairs``.

    References
    ----------
    DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2; adding squared half-widths: Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095; random raters and cases: Obuchowski and Rockette 1995,
    https://doi.org/10.1080/03610919508813243
    """
    first, second = np.triu_indices(rates.shape[1], 1)
    level, replicates = alpha / len(first), len(rates)
    # Sorted, so that the last digit does not depend on the order of the replicates.
    mean, differences = np.sort(rates, axis=0).mean(axis=0), np.sort(rates[:, first] - rates[:, second], axis=0)
    between = float(stdtrit(replicates - 1, 1 - level / 2)) * differences.std(axis=0, ddof=1) / np.sqrt(replicates)
    low, high = units.differences(first, second, level)
    centre = units.contrasts(first, second)
    middle = centre if units.within_clusters else mean[first] - mean[second]
    lower, upper = middle - np.hypot(centre - low, between), middle + np.hypot(high - centre, between)
    ends = np.maximum(lower, -upper).max(), np.maximum(upper, -lower).max()
    highest, lowest = widest_pair(units) if units.within_clusters else extremes(mean)
    return GapOverReplicates(highest, lowest, float(np.abs(middle).max()), max(0.0, float(ends[0])), min(1.0, float(ends[1])))


def replicates_needed(
    rates: Float[np.ndarray, "r g"], units: SamplingUnits, alpha: float, gap: GapOverReplicates, half_width: float
) -> tuple[int | None, float]:
    """Number of replicates with which the interval of a gap would have a half-width, and the half-width that the images alone leave.

    Parameters
    ----------
    rates, units, alpha
        As for `gap_over_replicates`, which returned `gap`.
    half_width : float
        The half-width to reach.

    Returns
    -------
    replicates : int or None
        The smallest R from 3 to `MOST_REPLICATES` with ``within^2 + (t s)^2 / R <= half_width^2``, s being the standard deviation of the
        difference of the two groups over these replicates and t Student's quantile with R - 1 degrees of freedom; `MOST_REPLICATES` if
        none does, and None if `within`, the half-width that the images leave, is too large already. Two replicates estimate s from one
        difference, so the number is a rough guide.
    within : float
        The larger of the two distances to the limits.
    """
    first, second = np.array([gap.highest]), np.array([gap.lowest])
    level = alpha / (rates.shape[1] * (rates.shape[1] - 1) // 2)
    low, high = units.differences(first, second, level)
    centre = units.contrasts(first, second)
    within = float(max(centre[0] - low[0], high[0] - centre[0]))
    if within >= half_width:
        return None, within
    r = np.arange(3, MOST_REPLICATES + 1)
    deviation = float((rates[:, gap.highest] - rates[:, gap.lowest]).std(ddof=1))
    reached = np.hypot(within, stdtrit(r - 1, 1 - level / 2) * deviation / np.sqrt(r)) <= half_width
    return int(r[reached.argmax()] if reached.any() else MOST_REPLICATES), within
