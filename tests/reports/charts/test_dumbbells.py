"""The chart of a change: every group before and after, the gaps below them, what grew and what got worse marked as such."""

import re
from dataclasses import replace

import pytest

from reports.charts.dumbbells import change_chart
from reports.charts.forest import share_axis
from reports.render import render_comparisons
from tests.support import comparison_samples as samples
from tests.support.page_text import text_of

ALPHA = 0.05


def place(share):
    """Return a position as a number of percent."""
    return float(share.rstrip("%"))


@pytest.fixture(scope="module")
def change():
    """Right before: a 120, b 60, c 120 of 120; right after: a 117, b 114, c 118."""
    return next(each for each in samples.skewed_and_plain().comparisons[0].changes if each.id == "animal/accuracy/group")


@pytest.fixture(scope="module")
def chart(change):
    return change_chart(change, ALPHA)


@pytest.mark.slow
def test_the_worst_group_before_comes_first_with_both_rates(chart):
    first, *others = chart.rows

    assert (first.label, first.value.replace("\xa0", " ")) == ("b", "50.0 → 95.0 %")
    assert sorted(row.label for row in others) == ["a", "c"]


def test_marks_run_from_before_to_after_and_no_interval_is_drawn_that_could_be_read_as_that_of_a_rate(chart, change):
    rows = {row.label: row for row in chart.rows}

    assert place(rows["b"].before) < place(rows["b"].after)
    assert place(rows["a"].after) < place(rows["a"].before)
    assert all(0 <= place(end) <= 100 for row in chart.rows for end in (row.before, row.after))
    charts = re.findall(r'<table class="marks moved">.*?</table>', render_comparisons(samples.skewed_and_plain()), re.DOTALL)
    assert charts
    assert not [chart for chart in charts if "interval" in chart]


def test_the_legend_names_the_model_of_each_dot():
    page = text_of(render_comparisons(samples.skewed_and_plain()))

    assert "before and after before: skewed/ckpt.pt after: plain/ckpt.pt" in page


@pytest.mark.slow
def test_rates_that_are_all_100_percent_have_an_axis():
    always = samples.facts(("x", samples.result(samples.model("x"), {})), ("y", samples.result(samples.model("y"), {})))

    assert [text for _, text in change_chart(always.comparisons[0].changes[0], ALPHA).ticks][-1].startswith("100")
    assert share_axis([1.0, 1.0])[-1] == 1.0
    assert share_axis([0.0, 0.0])[0] == 0.0
    assert min(len(share_axis([end, end])) for end in (0.0, 0.5, 1.0)) > 1


def test_a_group_is_coloured_by_what_its_own_rate_did(change):
    """b gained 54 of 120: better if high is better, worse if low is, neither if no side is. a lost 3 of 120: chance."""
    kinds = {
        better: {row.label: row.kind for row in change_chart(replace(change, better=better), ALPHA).rows}
        for better in ("high", "low", "neither")
    }

    assert {better: of["b"] for better, of in kinds.items()} == {"high": "improved", "low": "worse", "neither": "moved"}
    assert {of["a"] for of in kinds.values()} == {""}


def test_both_gaps_are_bars_on_the_axis_of_the_rates(chart, change):
    before, after = chart.gaps
    b, a = (next(row for row in chart.rows if row.label == label) for label in ("b", "a"))

    assert [(gap.label, gap.kind) for gap in chart.gaps] == [("gap before", ""), ("gap shrank to", "v-gap-shrank")]
    assert (before.low, before.high) == (b.before, a.before)
    assert before.value.startswith("50")
    assert after.low == b.after
    assert place(after.high) - place(after.low) < place(before.high) - place(before.low)
    grown = change_chart(replace(change, direction="grew"), ALPHA)
    assert (grown.gaps[1].label, grown.gaps[1].kind) == ("gap grew to", "v-gap-grew")
    undecided = change_chart(replace(change, direction=None), ALPHA)
    assert (undecided.gaps[1].label, undecided.gaps[1].kind) == ("gap after", "")


def test_nothing_to_compare_is_no_chart(change):
    assert change_chart(replace(change, gap=None), ALPHA) is None


def test_of_forty_groups_the_extremes_and_those_that_changed_are_labelled():
    """Forty groups of which the 21st changed: five at each end, that one, and the others as thin lines."""
    rows = change_chart(samples.forty_groups().comparisons[0].changes[0], ALPHA).rows
    labels = [getattr(row, "label", row.__dict__.get("count")) for row in rows]

    assert labels == ["g00", "g01", "g02", "g03", "g04", 15, "g20", 14, "g35", "g36", "g37", "g38", "g39"]
    assert [row.kind for row in rows if getattr(row, "label", "") == "g20"] == ["improved"]
