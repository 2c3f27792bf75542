"""The second implementation has the same rule for ties, and draws the same numbers, with code of its own."""

import numpy as np
import pytest

from audit.statistics import draws
from audit.statistics.null import ShuffledNull, sign_flip_p
from audit.ties import first_largest, least_equal
from verify import images
from verify.paired import every_flip

ROUNDED = 0.1 + 0.2 - 0.3
VALUES = np.array([0.0, ROUNDED, 0.3, 0.1 + 0.2, 1e-6, 12.5, 1e6])


@pytest.mark.parametrize("terms", [1.0, 1e-3, 50.0])
def test_the_rule_is_the_same(terms):
    assert images.tied(VALUES, terms).tolist() == least_equal(VALUES, terms).tolist()
    for last in range(1, len(VALUES)):
        assert images.leading(VALUES[:last]) == first_largest(VALUES[:last])


def test_p_with_ties_are_the_same():
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 4, (200, 2)) / 10 + ROUNDED * rng.integers(0, 2, (200, 2))
    for seen in drawn[:20]:
        combined, each = ShuffledNull(drawn).p(seen)
        assert images.smallest_p(drawn, seen) == (float(combined), each.tolist())
    net = np.array([0.1, 0.2, -0.3, 0.7, -0.7])
    assert every_flip(net) == sign_flip_p(net, 99, rng) == 1.0


def test_draws_are_the_same():
    shares = np.array([0.2, 0.0, 0.5, 0.3])
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    assert (images.multinomial(200, shares, 50, theirs) == draws.multinomial(200, shares, (50,), ours)).all()
    n = np.array([3, 0, 400])
    assert (images.binomial(n, 0.5, (20, 3), theirs) == draws.binomial(n, 0.5, (20, 3), ours)).all()
