"""The one pair that a finding tells of: shown, or leaving most open, with the chance of its own errors."""

import numpy as np
import pytest

from audit.statistics.contrasts import ComparedGroups, gap_of
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.null import gap_test, generator
from audit.statistics.units.cluster_sums import as_normal, as_student
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.sampling_unit import ImageUnits
from audit.types import Claim, LabelSet, Measurement, Settings
from benchmarks.conclusions.clusters import DESIGNS, by_counts
from tests.support.answered import LABELS, selected
from tests.support.cluster_tables import nested

SETTINGS = Settings(draws=999)


def decided(cells, *, primary=True):
    """The finding of "yes" k times out of n images in each group."""
    claim = Claim("selection_rate", ("group",), "thief", primary=primary)
    asked = Measurement("m", "?", LabelSet("l", LABELS, {}), "p v1", (claim,), outcomes={"thief": ("yes",)})
    found = findings(asked, selected(cells), {"group": tuple(cells)}, SETTINGS)
    return decide_verdicts(found, SETTINGS, limited=False)[0][0]


def gap(events, n):
    groups = tuple((str(place),) for place in range(len(n)))
    return gap_of(ComparedGroups(groups, ImageUnits(np.array(events), np.array(n))), np.random.default_rng(0), SETTINGS)


def test_two_large_groups_lead_though_a_small_one_lies_farther_off():
    """60 and 65 % of 5,000; 55 % of 40. The widest gap, 10 points, is the small group's, and chance alone gives it 15."""
    found = decided({"a": (3000, 5000), "b": (3250, 5000), "c": (22, 40)})
    pair = found.gap.leading
    assert (found.verdict, found.gap.highest, found.gap.lowest) == ("disparity", ("b",), ("c",))
    assert (pair.higher, pair.lower, pair.difference) == (("b",), ("a",), pytest.approx(0.05))
    assert pair.low == found.gap.low > 0
    assert found.gap.null_95 > found.gap.value > pair.difference > pair.chance  # the widest gap is within chance, the leading pair is not
    assert 0.020 < pair.chance < 0.028  # about 2.3 standard errors of .0097


def test_without_a_disparity_the_pair_leads_that_leaves_most_open():
    """The small group lies 12 points off the others, which differ by half a point and are known to a point or two."""
    found = decided({"a": (3000, 5000), "b": (3025, 5000), "c": (20, 40)})
    assert found.verdict == "inconclusive"
    assert found.gap.leading == found.gap.open_pair
    assert {found.gap.leading.higher, found.gap.leading.lower} == {("b",), ("c",)}
    assert found.gap.leading.high == found.gap.high > 0.25
    assert found.gap.leading.low < 0  # the order of the two is open, and the interval of the pair says so


def test_the_chance_of_groups_of_one_size_is_that_of_the_widest_gap():
    """Every pair has one standard error then: nothing changes."""
    null = gap_test(np.array([150, 160, 170, 155]), np.full(4, 200), 999, np.random.default_rng(0))
    off = null.chance[~np.eye(4, dtype=bool)]
    assert off == pytest.approx(np.full(12, null.upper))
    two = gap_test(np.array([150, 30]), np.array([200, 60]), 999, np.random.default_rng(0))
    assert two.chance[0, 1] == pytest.approx(two.upper)


@pytest.mark.slow
def test_where_p_is_small_a_pair_of_two_groups_lies_beyond_its_chance():
    source = np.random.default_rng(3)
    for number in range(200):
        n = source.integers(30, 400, 2)
        null = gap_test(source.binomial(n, [0.5, 0.62]), n, 999, generator(number, "pair"))
        assert null.pair_p > 0.05 or null.gap > null.chance[0, 1], number


def test_renamed_and_reordered_groups_have_the_same_pair():
    cells = {"a": (3000, 5000), "b": (3250, 5000), "c": (22, 40), "d": (900, 1500)}
    once, again = decided(cells).gap, decided(dict(reversed(cells.items()))).gap
    assert (once.leading.higher, once.leading.lower) == (again.leading.higher, again.leading.lower) == (("b",), ("a",))
    assert once.leading.low == pytest.approx(again.leading.low)


def test_a_diffuse_difference_leads_with_no_pair():
    """Twelve groups of 200 with 60 or 70 %: no two are shown to differ, after correction for 66 pairs; all together are."""
    found = decided({f"g{place:02d}": (121 + 20 * (place % 2), 200) for place in range(12)})
    assert (found.verdict, found.diffuse, found.gap.leading) == ("disparity", True, None)
    assert found.gap.low == 0 < found.gap.open_pair.high
    clear = decided({f"g{place:02d}": (121 + 40 * (place % 2), 200) for place in range(12)})
    assert (clear.verdict, clear.diffuse, clear.gap.leading is None) == ("disparity", False, False)


def test_a_signal_needs_what_a_disparity_needs_and_leads_alike():
    found = decided({"a": (3000, 5000), "b": (3250, 5000), "c": (22, 40)}, primary=False)
    assert (found.verdict, found.gap.leading.higher, found.gap.leading.lower) == ("signal", ("b",), ("a",))


def test_no_event_has_no_chance_to_differ():
    found = gap([0, 0, 0], [100, 100, 60])
    assert (found.leading, found.open_pair.difference, found.open_pair.chance) == (None, 0.0, 0.0)


def test_a_value_of_t_and_back():
    freedom = np.array([3.0, 19.0, 400.0])
    for z in (0.5, 1.96, 4.0):
        assert as_normal(as_student(z, freedom), freedom) == pytest.approx(np.full(3, z))


def test_the_chance_of_unlike_clusters_is_that_of_their_layout():
    """20 clusters of 20 (half of the images of each an event, give or take) and 300 single images: without a difference the two rates
    are apart by less than 9 points in 95 of 100 files. Shuffles deal a cluster of 20 into the group of single images, and give 20."""
    source = np.random.default_rng(0)
    table = nested((source.binomial(20, 0.5, 20), np.full(20, 20)), ((np.arange(300) % 20 < 13).astype(int), np.ones(300, int)))
    null = ClusterUnits(table).null(999, np.random.default_rng(0))
    assert null.upper > 0.15
    assert 0.06 < null.chance[0, 1] < 0.11


@pytest.mark.slow
@pytest.mark.parametrize("persons", [30, 60])
def test_persons_who_fail_wholly_in_one_group_make_no_disparity(persons):
    """Both groups have 5 % errors. In a fifth of the files none of 30 persons fails, and shuffles of persons alone find a disparity."""
    (design,) = (each for each in DESIGNS if each.name.startswith(f"{persons} x 20, .05 wholly"))
    ended = [by_counts(design, number).verdict for number in range(100)]
    assert ended.count("disparity") <= 7


@pytest.mark.slow
def test_a_disparity_never_leads_with_a_pair_within_chance():
    named = {"20 x 20 r .02 .5 | 300 single .65", "singles: 5,000 | 5,000 | 40, .6 .63 .6"}
    for design in (each for each in DESIGNS if each.name in named):
        found = [by_counts(design, number) for number in range(40)]
        assert sum(each.verdict == "disparity" for each in found) > 20
        assert not any(each.contradicts for each in found)


def test_the_open_pair_is_the_one_whose_interval_reaches_farthest_on_either_side():
    """0 of 40 against 0 of 400: no difference, and the small group may be the higher by far more than the large one."""
    found = gap([0, 0, 8], [40, 400, 400])
    assert (found.open_pair.higher, found.open_pair.difference) == (("0",), 0.0)
    assert found.open_pair.high == found.high > -found.open_pair.low


@pytest.mark.slow
def test_rare_events_in_many_clusters_are_shown_to_differ():
    """20 clusters of 50 with 5 %, 200 with 12 %: events in about 18 clusters tell how alike images are, and p and interval agree.

    The limits that allow for any part of the events reached 18 % from 5, so that no file of 600 was a disparity where p is small in 578.
    """
    (design,) = (each for each in DESIGNS if each.name.startswith("20 x 50 r .05 .05"))
    ended = [by_counts(design, number).verdict for number in range(30)]
    assert ended.count("disparity") >= 24
