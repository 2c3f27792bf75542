"""Withdrawn images: left out and counted by group, whatever their number; never all of them."""

import numpy as np
import pytest

from audit.data.changed.subset import leave_rows_out, without_absent
from audit.errors import DataError
from audit.testing import four_faces
from audit.types import Note


def test_half_of_the_images_may_be_gone_and_are_counted_by_group():
    # Of a, b (Black) and c, d (White), a and d are gone.
    data = without_absent(four_faces(), lambda name: name in "bc", Note("withdrawn"))
    assert list(data.attributes.index) == ["b", "c"]
    (gone,) = data.exclusions
    assert (gone.reason.code, gone.count, gone.by_group["race"]) == ("withdrawn", 2, {"Black": 1, "White": 1})
    assert gone.examples == ("a", "d")
    assert data.fingerprint != four_faces().fingerprint
    assert without_absent(four_faces(), lambda name: True, Note("withdrawn")).exclusions == ()


def test_a_data_set_without_an_image_left_is_refused():
    with pytest.raises(DataError, match="no image of four faces is left"):
        leave_rows_out(four_faces(), np.ones(4, bool), Note("withdrawn"))
