"""Marks stand where their numbers say; what is small is faint, and only what is shown is filled."""

import re

import pytest

from audit.types import Claim
from reports.charts import forest as figures
from reports.charts import grids
from tests.support import report_samples as samples


def test_a_dot_stands_where_its_rate_lies_on_the_axis():
    # 60 of 100 and 90 of 100: the axis runs from 50 to 100 %; .60 lies a fifth of the way along it, .90 four fifths.
    finding = samples.finding("m", Claim("accuracy", ("g",)), "high", {("A",): (60, 100), ("B",): (90, 100)})
    forest = figures.rates_forest(finding)
    left, right = float(forest.left), float(forest.right)
    places = [float(x) for x in re.findall(r"M(\d+) \d+h0", forest.dots)]

    assert [tick.text for tick in forest.ticks] == [f"{n}\u00a0%" for n in (50, 60, 70, 80, 90, 100)]
    assert places == [pytest.approx(left + share * (right - left), abs=0.5) for share in (0.2, 0.8)]


def test_small_groups_are_faint_and_only_a_shown_excess_fills_a_dot():
    # A is far below the others, B far above; C is 2 points off the rest of 310 in 700, which no interval shows.
    cells = {("A",): (10, 400), ("B",): (300, 300), ("C",): (46, 100), ("D",): (2, 5)}
    finding = samples.finding("m", Claim("accuracy", ("g",)), "high", cells)
    rates, differences = figures.rates_forest(finding), figures.differences_forest(finding)

    assert (rates.dots.count("M"), rates.faint_dots.count("M")) == (3, 1)
    assert [contrast.beyond_tolerance for contrast in finding.contrasts] == [True, True, False]
    assert (differences.dots.count("M"), differences.hollow.count("M")) == (2, 1)
    assert [remark.text for remark in differences.remarks] == ["not compared"]
    assert [mark.text for mark in differences.labels if mark.faint] == ["D"]


def test_a_small_group_does_not_stretch_the_scale_but_is_written_out():
    cells = {("A",): (90, 100), ("B",): (92, 100), ("C",): (1, 5), ("D",): (4, 5)}
    forest = figures.rates_forest(samples.finding("m", Claim("accuracy", ("g",)), "high", cells))

    # 90 of 100 is [83, 94] and 92 of 100 is [85, 96]; overall 187 of 210. 80 % is on that scale, 20 % is not.
    assert [tick.text for tick in forest.ticks] == [f"{n}\u00a0%" for n in (80, 85, 90, 95, 100)]
    assert [remark.text for remark in forest.remarks] == ["20\u00a0%, off this scale"]
    assert (forest.dots.count("M"), forest.faint_dots.count("M")) == (2, 1)


def test_where_nothing_is_compared_every_group_is_on_the_scale():
    cells = {("A",): (90, 100), ("B",): (18, 20), ("C",): (1, 5)}
    forest = figures.rates_forest(samples.finding("m", Claim("accuracy", ("g",)), "high", cells))

    assert [tick.text for tick in forest.ticks] == [f"{n}\u00a0%" for n in (0, 25, 50, 75, 100)]
    assert (forest.remarks, forest.dots.count("M"), forest.faint_dots.count("M")) == ((), 1, 2)


def test_the_tolerance_band_is_as_wide_as_the_tolerance_on_both_sides():
    finding = samples.finding("m", Claim("accuracy", ("g",)), "high", {("A",): (60, 100), ("B",): (90, 100)})
    forest = figures.differences_forest(finding)
    low, high = (float(tick.x) for tick in (forest.ticks[0], forest.ticks[-1]))
    reach = float(forest.ticks[-1].text.replace("+", ""))

    assert float(forest.band_width) == pytest.approx((high - low) * 2 * 5 / (2 * reach), abs=1)


def test_a_difference_that_cannot_be_estimated_is_written_out():
    forest = figures.signed_forest([("A", 0.1, 0.05, 0.15), ("B", None, None, None)])

    assert (forest.dots.count("M"), [remark.text for remark in forest.remarks]) == (1, ["not estimable"])
    assert figures.signed_forest([("B", None, None, None)]).dots == ""


def test_a_heat_map_is_darkest_at_its_extremes_hatches_what_is_small_and_blanks_what_is_absent():
    cells = {("a", "x"): (90, 100), ("a", "y"): (50, 100), ("b", "x"): (10, 100), ("b", "y"): (3, 4), ("c", "x"): (0, 0)}
    heat = grids.heat_map(samples.finding("m", Claim("accuracy", ("one", "two")), "high", cells))

    assert heat.columns == ("x", "y")
    # Overall is 153 of 304, .503: +.397 and -.403 are the extremes.
    assert [(row, [cell.shade for cell in shades]) for row, shades in heat.rows] == [
        ("a", ["above-4", "level"]),
        ("b", ["below-4", "hatched"]),
        ("c", ["blank", "blank"]),
    ]


def test_a_curve_is_sorted_by_effect_and_marks_its_default():
    curve = samples.fairface().specifications[0]
    ordered = [point.difference for point in grids.in_order(curve)]
    figure = grids.curve_figure(curve)

    assert ordered == sorted(ordered)
    assert (figure.dots.count("M"), figure.default_dot.count("M")) == (len(curve.points) - 1, 1)
    assert figure.used.count("M") == 2 * (len(curve.points) - 1)
    assert [mark.text for mark in figure.lines][:5] == sorted({point.preset for point in curve.points})
