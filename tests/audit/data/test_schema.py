"""Strict reading of attribute values: nothing is guessed, nothing is lost, everything that changed is said."""

import unicodedata

import pytest

from audit.data.schema import Cells, Column, Schema, check_classes, image_column, quoted, read
from audit.errors import DataError
from tests.support.notes import sentences

AGES = ("0-2", "3-9", "10-19")
AGE = Column("age", AGES, {"0 to 2": "0-2"}, {"9-Mar": "3-9", "03-Sep": "3-9", "19-Oct": "10-19", "Oct-19": "10-19"})
RACE = Column("race", ("White", "Latino_Hispanic"), {"Latino": "Latino_Hispanic", "WHITE": "White"})


def cells(first_line=2, **columns):
    rows = len(next(iter(columns.values())))
    return Cells({"file": [f"{row}.jpg" for row in range(rows)], **columns}, range(first_line, first_line + rows), "labels.csv")


def test_declared_levels_keep_their_order_and_stay_even_where_no_image_has_them():
    attributes = read(Schema((RACE,)), cells(race=["Latino_Hispanic"]))
    assert attributes.levels == {"race": ("White", "Latino_Hispanic")}
    assert sentences(attributes.notes) == ()


def test_ages_damaged_by_a_spreadsheet_are_repaired_counted_and_said():
    attributes = read(Schema((AGE,)), cells(age=["9-Mar", "3-9", "03-Sep", "19-Oct", "9-Mar", "Oct-19"]))
    assert attributes.columns["age"] == ["3-9", "3-9", "3-9", "10-19", "3-9", "10-19"]
    assert sentences(attributes.notes) == (
        "age: values damaged by a spreadsheet and repaired: 5 "
        "('03-Sep' to '3-9': 1, '19-Oct' to '10-19': 1, '9-Mar' to '3-9': 2, 'Oct-19' to '10-19': 1).",
    )


def test_aliases_mean_one_level_and_a_mere_difference_of_case_is_no_news():
    attributes = read(Schema((RACE,)), cells(race=["Latino", "Latino_Hispanic", "WHITE"]))
    assert attributes.columns["race"] == ["Latino_Hispanic", "Latino_Hispanic", "White"]
    assert sentences(attributes.notes) == ("race: values read under the stored name: 1 ('Latino' to 'Latino_Hispanic': 1).",)


def test_strings_that_pandas_takes_for_missing_are_groups():
    """Trap T10: pandas.read_csv loses all six; only the empty cell is missing."""
    groups = ["NA", "None", "null", "nan", "N/A", "NaN", ""]
    attributes = read(Schema(), cells(race=groups))
    assert attributes.columns["race"] == ["NA", "None", "null", "nan", "N/A", "NaN", "unknown"]
    assert attributes.levels["race"] == ("N/A", "NA", "NaN", "None", "nan", "null", "unknown")
    assert sum("counts as a group; leave the cell empty" in note for note in sentences(attributes.notes)) == 6


def test_a_group_that_a_spreadsheet_made_a_date_is_kept_and_said():
    attributes = read(Schema(), cells(age=["3-9", "9-Mar", "Oct-19", "Marta-9"]))
    assert attributes.columns["age"] == ["3-9", "9-Mar", "Oct-19", "Marta-9"]
    note = "age: '9-Mar' counts as a group; it looks like a value that a spreadsheet turned into a date."
    assert sentences(attributes.notes) == (note,)


def test_missing_values_form_a_group_that_is_counted_and_comes_last():
    attributes = read(Schema((RACE,)), cells(race=["", "White", "  "]))
    assert attributes.columns["race"] == ["unknown", "White", "unknown"]
    assert attributes.levels["race"] == ("White", "Latino_Hispanic", "unknown")
    assert sentences(attributes.notes) == ("race: missing values: 2; these rows form the group 'unknown', which is not tested.",)


def test_an_undeclared_value_is_named_with_its_count_and_its_first_line():
    with pytest.raises(DataError) as caught:
        read(Schema((RACE,)), cells(race=["White", "Whote", "Martian", "Martian"]))
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert "undeclared value 'Whote' in the column 'race'" in message
    assert "'Whote' (1 row, first at line 3), 'Martian' (2 rows, first at line 4)" in message
    assert "did you mean White?" in message


@pytest.mark.parametrize("strange", ["9-Apr", "NA", "white ", "3–9", "unknown?"])
def test_nothing_is_guessed(strange):
    with pytest.raises(DataError, match="undeclared value"):
        read(Schema((AGE,)), cells(age=[strange]))


def test_a_missing_column_is_named_with_those_found_and_the_nearest():
    with pytest.raises(DataError) as caught:
        read(Schema((AGE, RACE)), cells(age=["0-2"], rase=["White"]))
    assert "labels.csv has no column 'race'" in str(caught.value)
    assert "found the columns: file, age, rase" in str(caught.value)
    assert "did you mean rase" in str(caught.value)


def test_an_optional_column_may_be_missing_but_not_every_row_or_attribute():
    schema = Schema((RACE, Column("service_test", ("True", "False"), optional=True)))
    assert list(read(schema, cells(race=["White"])).columns) == ["race"]
    for of_nothing, table, says in ((Schema((RACE,)), cells(race=[]), "no rows"), (Schema(), cells(file=["1.jpg"]), "no attribute column")):
        with pytest.raises(DataError, match=says):
            read(of_nothing, table)


def test_without_declared_columns_every_column_but_the_images_is_an_attribute():
    found = Cells({"": ["0"], "__index_level_0__": ["0"], "path": ["1.jpg"], "file": ["1.jpg"], "b": ["y"], "a": ["x"]}, [2], "t.csv")
    attributes = read(Schema(), found)
    assert attributes.levels == {"b": ("y",), "a": ("x",)}
    assert sentences(attributes.notes) == ()


def test_columns_that_the_schema_does_not_know_are_left_out_and_said():
    attributes = read(Schema((RACE,)), cells(race=["White"], bbox=["1 2 3 4"]))
    assert list(attributes.columns) == ["race"]
    assert sentences(attributes.notes) == ("Columns that were not used: 'bbox'.",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("White", "white"), ("White", "White "), ("East Asian", "East  Asian"),
        (unicodedata.normalize("NFC", "Métis"), unicodedata.normalize("NFD", "Métis")),
    ],
)  # fmt: skip
def test_levels_that_look_alike_are_kept_apart_and_pointed_out(one, other):
    attributes = read(Schema(), cells(race=[one, other, "Black"]))
    assert len(set(attributes.columns["race"])) == 3
    assert [note for note in sentences(attributes.notes) if "differ only in case, spaces or Unicode form" in note]
    assert "Black" not in sentences(attributes.notes)[0]
    assert read(Schema(), cells(race=["White", "Black", "Blanc"])).notes == ()


def test_the_first_known_image_column_counts():
    assert image_column(Schema(), ["race", "image", "path", "file"], "t.csv") == "file"
    with pytest.raises(DataError) as caught:
        image_column(Schema(), ["race", "picture"], "t.csv")
    assert "found the columns: race, picture" in str(caught.value)
    assert "file, image" in str(caught.value)


def test_class_names_in_another_order_stop_the_reading():
    """Ids read with shifted names would give every image a plausible wrong group."""
    race = Column("race", ("White", "Latino_Hispanic"), {"Latino": "Latino_Hispanic"}, classes=("Latino_Hispanic", "White"))
    check_classes(race, ["Latino", "White"], "the hub")
    with pytest.raises(DataError, match="in another order"):
        check_classes(race, ["White", "Latino"], "the hub")
    with pytest.raises(DataError, match="class names"):
        check_classes(race, ["Latino"], "the hub")
    check_classes(Column("race", ("White", "Latino_Hispanic")), ["Latino_Hispanic", "White"], "the hub")  # declares no ids


def test_messages_show_no_control_character_and_end():
    assert quoted("a\x00\u202e") == "'a\\x00\\u202e'"
    assert len(quoted("A" * 100_000)) == 82


def test_levels_in_one_text_are_no_levels():
    """Each letter was one, and so `"LR"` held the levels L and R."""
    for wrong in ({"values": "LR"}, {"classes": ("left")}):
        with pytest.raises(TypeError, match=r"expected a tuple; a comma makes a tuple of one: \('"):
            Column("hand", **wrong)
    with pytest.raises(TypeError, match=r"columns: a Column, expected a tuple"):
        Schema(Column("hand"))
