"""Labels above a threshold: counts and tests by hand, against scipy and slow loops, and what must not matter."""

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact

from audit.extensions.tagging.computation import chi_squares, extreme_groups, tag_counts, tag_tests


def rng():
    return np.random.default_rng(0)


def slow_counts(probabilities, threshold, groups, n_groups):
    counts = [[0] * n_groups for _ in range(probabilities.shape[1])]
    for row, group in zip(probabilities, groups, strict=True):
        for label, share in enumerate(row):
            if share > threshold:
                counts[label][group] += 1
    return counts


def plain_newcombe(a, m, b, n, z=1.959963984540054):
    """Newcombe's method 10 as the paper writes it: square-and-add of two Wilson intervals."""

    def wilson(x, size):
        p = x / size
        half = z * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
        return (p + z * z / (2 * size) - half) / (1 + z * z / size), (p + z * z / (2 * size) + half) / (1 + z * z / size)

    (l1, u1), (l2, u2) = wilson(a, m), wilson(b, n)
    d = a / m - b / n
    return d - math.hypot(a / m - l1, u2 - b / n), d + math.hypot(u1 - a / m, b / n - l2)


@pytest.mark.parametrize("sizes", [(40, 35), (50, 31, 90), (200, 7, 60, 33)])
def test_counts_chi_squares_and_intervals_agree_with_slow_loops(sizes):
    draw = np.random.default_rng(len(sizes))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shares = draw.dirichlet(np.full(30, 0.3), size=len(groups))
    counts = tag_counts(shares > 0.04, groups, len(sizes))
    assert counts.tolist() == slow_counts(shares, 0.04, groups, len(sizes))
    n = np.array(sizes)
    for events, chi2 in zip(counts, chi_squares(counts, n), strict=True):
        assert chi2 == pytest.approx(chi2_contingency(np.array([events, n - events]), correction=False).statistic, rel=1e-12)
    ends = extreme_groups(counts, n, 0.05)
    for place, events in enumerate(counts):
        most, least = ends.most[place], ends.least[place]
        assert (events[most] / n[most], events[least] / n[least]) == ((events / n).max(), (events / n).min())
        expected = plain_newcombe(events[most], n[most], events[least], n[least])
        assert (ends.low[place], ends.high[place]) == pytest.approx(expected, abs=1e-12)


def test_a_label_is_kept_above_the_threshold_and_not_at_it():
    assert tag_counts(np.array([[0.04, 0.040001]]) > 0.04, np.array([0]), 1).tolist() == [[0], [1]]


def test_by_hand():
    """30 and 10 of 100: 20 due each, (10² / 20 + 10² / 80) · 2 = 12.5; 3 and 0: 1.5 due, so Fisher: 2 · (100 choose 3) / (200 choose 3)."""
    found = tag_tests(np.array([[30, 10], [3, 0]]), np.array([100, 100]), rng())
    assert found.chi2[0] == pytest.approx(12.5, abs=1e-12)
    assert found.exact.tolist() == [False, True]
    assert found.p[1] == pytest.approx(2 * math.comb(100, 3) / math.comb(200, 3), rel=1e-9)


def test_of_two_groups_p_is_that_of_scipy():
    n = np.array([61, 33])
    events = np.array([[x, y] for x in range(0, 61, 6) for y in range(0, 33, 4)])
    found = tag_tests(events, n, rng())
    for (x, y), p, exact in zip(events, found.p, found.exact, strict=True):
        if x + y in (0, 94):
            assert (p, exact) == (1.0, False)
            continue
        table = np.array([[x, y], [61 - x, 33 - y]])
        by_scipy = fisher_exact(table).pvalue if exact else chi2_contingency(table, correction=False).pvalue
        assert p == pytest.approx(by_scipy, rel=1e-7)
        assert exact == (33 * min(x + y, 94 - x - y) / 94 < 5)


def test_of_more_groups_thin_labels_are_held_against_every_table_of_the_margins():
    """4 of 6, 30 and 30 images: all 4 on the six. Enumerated, chi-square is reached with probability 15 / C(66, 4)."""
    n = np.array([6, 30, 30])
    found = tag_tests(np.array([[4, 0, 0], [1, 1, 2]]), n, rng(), draws=999)
    total = math.comb(66, 4)
    reached, least = 0.0, chi_squares(np.array([1, 1, 2]), n)
    for a in range(5):
        for b in range(5 - a):
            table = np.array([a, b, 4 - a - b])
            mass = math.comb(6, a) * math.comb(30, b) * math.comb(30, 4 - a - b) / total
            reached += mass if chi_squares(table, n) >= least - 1e-9 else 0.0
    assert found.exact.all()
    assert found.p[0] == pytest.approx(1 / 9991)  # the second draws, ten times 999, do not reach it either
    assert found.p[1] == pytest.approx(reached, abs=0.06)  # 999 draws: three standard errors are .05


def test_labels_that_nobody_or_everybody_gets_say_nothing():
    found = tag_tests(np.array([[0, 0, 0], [40, 50, 60]]), np.array([40, 50, 60]), rng())
    assert np.isnan(found.chi2).all()
    assert (found.p.tolist(), found.exact.tolist()) == ([1.0, 1.0], [False, False])
    ends = extreme_groups(np.array([[0, 0, 0]]), np.array([40, 50, 60]), 0.05)
    assert (ends.most[0], ends.least[0], ends.difference[0]) == (0, 2, 0.0)


def test_the_order_of_labels_changes_no_p():
    draw = np.random.default_rng(3)
    n = np.array([31, 200, 60])
    events = draw.binomial(n, draw.uniform(0, 0.2, (40, 1)))
    order = draw.permutation(40)
    assert tag_tests(events[order], n, rng(), draws=99).p.tolist() == tag_tests(events, n, rng(), draws=99).p[order].tolist()


def test_alike_groups_are_called_as_seldom_as_promised():
    """Of 2,000 labels on groups that do not differ, at most 5 % and three standard errors (6.5 %) have p of .05 or less."""
    draw = np.random.default_rng(4)
    for n in (np.array([60, 40]), np.array([30, 90, 200])):
        events = draw.multivariate_hypergeometric(n, 12, size=2000)
        assert (tag_tests(events, n, draw, draws=999).p <= 0.05).mean() <= 0.065
