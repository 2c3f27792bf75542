"""A published data set that is not there, not allowed yet, or laid out otherwise: each is said with the way out."""

import pandas as pd
import pytest

from audit.data.layout import folder_of, names_in_folder, wrong_layout
from audit.errors import DataError, MachineError, UsageError
from audit.types import ProbeData

OPEN = ProbeData("GeoDE", ("index.csv: object, ip_country, file_path", "images/"), "https://geodiverse-data-collection.cs.princeton.edu")
GATED = ProbeData("FACET", ("annotations/annotations.csv",), "https://facet.metademolab.com", gate="a form, for research and evaluation")


def test_without_a_location_gated_data_say_how_to_apply_and_open_data_where_they_are():
    with pytest.raises(MachineError, match="FACET is gated: a form, for research and evaluation") as caught:
        folder_of(None, GATED)
    assert (caught.value.exit_code, caught.value.why) == (5, GATED.obtain)
    with pytest.raises(UsageError, match="no location for the data of GeoDE"):
        folder_of(None, OPEN)
    with pytest.raises(UsageError, match="read from its own files, not from DataFrame"):
        folder_of(pd.DataFrame(), OPEN)


def test_another_layout_is_shown_beside_the_expected_one_line_by_line(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "index.txt").write_text("")
    assert folder_of(str(tmp_path), OPEN) == tmp_path
    error = wrong_layout(OPEN, tmp_path, names_in_folder(tmp_path))
    assert isinstance(error, DataError)
    assert error.why == "found: index.txt, pictures/; expected:\n  index.csv: object, ip_country, file_path\n  images/"
    assert "and 2 more" in wrong_layout(OPEN, tmp_path, [str(i) for i in range(10)]).why


@pytest.mark.parametrize(("name", "what"), [("absent", "it does not exist"), ("file.csv", "it is a file")])
def test_a_location_that_is_no_folder_is_named(tmp_path, name, what):
    (tmp_path / "file.csv").write_text("")
    with pytest.raises(DataError, match=what):
        folder_of(tmp_path / name, OPEN)
