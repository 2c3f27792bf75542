"""The chart of a finding's groups and that of gaps: order, colours, and what many groups do to them."""

from dataclasses import replace

import pytest

from audit.types import Claim
from reports.charts.gaps import gap_marks, gaps_axis
from reports.charts.groups import GroupRow, groups_chart
from tests.support import report_samples as samples


def found(cells, metric="accuracy", better="high"):
    claim = Claim(metric, ("place",), None if metric == "accuracy" else "yes")
    return samples.finding("m", claim, better, cells)


def places(text):
    return float(text.removesuffix("%"))


FOUR = found({("a",): (90, 100), ("b",): (600, 1000), ("c",): (95, 100), ("d",): (2, 5)})
"""Right 90, 60 and 95 of 100; d is too small."""


def test_the_affected_end_comes_first_and_small_groups_are_not_drawn():
    rows = groups_chart(FOUR, [("b",)]).rows

    assert [(row.label, row.value, row.hot) for row in rows] == [
        ("b", "60.0\xa0%", True),
        ("a", "90\xa0%", False),
        ("c", "95.0\xa0%", False),
    ]
    worse_if_high = groups_chart(replace(FOUR, better="low"), ()).rows
    assert [row.label for row in worse_if_high] == ["c", "a", "b"]


def test_a_group_is_filled_where_it_differs_from_the_rest_and_ringed_beyond_the_tolerance():
    """b is 32 points below the others. Of 50, 52 and 48 of 100 none differs."""
    rows = groups_chart(FOUR, ()).rows
    even = groups_chart(found({("a",): (50, 100), ("b",): (52, 100), ("c",): (48, 100)}), ()).rows

    assert [(row.kind, row.ring) for row in rows] == [("filled", True)] * 3
    assert {(row.kind, row.ring) for row in even} == {("hollow", False)}


def test_marks_lie_on_the_plot_in_the_order_of_their_rates():
    chart = groups_chart(FOUR, ())
    xs = [places(row.x) for row in chart.rows]

    assert xs == sorted(xs)
    assert all(0 <= places(row.low) <= places(row.x) <= places(row.high) <= 100 for row in chart.rows)
    assert places(chart.band_width) > 0
    assert chart.ticks[0][1] == "50\xa0%"


def test_of_more_than_twenty_groups_the_extremes_and_the_affected_one_are_labelled():
    """Sixty groups of 1,000, right 200, 210, … 790 times; the 30th is marked."""
    many = found({(f"g{i:02d}",): (200 + 10 * i, 1000) for i in range(60)})
    rows = groups_chart(many, [("g30",)]).rows
    labels = [row.label if isinstance(row, GroupRow) else row.count for row in rows]

    assert labels == ["g00", "g01", "g02", "g03", "g04", 25, "g30", 24, "g55", "g56", "g57", "g58", "g59"]
    assert sum(row.height for row in rows if not isinstance(row, GroupRow)) <= 180
    twenty = groups_chart(found({(f"g{i:02d}",): (200 + 10 * i, 1000) for i in range(20)}), ()).rows
    assert len([row for row in twenty if isinstance(row, GroupRow)]) == 20


def test_without_two_groups_to_compare_nothing_is_drawn():
    alone = found({("a",): (3, 5), ("b",): (90, 100)})

    assert groups_chart(alone, ()) is None
    assert gap_marks(alone, gaps_axis([])[0]) is None


def test_gaps_share_an_axis_from_0_to_the_largest_upper_limit():
    small = found({("a",): (500, 1000), ("b",): (520, 1000)})
    scale, ticks = gaps_axis([FOUR, small])
    wide, narrow = (gap_marks(finding, scale) for finding in (FOUR, small))

    assert ticks[0][1] == "0"
    assert float(ticks[-1][1]) >= 100 * FOUR.gap.high
    assert places(narrow.x) < places(wide.low) < places(wide.x) < places(wide.high)
    # An interval that includes 0 starts there.
    assert small.gap.low == 0
    assert narrow.low == narrow.band_x
    assert narrow.band_width == wide.band_width


@pytest.mark.parametrize("rate", [0, 1000])
def test_equal_rates_have_a_chart(rate):
    even = found({("a",): (rate, 1000), ("b",): (rate, 1000)})

    assert len(groups_chart(even, ()).rows) == 2
    assert gap_marks(even, gaps_axis([even])[0]).x == "3%"
