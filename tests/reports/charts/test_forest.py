"""Marks stand where their numbers say."""

import pytest

from audit.records.base import Estimate
from audit.types import Claim
from reports.charts import forest as figures
from reports.charts import grids, tracks
from tests.support import report_samples as samples


def test_a_change_has_a_hollow_dot_where_it_was():
    # The scale runs from 0 to +20: raw at +20, adjusted at +10, half way along.
    after = Estimate(0.1, 0.05, 0.15)
    drawn = tracks.change_track(0.2, after, tracks.signed_ticks([0.2, 0.05, 0.15]))

    assert [path for kind, path in drawn if kind in ("hole", "dot cool", "link")] == ["M292 11H150", "M292 11h0", "M150 11h0"]
    assert tracks.signed_ends(tracks.signed_ticks([-0.07, 0.07])) == ("−10 points", "+10 points")


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


@pytest.mark.parametrize("ends", [(0, 1e308), (-1e9, 0), (float("nan"), 1), (1, 0)])
def test_an_axis_of_no_shares_is_refused_before_its_ticks_are_made(ends):
    with pytest.raises(ValueError, match="no share lies between"):
        figures.axis(*ends)
