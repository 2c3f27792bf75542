"""Ends of changes over all ways to fill missing true answers: none of many drawn fillings lies beyond them."""

import numpy as np
import pytest

from audit.statistics.paired.filled import FilledRates, _least_growth
from audit.statistics.paired.joint import JointCounts

RNG = np.random.default_rng(4)
CELLS, LACKING = RNG.integers(2, 30, (3, 4)), RNG.integers(0, 12, (3, 4))
JOINT = JointCounts((("a",), ("b",), ("c",)), CELLS, CELLS.sum(axis=1))


def filled_cells(accuracy, rng):
    """The cells with a drawn part of what is missing, often none or all of it; of accuracy all of it, right or wrong."""
    part = np.where(rng.random(LACKING.shape) < 0.7, LACKING * rng.integers(0, 2, LACKING.shape), rng.integers(0, LACKING + 1))
    if not accuracy:
        return CELLS + part
    alike, differing = LACKING[:, [0, 3]].sum(axis=1), LACKING[:, [1, 2]].sum(axis=1)
    right, gained = (np.minimum(part.sum(axis=1) * which, most) for which, most in ((1, alike), (rng.integers(0, 2, 3), differing)))
    lost = rng.integers(0, differing - gained + 1)
    return CELLS + np.stack([right, lost, gained, alike - right + differing - gained - lost], axis=1)


@pytest.mark.parametrize("accuracy", [False, True], ids=["error rate", "accuracy"])
def test_no_filling_lies_beyond_the_ends(accuracy):
    if accuracy:
        ends = FilledRates.of_accuracy(JOINT, LACKING.sum(axis=1), LACKING[:, [1, 2]].sum(axis=1))
    else:
        ends = FilledRates.of_errors(JOINT, LACKING)
    before = JOINT.before / JOINT.n
    high, low = int(np.argmax(JOINT.after / JOINT.n)), int(np.argmin(JOINT.after / JOINT.n))
    turned = int(np.argmax(before)), int(np.argmin(before))
    least = _least_growth(ends.before, ends.after, ends.change, high, low)
    most = -_least_growth(ends.after, ends.before, ends.change.minus(), *turned)
    drawn, rng = [], np.random.default_rng(5)
    for _ in range(400):
        cells = filled_cells(accuracy, rng)
        n, rates = cells.sum(axis=1), [cells[:, [0, side]].sum(axis=1) / cells.sum(axis=1) for side in (1, 2)]
        for value, end in ((rates[0], ends.before), (rates[1], ends.after), ((cells[:, 2] - cells[:, 1]) / n, ends.change)):
            assert (end.least - 1e-12 <= value).all()
            assert (value <= end.most + 1e-12).all()
        drawn.append(np.ptp(rates[1]) - np.ptp(rates[0]))
    assert least <= min(drawn)
    assert max(drawn) <= most
    assert most - least < 3 * np.ptp(drawn)  # and the ends are not far beyond
