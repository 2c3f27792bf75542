"""The count table holds every image exactly once, under its own group."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError, UsageError
from audit.statistics.counts import count_table, group_order, grouped_counts
from audit.types import UNKNOWN
from tests.support.answered import answered

FACES = pd.DataFrame({"race": ["Black", "Black", "White", "White"], "gender": ["Female", "Male", "Female", "Female"]}, dtype="str")
TRUE = np.array(["cat", "dog", "cat", "cat"])
PREDICTED = np.array(["cat", "cat", "dog", "dog"])


def test_each_row_counts_one_combination():
    table = count_table(FACES, TRUE, PREDICTED, ["race"])
    assert table.columns.tolist() == ["race", "y_true", "y_pred", "n"]
    assert table.to_numpy().tolist() == [["Black", "cat", "cat", 1], ["Black", "dog", "cat", 1], ["White", "cat", "dog", 2]]
    assert set(count_table(FACES, None, PREDICTED, ["race"])["y_true"]) == {""}  # without truth


def test_intersections_are_further_columns():
    table = count_table(FACES, TRUE, PREDICTED, ["race", "gender"])
    black, white = [["Black", "Female", "cat", "cat", 1], ["Black", "Male", "dog", "cat", 1]], [["White", "Female", "cat", "dog", 2]]
    assert table.to_numpy().tolist() == black + white


def test_an_attribute_may_be_called_size():
    table = count_table(FACES.rename(columns={"race": "size"}), TRUE, PREDICTED, ["size"])
    assert table.columns.tolist() == ["size", "y_true", "y_pred", "n"]
    assert table["n"].tolist() == [1, 1, 2]


def test_the_order_of_the_images_does_not_matter():
    order = [2, 0, 3, 1]
    shuffled = count_table(FACES.iloc[order], TRUE[order], PREDICTED[order], ["race", "gender"])
    pd.testing.assert_frame_equal(shuffled, count_table(FACES, TRUE, PREDICTED, ["race", "gender"]))


@pytest.mark.parametrize("name", ["NA", "None", "null", "nan", "N/A", " "])
def test_a_group_may_be_called_what_pandas_takes_for_missing(name):
    table = count_table(pd.DataFrame({"race": [name, "White"]}), None, np.array(["cat", "cat"]), ["race"])
    assert dict(zip(table["race"], table["n"], strict=True)) == {name: 1, "White": 1}


@pytest.mark.parametrize("hole", [None, float("nan")])
def test_a_missing_value_is_an_error_not_a_lost_row(hole):
    with pytest.raises(DataError, match="missing values in race"):
        count_table(pd.DataFrame({"race": [hole, "White"]}, dtype=object), None, np.array(["cat", "cat"]), ["race"])
    with pytest.raises(DataError, match="missing values in y_pred"):
        count_table(FACES, None, np.array(["cat", hole, "dog", "dog"], dtype=object), ["race"])


def test_an_unknown_attribute_names_the_nearest_and_none_takes_a_name_of_the_table():
    with pytest.raises(UsageError, match="no attribute 'rase'") as error:
        count_table(FACES, None, PREDICTED, ["rase"])
    assert "did you mean race?" in str(error.value)
    with pytest.raises(UsageError, match="'n'"):  # a name of the table
        count_table(FACES.assign(n="1"), None, PREDICTED, ["n"])


LEVELS = {"race": ("White", "Black"), "gender": ("Male", "Female", UNKNOWN)}


def test_groups_come_in_declared_order_with_the_absent_ones():
    table = count_table(FACES, None, PREDICTED, ["race", "gender"])
    # White x Male has no image, and is shown all the same.
    white, black = (tuple((race, gender) for gender in ("Male", "Female")) for race in ("White", "Black"))
    assert group_order(table, ["race", "gender"], LEVELS) == white + black


def test_groups_with_an_unknown_value_come_last_and_only_when_observed():
    rows = pd.DataFrame({"race": ["Black", UNKNOWN, "White"], "gender": [UNKNOWN, "Male", "Male"]})
    table = count_table(rows, None, np.array(["cat"] * 3), ["race", "gender"])
    assert group_order(table, ["race", "gender"], LEVELS)[4:] == (("Black", UNKNOWN), (UNKNOWN, "Male"))


def test_an_undeclared_level_is_an_error():
    table = count_table(FACES, None, PREDICTED, ["race"])
    with pytest.raises(DataError, match="undeclared value 'Black' of race"):
        group_order(table, ["race"], {"race": ("White", "black")})


def test_images_are_counted_by_group():
    counts = grouped_counts(answered(PREDICTED, FACES, TRUE, ("cat", "dog")), ["race"], LEVELS)
    assert counts.groups == (("White",), ("Black",))
    assert counts.by_group(np.ones(len(counts.table), bool)).tolist() == [2, 2]
    assert counts.by_group((counts.table["y_pred"] == "cat").to_numpy()).tolist() == [0, 2]
    # Images without a true answer can be set aside.
    given = answered(PREDICTED, FACES, np.array(["cat", UNKNOWN, "cat", "cat"]), ("cat", "dog"))
    counts = grouped_counts(given, ["race"], LEVELS).known_truth()
    assert counts.by_group(np.ones(len(counts.table), bool)).tolist() == [2, 1]
