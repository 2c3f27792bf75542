"""How many more images would decide a question: worked by hand, and checked by drawing the answers of that many images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from audit.statistics.equivalence import equivalence_bound
from audit.statistics.findings import decide_verdicts
from audit.statistics.power import more_images
from audit.types import Claim, Settings
from tests.support import report_samples as samples

DRAWS = 2000


def needed(events, n, tolerance=0.05, ratio=None, level=0.05):
    more = more_images(np.array(events), np.array(n), tolerance, ratio, 0.05, level)
    return None if more is None else more.tolist()


def test_two_groups_by_hand():
    """Half of the images are events. Both limits hold with power .8 if z = 1.645 + 1.282 errors are less than 5 points: an error of
    .05 / 2.926 = 1.709 points. With n images each it is sqrt(2 x .25 / n): n = 1,712, and with the continuity correction of 1 / n about
    1,780. 1,000 are there.
    """
    first, second = needed([500, 500], [1000, 1000])

    assert first == second
    assert 712 <= first <= 800


def test_only_the_small_group_needs_images():
    """sqrt(.25 / n) = 1.709 points: n = 856, and about 880 with the correction; 100 are there."""
    large, small = needed([50_000, 50], [100_000, 100])

    assert large == 0
    assert 756 <= small <= 800


def test_a_ratio_of_rare_rates_needs_what_the_method_page_says():
    """Score intervals with power .8: about 6,600 images each at 5 %, 35,000 at 1 % (docs/method.md)."""
    at_5, at_1 = (1000 + needed([events] * 2, [1000] * 2, ratio=1.25)[0] for events in (50, 10))

    assert at_5 == pytest.approx(6_600, rel=0.05)
    assert at_1 == pytest.approx(35_000, rel=0.05)


def test_a_smaller_tolerance_more_groups_and_a_stricter_level_need_more():
    base = sum(needed([90, 90], [100, 100]))

    assert sum(needed([90, 90], [100, 100], tolerance=0.025)) > 3.5 * base
    assert sum(needed([90] * 4, [100] * 4)) > 2 * base
    assert sum(needed([90, 90], [100, 100], level=0.001)) > 1.3 * base


def test_neither_the_order_of_the_groups_nor_what_counts_as_an_event_matters():
    n = [150, 400, 90]
    more = needed([120, 330, 70], n)

    assert needed([70, 120, 330], [90, 150, 400]) == [more[2], more[0], more[1]]
    assert needed([30, 70, 20], n) == pytest.approx(more, rel=0.1)


def test_where_images_are_not_what_is_missing_no_number_is_given():
    """100,000 images that differ by 4 points, and a ratio of rates that are all 0."""
    assert needed([50_000, 48_000], [100_000, 100_000]) is None
    assert needed([0, 0], [100, 100], ratio=1.25) is None
    assert needed([0, 0], [30, 30]) is not None
    assert needed([1, 1], [100_000, 100_000], ratio=1.01) is None


@pytest.mark.slow_except("0.9-n0-0.05")
@pytest.mark.parametrize(
    ("rate", "n", "level"),
    [(0.9, (2000, 100), 0.05), (0.98, (300, 40), 0.05), (0.5, (400, 400, 150), 0.01), (0.8, (1000, 900, 60, 800, 700, 90, 500), 0.05 / 3)],
)
def test_that_many_images_decide_with_about_the_stated_power(rate, n, level):
    """Equal rates are equivalent in 80 % of the draws; a smallest group that differs by the tolerance is found in at least about 80 %."""
    n = np.array(n)
    sizes = n + more_images(np.rint(rate * n).astype(int), n, 0.05, None, 0.05, level)
    rng = np.random.default_rng(1)
    drawn = rng.binomial(sizes, rate, (DRAWS, len(n)))
    equivalent = np.mean([equivalence_bound(events, sizes, 0.05) < 0.05 for events in drawn[:400]])
    apart = np.full(len(n), rate)
    apart[n.argmin()] += -0.05 if rate > 0.5 else 0.05
    tables = rng.binomial(sizes, apart, (400, len(n)))
    found = np.mean([chi2_contingency([events, sizes - events], correction=False).pvalue <= level for events in tables])

    assert equivalent >= 0.75
    assert found >= 0.72
    # And no more than needed: one of the two is near 80 %.
    assert min(equivalent, found) <= 0.9


def test_an_audit_gives_it_to_questions_that_are_inconclusive_and_to_no_others():
    few = samples.finding("q0", Claim("accuracy", ("g",)), "high", {("a",): (90, 100), ("b",): (1790, 2000)})
    clear = samples.finding("q1", Claim("accuracy", ("g",)), "high", {("a",): (500, 1000), ("b",): (900, 1000)})
    decided, _ = decide_verdicts((few, clear), Settings(), limited=False)
    limited, _ = decide_verdicts((few,), Settings(), limited=True)
    unexplored, _ = decide_verdicts((replace(few, primary=False),), Settings(), limited=False)

    assert [finding.verdict for finding in decided] == ["inconclusive", "disparity"]
    ((more,), none) = (finding.gap.more_images for finding in decided)
    assert more.group == ("a",)
    assert 100 < more.images < 1000
    assert [none, limited[0].gap.more_images, unexplored[0].gap.more_images] == [(), (), ()]


def test_more_images_of_the_same_clusters_are_not_asked_for():
    clustered = samples.finding("q0", Claim("accuracy", ("g",)), "high", {("a",): (90, 100), ("b",): (1790, 2000)})
    clustered = replace(clustered, overall=replace(clustered.overall, clusters=40))

    assert decide_verdicts((clustered,), Settings(), limited=False)[0][0].gap.more_images == ()
