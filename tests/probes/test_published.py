import pytest

from audit.types import CellReference
from probes import published


def test_percentages_become_fractions_a_blank_stays_blank_and_each_cell_names_our_rate():
    (rows,) = ({row.label: row for row in table.rows} for table in published.tables("clip_fairface") if table.name == "Table 5")
    both = rows["Zero-Shot CLIP, both"]

    assert both.published[0] == 0.967
    assert both.published[-1] is None
    assert both.ours[0] == CellReference("gender/accuracy/race", ("Black",))
    assert both.ours[-1] is None  # an average over races has no group of ours
    female = rows["Zero-Shot CLIP, female"]  # a row may add the level of a second attribute
    assert female.ours[1] == CellReference("gender/accuracy/race x gender", ("White", "Female"))


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="has 1 cells, not 2"):
        published._row({"label": "x", "published": [1.0]}, {"name": "T", "columns": ["a", "b"]})
