"""Loss scaling for fp16, whose smallest number is 6e-8: the loss is multiplied so that gradients do not vanish, then they are divided."""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST = 2.0**16
PATIENCE = 2000
"""Good steps after which a larger factor is tried."""


@dataclass(frozen=True)
class LossScale:
    """A factor that halves when a gradient overflows and doubles after 2,000 steps without that. It never goes below 1."""

    factor: float = 1.0
    good: int = 0
    """Steps since the factor last changed."""

    def __post_init__(self) -> None:
        if not (1 <= self.factor < math.inf and self.good >= 0):
            raise ValueError(f"no loss scale: {self.factor} after {self.good} steps")

    @classmethod
    def first(cls, precision: str) -> LossScale:
        """Return the factor of the first step: 2^16 for fp16; 1, which stays, for all else."""
        return cls(FIRST) if precision == "fp16" else cls()

    def after(self, finite: bool, precision: str) -> LossScale:
        """Return the scale of the next step.

        Examples
        --------
        >>> LossScale(8.0, 5).after(False, "fp16"), LossScale(8.0, 1999).after(True, "fp16")
        (LossScale(factor=4.0, good=0), LossScale(factor=16.0, good=0))
        """
        if precision != "fp16":
            return self
        if not finite:
            return LossScale(max(1.0, self.factor / 2))
        return LossScale(self.factor * 2) if self.good + 1 >= PATIENCE else LossScale(self.factor, self.good + 1)
