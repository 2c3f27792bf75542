"""Several values of an attribute: lists, `a|b` and counts of annotators become the same votes."""

import pytest

from audit.data.cells.votes import given_values
from audit.data.schema import Cells, Column, Schema, read
from audit.errors import DataError

TONES = Column("tone", ("1", "2", "3"), counts=("tone_1", "tone_2", "tone_3"))


def read_column(column, **columns):
    rows = len(next(iter(columns.values())))
    return read(Schema((column,)), Cells(columns, range(2, rows + 2), "t.csv"))


def test_counts_lists_and_bars_say_the_same():
    by_counts = read_column(TONES, tone_1=["2", "0", ""], tone_2=["1", "1", "0"], tone_3=["0", "0", "0"])
    listed = Column("tone", ("1", "2", "3"), several=True)
    assert by_counts.columns == {"tone": ["1|1|2", "2", "unknown"]}
    assert read_column(listed, tone=["['1', 1, '2']", "2", "[]"]).columns == by_counts.columns
    assert read_column(listed, tone=["2|1|1", " 2 ", ""]).columns == by_counts.columns
    assert by_counts.levels == {"tone": ("1", "2", "3", "unknown")}
    assert by_counts.several == ("tone",)


def test_missing_values_of_a_list_are_no_votes_and_aliases_are_read():
    column = Column("ancestry", ("Africa", "Asia"), {"11. Asia": "Asia", "nobody says": "unknown"}, several=True)
    assert read_column(column, ancestry=["['11. Asia', None]", "['nobody says']", "['11. Asia', 'Africa']"]).columns["ancestry"] == [
        "Asia", "unknown", "Africa|Asia",
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["['Africa', 'Mars']", "['Africa'", "[__import__('os')]", "Mars", "[['Africa']]"])
def test_what_is_not_declared_or_no_list_is_refused_by_line(cell):
    with pytest.raises(DataError, match="undeclared value") as caught:
        read_column(Column("ancestry", ("Africa",), several=True), ancestry=["Africa", cell])
    assert "line 3" in caught.value.why


@pytest.mark.parametrize("cell", ["-1", "1.5", "two", "nan", "inf"])
def test_a_count_that_is_not_a_whole_number_is_named_by_line(cell):
    with pytest.raises(DataError, match="not a count") as caught:
        read_column(TONES, tone_1=["1", cell], tone_2=["0", "0"], tone_3=["0", "0"])
    assert "line 3" in caught.value.why


def test_counts_beyond_reason_and_missing_columns_are_refused():
    with pytest.raises(DataError, match="2,000 votes for one image"):
        read_column(TONES, tone_1=["2000"], tone_2=["0"], tone_3=["0"])
    with pytest.raises(DataError, match="no column 'tone_3'"):
        read_column(TONES, tone_1=["1"], tone_2=["0"])
    with pytest.raises(ValueError, match="2 columns of counts for 1 values"):
        Column("tone", ("1",), counts=("a", "b"))
    with pytest.raises(ValueError, match="separates several"):
        Column("tone", ("1|2",), several=True)
    assert given_values("a | b") == ("a", "b")
