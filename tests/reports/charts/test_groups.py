"""The chart of a finding's groups and that of gaps: order, colours, and what many groups do to them."""

import re
from dataclasses import replace

import pytest

from audit.types import Claim
from reports.charts.gaps import gap_marks, gaps_axis
from reports.charts.groups import GroupRow, groups_chart
from reports.render import render
from reports.text import phrases
from reports.text.headline import captions
from tests.support import report_samples as samples
from tests.support.page_text import text_of


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


def test_every_mark_has_one_meaning_and_the_legend_says_which():
    """A dot, its interval, a band and a colour; whether a group differs from the rest is in its table, not in another kind of dot."""
    page = render(samples.results(samples.emoji()))
    chart = page.partition('<figure class="groups')[2].partition("</figure>")[0]
    marks = set(re.findall(r'<(?:circle|line|rect)(?: class="([a-z]+)")?', chart))
    legend = text_of(chart.partition('<p class="legend">')[2].partition("</p>")[0]).replace("\xa0", " ")

    assert marks == {"", "interval", "band"}
    assert legend == "rate and its 95 % interval, n = 300 chance alone may put woman and man this far apart woman, worse off than man"


def test_the_band_is_labelled_and_the_legend_says_which_images_count():
    page = render(samples.results(samples.emoji()))
    chart = groups_chart(FOUR, ())
    assert re.search(r'<text x="[\d.]+%" y="12">chance alone</text>', page)
    assert places(chart.band_middle) == pytest.approx(places(chart.band_x) + places(chart.band_width) / 2, abs=0.1)
    assert re.search(r'<text class="start" x="[\d.]+%" y="12">tolerance</text>', page)
    recalled = found({("a",): (90, 100), ("b",): (60, 100)}, "true_positive_rate")
    assert captions.groups_legend(recalled, (), samples.SETTINGS)[0][1].endswith("n\xa0=\xa0200, with the true answer ‘yes’")
    assert groups_chart(replace(FOUR, diffuse=True), ()).band_middle == ""


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


def test_the_names_of_the_groups_in_between_are_listed_below_the_chart():
    """Sixty groups: 50 are thin lines, whose names can be opened with the keyboard."""
    many = found({(f"g{i:02d}",): (200 + 10 * i, 1000) for i in range(60)})
    (thin,) = (row for row in groups_chart(many, ()).rows if not isinstance(row, GroupRow))

    assert (thin.count, thin.names[0], thin.names[-1]) == (50, "g05", "g54")
    audit = samples.emoji()
    findings, verdict = samples.concluded([replace(many, measurement=audit.measurements[0].name)])
    page = render(samples.results(replace(audit, findings=findings, verdict=verdict, paired=(), specifications=())))
    below = page.partition('<details class="between">')[2].partition("</details>")[0]
    listed = text_of(below).replace("\xa0", " ")
    assert listed.startswith("The 50 groups between, by name In order: g05, g06, ")


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


def test_an_equivalent_question_is_drawn_by_the_bound_of_its_test():
    """2 points apart, 1,000 images each: the joint interval reaches beyond 5 points, the bound of the equivalence test does not."""
    raw = [found({("a",): (900, 1000), ("b",): (920, 1000)}), FOUR]
    (close, apart), _ = samples.concluded(raw)
    scale, _ = gaps_axis([close, apart])
    equivalent, disparity = (gap_marks(finding, scale) for finding in (close, apart))

    assert (close.verdict, apart.verdict) == ("equivalent", "disparity")
    assert places(equivalent.x) < places(equivalent.bound) < places(equivalent.band_x) + places(equivalent.band_width)
    assert disparity.bound == ""
    # An axis of equivalent questions alone ends at the tolerance, not at an interval that no verdict rests on.
    assert gaps_axis([close])[1][-1][1] == "5"


def test_all_and_none_are_100_and_0_percent_on_the_axis_as_beside_it():
    """1,000 of 1,000 are right, and the axis has a decimal: 100.0 and 100.00 % stood side by side."""
    perfect = found({("a",): (1000, 1000), ("b",): (1000, 1000)})
    chart = groups_chart(perfect, ())

    assert {row.value for row in chart.rows} == {"100\xa0%"}
    assert chart.ticks[0][1].count(".") == 1
    assert chart.ticks[-1][1] == "100\xa0%"
    none = groups_chart(found({("a",): (0, 1000), ("b",): (0, 1000)}), ())
    assert (none.rows[0].value, none.ticks[0][1]) == ("0\xa0%", "0\xa0%")


def test_the_bound_is_printed_with_enough_decimals_to_read_as_below_the_tolerance():
    (close,), _ = samples.concluded([found({("a",): (900, 1000), ("b",): (920, 1000)})])
    assert phrases.bound_text(close, 0.0421) == "4.3"
    assert phrases.bound_text(close, 0.04996) == "4.996"
