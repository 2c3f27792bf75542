"""Tipping points by hand and by brute force, the expected shrinking of a gap, and verdicts equal to those of the findings."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from audit.evidence.label_noise import Rules, label_noise_curve, relabel, tipping_point, verdict_on
from audit.statistics.findings import decide_verdicts, findings
from audit.types import Claim, LabelSet, Measurement, Settings
from tests.support.answered import LABELS, selected

PAIR = (("Black",), ("Indian",))
RULES = Rules(tolerance=0.05, alpha=0.05, level=0.05, fewest=30, draws=499)


def rng(seed=0):
    return np.random.default_rng(seed)


def score_p(k_1, n_1, k_2, n_2):
    return chi2_contingency([[k_1, n_1 - k_1], [k_2, n_2 - k_2]], correction=False).pvalue


def test_the_example_of_the_clip_paper():
    """Non-human, Black 224/1,556 against Indian 115/1,516. 39 moved labels: p = .043; 40: p = .054."""
    assert score_p(224 - 39, 1556 - 39, 115 + 39, 1516 + 39) < 0.05 < score_p(224 - 40, 1556 - 40, 115 + 40, 1516 + 40)
    found = tipping_point(PAIR, (224, 115), (1556, 1516), 0.05)
    assert (found.images, found.share, found.turned) == (40, 40 / 1556, "significance")
    assert (found.worst, found.comparison) == PAIR
    # Where the worst group is the lower its failures move: accuracy 1,332/1,556 against 1,401/1,516 is the same example.
    assert tipping_point(PAIR, (1556 - 224, 1516 - 115), (1556, 1516), 0.05) == found
    # A stricter level takes fewer labels, and where nothing differs there is nothing to overturn.
    assert tipping_point(PAIR, (224, 115), (1556, 1516), 0.001).images < 40
    assert tipping_point(PAIR, (20, 19), (100, 100), 0.05) is None


def test_the_sign_turns_where_the_level_never_gives_way():
    """At level 1 all differences stand, until there is none. 10 and 2 of 40: 4 moved make 6/36 and 6/44, 5 make 5/35 and 7/45."""
    found = tipping_point(PAIR, (10, 2), (40, 40), 1.0)
    assert (found.images, found.turned) == (5, "sign")


def test_long_searches_equal_short_ones(monkeypatch):
    whole = tipping_point(PAIR, (900, 300), (4000, 4000), 0.05)
    monkeypatch.setattr("audit.evidence.label_noise._STEP", 7)
    assert tipping_point(PAIR, (900, 300), (4000, 4000), 0.05) == whole
    moved = np.arange(1, whole.images + 1)
    p = [score_p(900 - x, 4000 - x, 300 + x, 4000 + x) for x in moved]
    assert p[-1] > 0.05 >= max(p[:-1])


@pytest.mark.parametrize(("share", "factor"), [(0.1, 0.8), (0.2, 0.6), (0.3, 0.4), (0.4, 0.2)])
def test_random_labels_shrink_a_gap(share, factor):
    """Two equal groups, a gap of .068: (1 - 2 eps) of it is left."""
    k, n = relabel(np.array([340, 680]), np.array([5000, 5000]), share, 2000, rng())
    rates = k / n
    assert (rates[:, 1] - rates[:, 0]).mean() == pytest.approx(0.068 * factor, abs=0.001)


def test_relabelling_moves_and_loses_nothing():
    events, n = np.array([5, 60, 200]), np.array([50, 100, 400])
    k_star, n_star = relabel(events, n, 0.2, 500, rng())
    assert (k_star.sum(axis=1) == 265).all()
    assert (n_star.sum(axis=1) == 550).all()
    assert (k_star <= n_star).all()
    # Into the first group come a fifth of 100 and of 400 in proportion to sizes: 20 x 50/450 + 80 x 50/150.
    assert n_star[:, 0].mean() == pytest.approx(40 + 20 * 50 / 450 + 80 * 50 / 150, abs=0.6)
    assert (relabel(events, n, 0.0, 3, rng())[1] == n).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groups", [3, 4, 7])
def test_where_every_image_is_right_no_wrong_label_changes_anything(groups, seed):
    everybody = np.full(groups, 333)
    # Mean sizes of 332.6, 333.2 and 333.2, say, are rounded to 999 images, and of 332.4, 333.4 and 333.2 to 998: fewer than events.
    curve = label_noise_curve(everybody, everybody, Rules(0.05, 0.05, 0.05, 2, 99), np.random.default_rng(seed))
    assert {point.kept for point in curve} == {1.0}


def test_noise_curve_of_a_large_and_of_a_narrow_difference():
    n = np.array([1000, 1000])
    large = label_noise_curve(np.array([100, 400]), n, RULES, rng(), shares=(0.01, 0.2))
    assert [point.kept for point in large] == [1.0, 1.0]
    narrow = label_noise_curve(np.array([100, 160]), n, RULES, rng(), shares=(0.01, 0.4))
    assert narrow[0].kept > 0.9
    assert narrow[1].kept < 0.5
    assert [point.share for point in narrow] == [0.01, 0.4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("events", "n"), [((100, 160), (1000, 1000)), ((300, 330, 352), (2000, 2000, 2000)), ((50, 20, 66, 5), (400, 90, 600, 33))]
)
def test_one_null_for_all_tables_tells_what_a_null_each_would(events, n):
    """Every relabelled table put through the rules by itself, each with draws of its own: the shares agree within what 200 can tell."""
    single, joint = (Rules(tolerance=0.05, alpha=0.05, level=0.02, fewest=30, draws=draws) for draws in (499, 9999))
    events, n = np.array(events), np.array(n)
    verdict = verdict_on(events, n, joint, rng(2))
    for share in (0.05, 0.2):
        tables = zip(*relabel(events, n, share, 200, rng(1)), strict=True)
        each = np.mean([verdict_on(k, m, single, rng(i)) == verdict for i, (k, m) in enumerate(tables)])
        assert label_noise_curve(events, n, joint, rng(3), shares=(share,))[0].kept == pytest.approx(each, abs=0.12)


@pytest.mark.parametrize("cells", [(900, 700, 850), (880, 885, 879), (900, 876, 890), (45, 44, 41), (860, 900, 880), (10, 5, 4)])
def test_verdicts_are_those_of_the_findings(cells):
    n = {45: 50, 10: 20}.get(cells[0], 1000)
    claim = Claim("selection_rate", ("group",), "it")
    measurement = Measurement("m", "?", LabelSet("l", LABELS, {}), "p", (claim,), outcomes={"it": ("yes",)})
    given = selected({name: (k, n) for name, k in zip("abc", cells, strict=True)})
    settings = Settings(draws=999)
    _, verdict = decide_verdicts(findings(measurement, given, {"group": ("a", "b", "c")}, settings), settings, limited=False)
    assert verdict_on(np.array(cells), np.array([n] * 3), RULES, rng()) == verdict


@pytest.mark.parametrize(
    ("cells", "expected"), [((20, 400), "disparity"), ((1000, 1020), "equivalent"), ((30, 33), "inconclusive"), ((0, 0), "inconclusive")]
)
def test_rare_words_have_both_tolerances_here_too(cells, expected):
    """Of 20,000 images each: all within 5 points."""
    events, n, rules = np.array(cells), np.array([20_000, 20_000]), replace(RULES, ratio_tolerance=1.25)
    assert verdict_on(events, n, rules, rng()) == expected
    assert [point.kept for point in label_noise_curve(events, n, rules, rng(), shares=(0.01,))] == [1.0]
    if expected != "disparity":
        assert verdict_on(events, n, RULES, rng()) == "equivalent"
