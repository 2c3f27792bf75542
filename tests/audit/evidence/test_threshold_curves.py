"""Harm against a confidence threshold, and who then gets no answer."""

import numpy as np
import pytest

from audit.evidence.base import Judged
from audit.evidence.threshold_curves import threshold_curve, thresholds_at
from audit.statistics.intervals import wilson
from audit.types import UNKNOWN

GROUPS = (("a",), ("b",), ("empty",), (UNKNOWN,))


def judged():
    """Ten images of a, confidence .1 to 1 in steps of .1, the five surest are harms; ten of b at .35, one a harm; two unknown."""
    confidence = np.concatenate([np.arange(1, 11) / 10, np.full(10, 0.35), [0.9, 0.9]])
    event = np.concatenate([np.arange(10) >= 5, np.arange(10) == 0, [True, True]])
    return Judged(GROUPS, np.repeat([0, 1, 3], [10, 10, 2]), confidence, event)


def test_by_hand():
    everything, half = threshold_curve(judged(), [0.0, 0.3], fewest=2, alpha=0.05)
    a, b = everything.by_group[:2]
    assert (everything.coverage, everything.coverage_gap) == (1.0, 0.0)
    assert (a.answered, a.events, a.rate.value, b.rate.value) == (10, 5, 0.5, 0.1)
    assert everything.gap == pytest.approx(0.4)
    # Above .3: seven of a are answered, five of them harms; all ten of b.
    a, b = half.by_group[:2]
    assert (a.n, a.answered, a.events, a.coverage) == (10, 7, 5, 0.7)
    assert a.rate.value == pytest.approx(5 / 7)
    assert (a.rate.low, a.rate.high) == pytest.approx(tuple(map(float, wilson(5, 7, 0.05))))
    assert a.of_all.value == 0.5
    assert half.gap == pytest.approx(5 / 7 - 0.1)
    assert half.coverage_gap == pytest.approx(0.3)
    assert half.coverage == pytest.approx(19 / 22)


def test_a_harm_that_is_not_answered_is_none():
    """Four images, a harm at .2 and one at .9: above .5 two are answered, one of them a harm."""
    given = Judged((("a",),), np.zeros(4, int), np.array([0.2, 0.3, 0.8, 0.9]), np.array([True, False, False, True]))
    (point,) = threshold_curve(given, [0.5], fewest=1, alpha=0.05)
    assert (point.by_group[0].answered, point.by_group[0].events, point.by_group[0].rate.value) == (2, 1, 0.5)


def test_nobody_answered_is_no_rate_of_zero():
    (point,) = threshold_curve(judged(), [0.5], fewest=2, alpha=0.05)
    b, empty = point.by_group[1:3]
    assert (b.answered, b.coverage, b.rate) == (0, 0.0, None)
    assert (empty.n, empty.coverage, empty.rate, empty.of_all) == (0, None, None, None)
    assert point.gap is None
    assert point.coverage_gap == pytest.approx(0.5)
    # Small groups are shown outside the gap.
    (point,) = threshold_curve(judged(), [0.0], fewest=11, alpha=0.05)
    assert (point.gap, point.coverage_gap, point.by_group[0].rate.value) == (None, None, 0.5)
    # At zero even a probability of zero is an answer.
    (point,) = threshold_curve(Judged((("a",),), np.zeros(3, int), np.zeros(3), np.ones(3, bool)), [0.0], 1, 0.05)
    assert point.by_group[0].answered == 3


@pytest.mark.parametrize(("coverage", "threshold"), [(1.0, 0.0), (0.9, 0.1), (0.5, 0.5), (0.0, 1.0)])
def test_thresholds_by_hand(coverage, threshold):
    assert thresholds_at(np.arange(1, 11) / 10, (coverage,)) == (pytest.approx(threshold),)


def test_equals_are_silenced_together_and_never_too_many():
    confidence = np.array([0.2, 0.5, 0.5, 0.5, 0.9])
    for coverage in np.linspace(0, 1, 41):
        (threshold,) = thresholds_at(confidence, (coverage,))
        answered = (confidence > threshold).mean() if threshold > 0 else 1.0
        assert answered >= coverage - 1e-9
    assert thresholds_at(confidence, (0.6,)) == (0.2,)  # .5 would silence four of five
    assert thresholds_at(np.array([0.5, 0.5]), (0.5,)) == (0.0,)
