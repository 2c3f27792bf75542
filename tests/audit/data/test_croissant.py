"""croissant.json: the table that it names is read, with its licence and known biases; a table of another folder or content is refused.

The file beside this one was written by mlcroissant 1.1.1 (``Metadata(...).to_json()``); its texts are made up.
"""

import hashlib
import json
from pathlib import Path

import pytest

from audit.data.load import load_dataset
from audit.data.schema import Schema
from audit.errors import DataError
from reports.text.notes import sentence
from tests.support.planted import picture

WRITTEN = Path(__file__).with_name("croissant.json")
TABLE = "image,gender\nimages/0.png,woman\nimages/1.png,man\nimages/2.png,man\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "labels.csv").write_text(TABLE)
    write(tmp_path)
    return tmp_path


def write(folder, table=None, **changes):
    content = json.loads(WRITTEN.read_text())
    content["distribution"][0]["sha256"] = hashlib.sha256(TABLE.encode()).hexdigest()
    content["distribution"][0] |= table or {}
    (folder / "croissant.json").write_text(json.dumps(content | changes))


def load(folder):
    return load_dataset(folder / "croissant.json", Schema(), name="faces", licence="not stated")


def test_the_table_is_read_with_the_licence_and_what_is_known_of_it(folder):
    data = load(folder)
    assert data.attributes["gender"].tolist() == ["woman", "man", "man"]
    assert data.licence == "https://creativecommons.org/licenses/by/4.0/"
    assert [sentence(note) for note in data.notes if note.code.startswith("stated")] == [
        "Known bias, as stated in croissant.json: Two thirds of the pictures are of one group.",
        "Known bias, as stated in croissant.json: Labels were given by one person.",
        "Known limitation, as stated in croissant.json: They show no people.",
        "Personal information, as stated in croissant.json: none: nobody is shown",
    ]
    assert data.fingerprint == load_dataset(folder / "labels.csv", Schema(), name="faces", licence="").fingerprint


def test_without_statements_there_is_none_and_objects_are_named(folder):
    content = json.loads((folder / "croissant.json").read_text())
    del content["rai:dataBiases"], content["rai:dataLimitations"], content["rai:personalSensitiveInformation"], content["license"]
    (folder / "croissant.json").write_text(json.dumps(content))
    data = load(folder)
    assert (data.licence, [note for note in data.notes if note.code.startswith("stated")]) == ("not stated in croissant.json", [])
    write(folder, license=[{"@type": "CreativeWork", "url": "https://example.invalid/l"}, "MIT"], **{"rai:dataBiases": ["x" * 5000] * 50})
    data = load(folder)
    assert data.licence == "https://example.invalid/l, MIT"
    assert [len(note.values["text"]) for note in data.notes if note.code == "stated_bias"] == [600] * 20


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"sha256": "0" * 64}, "not the file that croissant.json describes"),
        ({"contentUrl": "../labels.csv"}, "path that leaves the folder"),
        ({"contentUrl": "/etc/labels.csv"}, "absolute path"),
        ({"contentUrl": "https://example.invalid/labels.csv"}, "URL"),
        ({"contentUrl": "other.csv"}, "does not exist"),
        ({"contentUrl": "images.zip"}, "names 0 tables"),
        ({"contentUrl": "linked.csv"}, "link that leaves the folder"),
    ],
)
def test_a_table_elsewhere_or_with_another_content_is_refused(folder, table, says):
    (folder.parent / "outside.csv").write_text(TABLE)
    (folder / "linked.csv").symlink_to("../outside.csv")
    write(folder, table)
    with pytest.raises(DataError) as caught:
        load(folder)
    assert says in f"{caught.value} {caught.value.why}"


@pytest.mark.parametrize("content", ["[]", "{", '{"name": "x"}', '{"distribution": "labels.csv"}', '{"distribution": [1, null]}'])
def test_a_file_that_is_not_croissant_is_refused(folder, content):
    (folder / "croissant.json").write_text(content)
    with pytest.raises(DataError):
        load(folder)


def test_two_tables_are_refused_by_name(folder):
    content = json.loads((folder / "croissant.json").read_text())
    content["distribution"].append({"@type": "cr:FileObject", "contentUrl": "more.csv"})
    (folder / "croissant.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="names 2 tables"):
        load(folder)
