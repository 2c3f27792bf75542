"""Web datasets: what a shard says is read as it stands, images when asked for; nothing is unpacked, unpickled or guessed."""

import gzip
import io
import json
import pickle
import tarfile

import pytest

from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.data.table import DataLocation
from audit.errors import AuditError, DataError, UnsafeError
from audit.run import main
from strictio.images.decode import UnreadableImage
from tests.support.notes import sentences
from tests.support.planted import picture
from tests.support.web_datasets import npy, shard, tar

ROWS = [{"race": "A" if number % 2 else "B", "age": 20 + number, "boxes": [1, 2], "seen": number > 2, "note": None} for number in range(6)]


def load(location, schema=None):
    return load_dataset(str(location), schema or Schema(), name="made", licence="none")


def refusal(location, kind=DataError):
    with pytest.raises(kind) as error:
        load(location)
    return str(error.value)


def test_samples_become_rows_and_images_are_read_from_where_they_lie(tmp_path):
    shard(tmp_path / "0.tar", 0, ROWS[:4])
    shard(tmp_path / "1.tar", 4, ROWS[4:])
    found = load(f"{tmp_path}/{{0..1}}.tar")
    assert list(found.attributes.index) == [f"{number:06d}" for number in range(6)]
    assert found.attributes["race"].tolist() == ["B", "A"] * 3
    assert found.attributes["age"].tolist() == ["20", "21", "22", "23", "24", "25"]
    assert found.attributes["seen"].tolist() == ["False"] * 3 + ["True"] * 3
    assert "boxes" not in found.attributes
    assert [found.images[row] for row in (5, 0)] == [picture(5), picture(0)]
    folder = load(tmp_path)
    assert folder.fingerprint == found.fingerprint


def test_classes_texts_and_numbers_beside_an_image_are_columns(tmp_path):
    members = [("a/1.JPG", picture(1)), ("a/1.cls", b"cup\n"), ("a/1.txt", b"a cup"), ("a/1.npy", npy([3, 4.5])),
               ("a/2.jpg", picture(2)), ("a/2.cls", b"boat")]  # fmt: skip
    tar(tmp_path / "x.tar", members)
    found = load(tmp_path / "x.tar")
    assert found.attributes.to_dict("list") == {"class": ["cup", "boat"], "npy 1": ["3", "unknown"], "npy 2": ["4.5", "unknown"]}
    declared = load(tmp_path / "x.tar", Schema((Column("class"), Column("txt", optional=True))))
    assert declared.attributes["txt"].tolist() == ["a cup", "unknown"]


def test_keys_that_repeat_in_another_shard_are_told_apart_and_an_image_may_be_missing(tmp_path):
    shard(tmp_path / "0.tar", 0, ROWS[:2])
    tar(tmp_path / "1.tar", [("000000.json", json.dumps(ROWS[3]).encode()), ("000001.png", picture(7)), ("000001.json", b'{"race": "C"}')])
    found = load(f"{tmp_path}/{{0,1}}.tar")
    assert list(found.attributes.index) == ["0.tar/000000", "0.tar/000001", "1.tar/000000", "1.tar/000001"]
    with pytest.raises(UnreadableImage, match="missing file"):
        found.images[2]
    assert found.images[3] == picture(7)


@pytest.mark.extension("capability")
def test_a_missing_shard_is_named(tmp_path):
    shard(tmp_path / "00.tar", 0, ROWS[:2])
    shard(tmp_path / "02.tar", 2, ROWS[2:])
    assert "the shard '01.tar' is missing" in refusal(f"{tmp_path}/{{00..02}}.tar")
    assert main(["--model", "x.pt", "--probe", "zeroshot", "--data", f"{tmp_path}/{{00..02}}.tar", "--out", str(tmp_path / "out")]) == 3
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize("left", [0.3, 0.75])
def test_a_truncated_shard_is_named_wherever_it_was_cut(tmp_path, left):
    whole = shard(tmp_path / "0.tar", 0, ROWS).read_bytes()
    (tmp_path / "0.tar").write_bytes(whole[: int(len(whole) * left) // 7 * 7])
    assert "0.tar" in refusal(tmp_path / "0.tar")


def test_a_shard_cut_between_two_members_is_not_a_whole_one(tmp_path):
    whole = shard(tmp_path / "0.tar", 0, ROWS).read_bytes()
    with tarfile.open(tmp_path / "0.tar") as archive:
        end = archive.getmembers()[4].offset
    (tmp_path / "0.tar").write_bytes(whole[:end])
    assert "0.tar ends early" in refusal(tmp_path / "0.tar")


def test_other_files_and_compressed_shards_say_what_they_are(tmp_path):
    whole = shard(tmp_path / "0.tar", 0, ROWS).read_bytes()
    (tmp_path / "0.tar").write_bytes(gzip.compress(whole))
    assert "0.tar is compressed" in refusal(tmp_path / "0.tar")
    (tmp_path / "0.tar").write_bytes(b"hello" * 1000)
    assert "0.tar is not a tar file" in refusal(tmp_path / "0.tar")
    tar(tmp_path / "0.tar", [])
    assert "holds no sample" in refusal(tmp_path / "0.tar")
    tar(tmp_path / "0.tar", [("1.png", picture(1))])
    assert "no attributes" in refusal(tmp_path / "0.tar")


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["1.pyd", "1.meta.pickle", "1.pth"])
def test_pickled_members_are_refused_unread(tmp_path, name):
    tar(tmp_path / "0.tar", [("1.png", picture(1)), (name, pickle.dumps(Canary(tmp_path / "canary"))), ("1.json", b'{"race": "A"}')])
    assert "holds pickled objects" in refusal(tmp_path / "0.tar", UnsafeError)
    assert not (tmp_path / "canary").exists()


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(tmp_path / "canary")], object), allow_pickle=True)
    tar(tmp_path / "0.tar", [("1.png", picture(1)), ("1.npy", buffer.getvalue())])
    assert "an .npy member that cannot be read" in refusal(tmp_path / "0.tar")
    assert not (tmp_path / "canary").exists()


def test_names_lead_nowhere_and_nothing_is_unpacked(tmp_path):
    (tmp_path / "data").mkdir()
    before = set(tmp_path.rglob("*"))
    tar(tmp_path / "data" / "0.tar", [("../../evil.png", picture(1)), ("../../evil.json", b'{"race": "A"}'), ("/etc/x.png", picture(2))])
    found = load(tmp_path / "data" / "0.tar")
    assert [bytes(image) for image in found.images] == [picture(1), picture(2)]
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "data" / "0.tar"}
    with tarfile.open(tmp_path / "data" / "0.tar", "w") as archive:
        link = tarfile.TarInfo("1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "is a link or a device" in refusal(tmp_path / "data" / "0.tar")


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (("1.json", b"{"), "a .json member that cannot be read"),
        (("1.json", b"[1]"), "a .json member that holds list"),
        (("1.json", b'{"race": "\xe9"}'), "a .json member that is not UTF-8"),
        (("1.json", b"[" * 100_000), "a .json member that cannot be read"),
        (("1.json", b" " * (2**20 + 1)), "at most 1,048,576 describe an image"),
        (("1.npy", b"\x93NUMPY"), "an .npy member that cannot be read"),
        (("1.npy", npy(["a"])), "an .npy member of <U1"),
    ],
)
def test_a_damaged_member_is_named_with_its_sample(tmp_path, member, said):
    tar(tmp_path / "0.tar", [("1.png", picture(1)), member])
    with pytest.raises(AuditError) as error:
        load(tmp_path / "0.tar")
    assert said in str(error.value)
    assert "0.tar" in str(error.value)


def test_json_keys_whose_names_are_nearly_those_expected_are_read_and_noted(tmp_path):
    """As columns of a table are; --column names any other key."""
    schema = Schema((Column("gender"), Column("race"), Column("age")))
    odd = [{"Gender ": "F" if number % 2 else "M", "Race": "A", "Age (years)": number} for number in range(4)]
    shard(tmp_path / "0.tar", 0, odd)
    dataset = load(tmp_path / "0.tar", schema)
    assert dataset.attributes["gender"].tolist() == ["M", "F"] * 2
    assert dataset.attributes["age"].tolist() == ["0", "1", "2", "3"]
    said = sentences(dataset.notes)
    assert "Columns whose names were assumed: 'Gender ' as gender, 'Race' as race, 'Age (years)' as age." in said
    two = [row | {"GENDER": "X", "sex": row["Gender "]} for row in odd]
    shard(tmp_path / "1.tar", 0, two)
    with pytest.raises(DataError, match="has no column 'gender'") as caught:
        load(tmp_path / "1.tar", schema)
    assert caught.value.fix == "--column gender='Gender ' or --column gender=GENDER"
    stated = load_dataset(DataLocation(str(tmp_path / "1.tar"), columns={"gender": "sex"}), schema, name="made", licence="none")
    assert stated.attributes["gender"].tolist() == ["M", "F"] * 2
