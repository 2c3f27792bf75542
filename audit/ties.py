"""When two values of a statistic count as equal.

The last digits of a sum depend on the order in which a library adds, and so on its version. A permutation test counts how often a value is
reached, and many shuffles give exactly the observed table: their values must count as equal, regardless of their last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

_ROUNDING = 1e-9


def least_equal(values: Float[np.ndarray, "*o"] | float, scale: Float[np.ndarray, "*o"] | float = 1.0) -> Float[np.ndarray, "*o"]:
    """The smallest value that counts as equal to each of these: a billionth of `scale`, or of the value if that is larger, below it.

    `scale` is the size of the terms that the statistic is made of; 1 for rates, their differences, and anything in standard errors. It is
    not that of the value: where terms cancel, 0 and the rounding of the terms are equal.

    Examples
    --------
    >>> bool(0.1 + 0.2 - 0.3 >= least_equal(0.0)), bool(0.0 >= least_equal(0.1 + 0.2 - 0.3)), bool(0.0 >= least_equal(1e-6))
    (True, True, False)
    """
    return np.asarray(values - _ROUNDING * np.maximum(scale, np.abs(values)))


def first_largest(values: Float[np.ndarray, "o"]) -> int:
    """Position of the largest value; of equal ones, the first.

    Examples
    --------
    >>> first_largest(np.array([0.1, 0.3, 0.1 + 0.2])), int(np.argmax([0.1, 0.3, 0.1 + 0.2]))
    (1, 2)
    """
    return int((values >= least_equal(values.max())).argmax())
