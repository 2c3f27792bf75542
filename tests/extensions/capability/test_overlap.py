"""Which test pictures training has seen is found by the pixels, in folders and in shards, and stands beside each picture."""

import tarfile

import pytest

from audit.errors import DataError
from audit.extensions.capability import overlap
from audit.types import LoadOptions
from reports.text.notes import sentence
from tests.extensions.capability.made.overlap import make


@pytest.mark.slow
def test_the_forty_pictures_that_were_trained_on_are_found_and_no_other(tmp_path):
    """The first 20 mirrored in a folder, the next 20 recompressed in a shard; 20 other training pictures are like none."""
    make(tmp_path)
    dataset = overlap.load(LoadOptions(tmp_path))
    seen = {name.rpartition("/")[2][:3]: of for name, of in dataset.attributes["near_duplicate_of"].items() if of}
    assert {int(name) for name in seen} == set(range(40))
    assert (seen["000"], seen["025"]) == ("more/0.jpg", "shard-0.tar/25.jpg")
    assert dataset.attributes["overlap"].value_counts().to_dict() == {"clean": 90, "overlap": 40}
    assert "near_duplicate_of" not in dataset.levels
    assert sentence(dataset.notes[-1]) == "40 of 130 test images have a near-duplicate among 60 training images; 0 unreadable."
    asked = overlap.asked_of_data(dataset).measurements[0]
    assert (asked.label_set.labels, asked.claims[0].by) == (("apple", "boat", "cup", "tree"), ("overlap",))


def test_another_layout_and_a_damaged_shard_are_refused(tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="is not laid out as training and test pictures is"):
        overlap.load(LoadOptions(tmp_path))
    (tmp_path / "full").mkdir()
    make(tmp_path / "full")
    (tmp_path / "full" / "training" / "bad.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(DataError, match=r"the shard bad\.tar cannot be read"):
        overlap.load(LoadOptions(tmp_path / "full"))


def test_a_shard_whose_header_states_a_negative_size_is_refused(tmp_path):
    """Taken as it stands, the picture would be read as empty, and the next header would be one that was read before."""
    make(tmp_path)
    header = bytearray(tarfile.TarInfo("a.jpg").tobuf())
    header[124:136] = b"\xff" * 11 + b"\xf0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "training" / "negative.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(DataError, match=r"the shard negative\.tar cannot be read") as refused:
        overlap.load(LoadOptions(tmp_path))
    assert "negative size" in str(refused.value)


def test_pictures_that_cannot_be_read_are_counted_and_none_at_all_is_refused(tmp_path):
    make(tmp_path)
    (tmp_path / "training" / "broken.jpg").write_bytes(b"no picture")
    assert sentence(overlap.load(LoadOptions(tmp_path)).notes[-1]).endswith("among 60 training images; 1 unreadable.")
    for path in (tmp_path / "test").rglob("*.jpg"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="/test can be read"):
        overlap.load(LoadOptions(tmp_path))


def test_the_pairs_are_a_table_beside_the_page(tmp_path):
    import csv

    import audit
    from tests.support.planted import Refuser

    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    audit.audit(model=Refuser(), probe="overlap", data=str(tmp_path / "data"), draws=99, out=tmp_path / "out")
    header, *pairs = csv.reader((tmp_path / "out" / "tables" / "near_duplicates.csv").read_text("utf-8").splitlines())
    assert (header, len(pairs)) == (["probe", "image", "near_duplicate_of"], 40)
    assert ["overlap", "apple/001.jpg", "more/1.jpg"] in [[probe, image.removeprefix("test/"), of] for probe, image, of in pairs]
