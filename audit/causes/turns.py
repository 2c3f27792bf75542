"""The dose at which a verdict turns: for each seed, the smallest dose from which it is a disparity at every dose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.records.causes import SeedTurn, Turn


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
