import pytest

from audit.types import CellReference
from probes import published


def test_percentages_become_fractions_and_a_blank_stays_blank():
    tables = {table.name: table for table in published.tables("clip_fairface")}
    both = next(row for row in tables["Table 5"].rows if row.label == "Zero-Shot CLIP, both")

    assert both.published[0] == 0.967
    assert both.published[-1] is None
    assert both.ours[0] == CellReference("gender/accuracy/race", ("Black",))
    assert both.ours[-1] is None  # an average over races has no group of ours


def test_a_row_may_add_the_level_of_a_second_attribute():
    tables = {table.name: table for table in published.tables("clip_fairface")}
    female = next(row for row in tables["Table 5"].rows if row.label == "Zero-Shot CLIP, female")

    assert female.ours[1] == CellReference("gender/accuracy/race x gender", ("White", "Female"))


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="has 1 cells, not 2"):
        published._row({"label": "x", "published": [1.0]}, {"name": "T", "columns": ["a", "b"]})
