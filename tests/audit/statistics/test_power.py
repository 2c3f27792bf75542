"""The detectable difference: by hand, against simulated audits, and what must hide more."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, fisher_exact, norm

from audit.statistics.null import gap_test
from audit.statistics.power import detectable_difference


def at(rate, *n, level=0.05):
    n = np.array(n)
    return detectable_difference(np.rint(rate * n).astype(int), n, level)


def test_two_large_groups_are_normal_with_both_variances():
    """1,000 at .05 and 1,000 at .05 + d: pooled error under no difference, own errors else."""

    def missing(d):
        p, q = 0.05, 0.05 + d
        # One image more in one group and one less in the other are 2 / 1000; half of that is lost to whole numbers.
        critical = 1.959964 * np.sqrt(2 * (p + q) / 2 * (1 - (p + q) / 2) / 1000) + 1 / 1000
        return norm.cdf((d - critical) / np.sqrt((p * (1 - p) + q * (1 - q)) / 1000)) - 0.8

    assert at(0.05, 1000, 1000) == pytest.approx(brentq(missing, 0.01, 0.1), abs=1e-4)


def test_small_groups_are_summed_over_all_outcomes():
    """Ten images against ten at .1: the tables that Fisher's test (of two equal groups the permutation test) rejects, at the found rate."""
    d = at(0.1, 10, 10)
    first, second = (binom.pmf(np.arange(11), 10, p) for p in (0.1 + d, 0.1))
    rejects = np.array([[fisher_exact([[i, 10 - i], [j, 10 - j]])[1] <= 0.05 for j in range(11)] for i in range(11)])
    assert first @ rejects @ second == pytest.approx(0.8, abs=1e-3)


@pytest.mark.slow_except("0.05-n0-1")
@pytest.mark.parametrize(
    ("rate", "n", "questions"),
    [(0.05, (1000, 1000), 1), (0.3, (35, 10_000), 10), (0.85, (300,) * 7, 1), (0.1, (80, 100, 3000), 40)],
)
def test_a_difference_of_that_size_is_found_four_times_out_of_five(rate, n, questions):
    """The smallest group that much nearer to one half; `benchmarks/conclusions/power.py` has more layouts and 2,000 audits each."""
    source, n, level = np.random.default_rng(0), np.array(n), 0.05 / questions
    rates = np.full(len(n), rate)
    rates[n.argmin()] += at(rate, *n, level=level) * (1 if rate < 0.5 else -1)
    found = [gap_test(source.binomial(n, rates), n, 1999 if questions == 1 else 4999, source).p <= level for _ in range(150)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_both_answers_have_one_difference():
    assert at(0.1, 400, 300) == pytest.approx(at(0.9, 400, 300))


def test_more_questions_more_groups_and_fewer_images_hide_more():
    assert at(0.1, 400, 400) < at(0.1, 400, 400, level=0.005) < at(0.1, 400, 400, level=0.00125)
    assert at(0.1, 400, 400) < at(0.1, 200, 200)
    assert at(0.1, *[400] * 31) > at(0.1, 400, 400)


@pytest.mark.parametrize("events", [0, 200])
def test_no_event_does_not_promise_to_find_everything(events):
    # Wilson limit of 0 out of 400 is 3.84 / 403.84 = .0095: what that rate would promise.
    promised = detectable_difference(np.array([events, events]), np.array([200, 200]), 0.05)
    assert promised > 0.02


def test_a_p_that_equals_the_level_rejects():
    """One image against one: every table has p = 1, so that at a level of 1 any difference is found."""
    assert at(0.5, 1, 1, level=1.0) < 1e-4
    assert at(0.5, 1, 1, level=0.999) == 1.0


def test_a_difference_that_cannot_be_found_is_one():
    assert at(0.5, 2, 2) == 1.0
