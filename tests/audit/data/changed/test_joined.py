"""Attributes of a table of its own reach the images that they are about, and no others."""

import pytest

from audit.data.changed.joined import with_attributes
from audit.errors import DataError
from audit.testing import four_faces
from reports.text.notes import sentence


def joined(tmp_path, text, dataset=None):
    (table := tmp_path / "more.csv").write_text(text)
    return with_attributes(dataset or four_faces(1), table)


def test_attributes_are_joined_by_identifier_whatever_the_order(tmp_path):
    """Faces a to d; the table has b, a, c and a stranger x: d has no skin type."""
    found = joined(tmp_path, "id,skin\nb,IV\nx,I\na,II\nc,II\n")
    assert found.attributes["skin"].tolist() == ["II", "IV", "II", "unknown"]
    assert found.levels["skin"] == ("I", "II", "IV", "unknown")
    assert found.attributes[["race", "gender"]].equals(four_faces(1).attributes)
    assert found.fingerprint != four_faces(1).fingerprint
    assert sentence(found.notes[-1]) == "'skin' from more.csv for 3 of 4 images, by their identifiers; rows about other images: 1."


def test_names_of_files_tell_where_folders_differ(tmp_path):
    faces = four_faces(2)
    faces = type(faces)(**{**vars(faces), "attributes": faces.attributes.rename(lambda name: f"val/{name}")})
    found = joined(tmp_path, "file,hat\n/elsewhere/000.png,yes\ntrain/001.png,no\n", faces)
    assert found.attributes["hat"].tolist()[:3] == ["yes", "no", "unknown"]
    assert "by the names of their files" in sentence(found.notes[-1])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("id,skin\nx,I\n", "more.csv names no image of four faces"),
        ("id,race\na,I\n", "the column 'race' of more.csv is there already"),
        ("id,skin\na,I\na,II\n", "conflicting labels for the image 'a'"),
        ("who,skin\na,I\n", "more.csv has no image column"),
        ("id\na\n", "more.csv has no attribute column"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused(tmp_path, text, what):
    with pytest.raises(DataError, match=what):
        joined(tmp_path, text)
