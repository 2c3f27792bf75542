"""Groups compared: what is compared with what, by how many comparisons it is corrected, and what would have been detected."""

from dataclasses import replace

import numpy as np
import pytest

from audit.records.finding import TruthShare
from audit.statistics.contrasts import ComparedGroups, against_the_rest, every_pair, with_detectable
from audit.statistics.findings import findings
from audit.statistics.intervals import difference_limits
from audit.statistics.power import detectable_difference
from audit.statistics.units.sampling_unit import ImageUnits
from audit.types import Claim, LabelSet, Measurement, Settings
from tests.support.answered import LABELS, selected


def compared(events, n):
    return ComparedGroups(tuple((name,) for name in "abcd"[: len(n)]), ImageUnits(np.array(events), np.array(n)))


def found(cells):
    """The finding of "yes" k times out of n images in each group."""
    measurement = Measurement(
        "m", "?", LabelSet("l", LABELS, {}), "p v1", (Claim("selection_rate", ("group",), "thief"),), outcomes={"thief": ("yes",)}
    )
    return findings(measurement, selected(cells), {"group": tuple(cells)}, Settings(draws=99))[0]


def test_two_groups_against_the_rest_are_one_comparison_and_three_are_three():
    """Of two groups each is the other's rest. Of three, a (90 of 100) is held against 90 of 200, at a third of alpha."""
    two = against_the_rest(compared([90, 60], [100, 100]), 0.05, 0.05)
    for contrast, sign in zip(two, (1, -1), strict=True):
        assert contrast.difference == pytest.approx(sign * 0.3)
        assert (contrast.low_adjusted, contrast.high_adjusted, contrast.p_adjusted) == (contrast.low, contrast.high, contrast.p)
    three = against_the_rest(compared([90, 60, 30], [100, 100, 100]), 0.05, 0.05)
    assert [contrast.difference for contrast in three] == pytest.approx([0.45, 0.0, -0.45])
    limits = [end.item() for end in difference_limits(np.array([90]), np.array([100]), np.array([90]), np.array([200]), 0.05 / 3)]
    assert (three[0].low_adjusted, three[0].high_adjusted) == pytest.approx(tuple(limits))
    assert three[0].p_adjusted == pytest.approx(3 * three[0].p)
    assert [contrast.beyond_tolerance for contrast in three] == [True, False, True]


def test_a_contrast_is_beyond_the_tolerance_where_its_adjusted_interval_is():
    """.9 against .6 of 100: at least 18 points. A tolerance that the interval only reaches is not exceeded, from either side."""
    pair = every_pair(compared([90, 60], [100, 100]), 0.05, 0.05)[0]
    for events in ([90, 60], [60, 90]):
        beyond = [every_pair(compared(events, [100, 100]), tolerance, 0.05)[0].beyond_tolerance for tolerance in (0.05, pair.low, 0.25)]
        assert beyond == [True, False, False]


def test_what_would_have_been_detected_is_of_the_compared_images():
    finding = found({"a": (300, 400), "b": (200, 400), "c": (3, 10)})
    known = with_detectable(finding, 0.05, 0.05).gap
    assert known.minimum_detectable == detectable_difference(np.array([300, 200]), np.array([400, 400]), 0.05)
    corrected = with_detectable(finding, 0.01, 0.05).gap
    assert corrected.minimum_detectable == detectable_difference(np.array([300, 200]), np.array([400, 400]), 0.01)


def with_effects(finding, *effects, **changes):
    rates = tuple(replace(rate, design_effect=effect) for rate, effect in zip(finding.by_group, effects, strict=True))
    return replace(finding, by_group=rates, **changes)


def test_a_design_effect_of_two_halves_the_images():
    finding = with_effects(found({"a": (300, 400), "b": (200, 400)}), 2.0, 4.0)
    halved = detectable_difference(np.array([150, 50]), np.array([200, 100]), 0.05)
    assert with_detectable(finding, 0.05, 0.05).gap.minimum_detectable == halved


def test_a_design_effect_below_one_adds_no_images_but_at_equal_true_shares():
    """There, what the truth explains is no longer chance."""
    cells = {"a": (300, 400), "b": (200, 400)}
    finding = with_effects(found(cells), 0.5, 0.5)
    assert with_detectable(finding, 0.05, 0.05).gap == with_detectable(found(cells), 0.05, 0.05).gap
    beside_truth = TruthShare(("a",), 400, 0.75, 0.5, 0.25, 0.2, 0.3)
    doubled = detectable_difference(np.array([600, 400]), np.array([800, 800]), 0.05)
    shared = replace(finding, shares=(beside_truth,))
    assert with_detectable(shared, 0.05, 0.05).gap.minimum_detectable == doubled


def test_groups_too_few_for_the_tolerance_are_named():
    """60 images without an event leave 5.8 points open; 120 in pairs of equal ones are as many."""
    finding = found({"a": (0, 60), "b": (0, 80), "c": (0, 120)})
    assert with_detectable(finding, 0.05, 0.05).gap.too_few == (("a",),)
    assert with_detectable(with_effects(finding, None, 1.0, 2.0), 0.05, 0.05).gap.too_few == (("a",), ("c",))
