"""Boxes: by hand in every form, what is no box by line, and what never becomes an image."""

import pytest

from audit.data.cells.boxes import NO_AREA, NO_BOX, OUTSIDE, Box, read_boxes
from audit.data.cells.crops import edges
from audit.errors import DataError
from strictio.images.decode import UnreadableImage

FOUR = ("left", "top", "right", "bottom")


def regions(box, *rows):
    columns = {name: [row[place] for row in rows] for place, name in enumerate(box.columns)}
    return read_boxes(box, columns, lambda row: f"line {row + 2}", "t.csv")


@pytest.mark.parametrize(
    ("box", "row"),
    [
        (Box(("b",)), ["{'x': 10, 'y': 20, 'width': 30.0, 'height': 40, 'rotation': 0}"]),
        (Box(("b",)), ['{"x": 10, "y": 20, "width": 30, "height": 40}']),
        (Box(("b",)), ["[10, 20, 30, 40]"]),
        (Box(("b",), corners=True), [" (10, 20, 40, 60) "]),
        (Box(FOUR), ["10", "20", "30", "40"]),
        (Box(FOUR, corners=True), ["10", "20.0", "4e1", "60"]),
    ],
)
def test_every_form_of_one_box_is_the_same_region(box, row):
    assert regions(box, row) == [(10, 20, 40, 60)]


def test_rows_without_a_usable_box_say_why():
    shares = Box(FOUR, corners=True, shares=True)
    rows = [
        ["", "", "", ""],
        ["nan", "0", "1", "1"],
        ["0", "0", "inf", "1"],
        [".5", "0", ".5", "1"],
        [".6", "0", ".5", "1"],
        ["1", "0", "2", "1"],
    ]
    assert regions(shares, *rows) == [NO_BOX, NO_BOX, NO_BOX, NO_AREA, NO_AREA, OUTSIDE]
    assert regions(Box(("b",)), ["[None, 0, 1, 1]"], ["[-5, 0, 5, 9]"]) == [NO_BOX, OUTSIDE]


@pytest.mark.parametrize(
    "cell", ["__import__('os').system('x')", "[1, 2, 3]", "{'x': 1}", "[1, 2, 3, 'a']", "[True, 1, 2, 3]", "x", "(" * 9000, "[1, 2, 3, 4"]
)
def test_a_cell_that_is_no_literal_of_a_box_is_named_by_line_and_never_run(cell):
    with pytest.raises(DataError, match="not a box") as caught:
        regions(Box(("b",)), ["[1, 2, 3, 4]"], [cell])
    assert "line 3" in caught.value.why


def test_a_margin_is_clipped_to_the_picture_and_a_box_outside_it_is_refused():
    # 20 of 100 pixels wide, 10 of 50 high; a quarter of each is added on both sides.
    assert edges((0.4, 0.4, 0.6, 0.6), (100, 50), Box(("b",), shares=True, margin=0.25)) == (35, 17, 65, 33)
    assert edges((-5, -5, 10, 10), (20, 8), Box(("b",))) == (0, 0, 10, 8)
    assert edges((0.3, 0, 0.7, 1), (10, 10), Box(("b",), shares=True)) == (3, 0, 7, 10)  # not 8: 7.000000000000001
    with pytest.raises(UnreadableImage, match="box outside the picture"):
        edges((20, 0, 30, 5), (20, 8), Box(("b",), margin=9))  # the margin would reach it


@pytest.mark.parametrize(
    ("made", "error"),
    [({"columns": "box"}, TypeError), ({"columns": ("a", "b")}, ValueError), ({"columns": ("a",), "margin": -1}, ValueError)],
)
def test_a_box_that_cannot_be_meant_is_refused(made, error):
    with pytest.raises(error):
        Box(**made)
