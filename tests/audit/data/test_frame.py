"""A data frame gives the data set that a file of the same content gives, and is refused for the same reasons."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.errors import DataError, UsageError
from strictio.images.decode import UnreadableImage, decode
from tests.support.notes import sentences

COLOURS = ("red", "lime", "blue")
FACES = Schema((Column("age", ("3-9", "more than 70"), {"70+": "more than 70"}, {"9-Mar": "3-9"}), Column("race", ("White", "Black"))))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "val").mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (16, 16), colour).save(tmp_path / "val" / f"{number}.png")
    frame = pd.DataFrame({"file": [f"val/{i}.png" for i in range(3)], "age": ["9-Mar", "70+", None], "race": ["White", "Black", "Black"]})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def load(location, schema=FACES):
    return load_dataset(location, schema, name="faces", licence="none")


def pixels(dataset):
    return [np.asarray(decode(content).image).tolist() for content in dataset.images]


def images(folder):
    return [Image.open(folder / "val" / f"{i}.png") for i in range(3)]


@pytest.mark.parametrize("paths", ["relative", "absolute", "Path"])
def test_a_frame_of_paths_gives_the_data_set_of_the_file(folder, monkeypatch, paths):
    monkeypatch.chdir(folder)
    frame, file = pd.read_csv("labels.csv"), load("labels.csv")
    if paths != "relative":
        frame["file"] = [folder / name if paths == "Path" else str(folder / name) for name in frame["file"]]
        monkeypatch.chdir("/")
    dataset = load(frame)
    pd.testing.assert_frame_equal(dataset.attributes.reset_index(drop=True), file.attributes.reset_index(drop=True))
    assert (dataset.fingerprint, dataset.levels, dataset.notes) == (file.fingerprint, file.levels, file.notes)
    assert [Path(name).name for name in dataset.attributes.index] == ["0.png", "1.png", "2.png"]
    assert list(dataset.images) == list(load(folder / "labels.csv").images)
    assert dataset.source == "a data frame"


@pytest.mark.parametrize("kind", ["PIL", "bytes", "datasets"])
def test_a_frame_of_images_gives_the_same_pixels_labels_and_fingerprint(folder, kind):
    frame, file = pd.read_csv(folder / "labels.csv"), load(folder / "labels.csv")
    held = {
        "PIL": images(folder) if kind == "PIL" else [],
        "bytes": [(folder / name).read_bytes() for name in frame["file"]],
        "datasets": [{"bytes": (folder / name).read_bytes(), "path": name} for name in frame["file"]],
    }[kind]
    # Bytes have no names of their own: the column of paths beside them identifies the rows.
    frame = frame.assign(picture=held) if kind == "bytes" else frame.drop(columns="file").assign(image=held)
    dataset = load(frame)
    assert pixels(dataset) == pixels(file)
    assert dataset.fingerprint == file.fingerprint
    assert dataset.attributes.to_numpy().tolist() == file.attributes.to_numpy().tolist()


def test_images_without_names_are_identified_by_row_number_and_a_named_index_is_a_column(folder, monkeypatch):
    dataset = load(pd.DataFrame({"image": [Image.new("RGB", (8, 8)), Image.new("L", (8, 8))], "race": ["A", "B"]}), Schema())
    assert list(dataset.attributes.index) == ["1", "2"]
    assert "row number" in sentences(dataset.notes)[0]
    monkeypatch.chdir(folder)
    frame = pd.read_csv("labels.csv")
    assert load(frame.set_index("file")).fingerprint == load(frame).fingerprint


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "I;16", "RGBA", "1", "YCbCr"])
def test_every_mode_gives_the_pixels_of_the_image(mode):
    grey = Image.linear_gradient("L").resize((16, 16))
    image = Image.fromarray((np.asarray(grey).astype(np.uint16)) * 257) if mode == "I;16" else grey.convert("RGB").convert(mode)
    dataset = load(pd.DataFrame({"image": [image] * 2, "race": ["A", "B"]}), Schema())
    right = grey.convert("RGB") if mode == "I;16" else image.convert("RGB")
    np.testing.assert_array_equal(np.asarray(decode(dataset.images[0]).image), np.asarray(right))


def test_a_photograph_taken_sideways_is_turned_as_from_a_file():
    image = Image.linear_gradient("L").resize((16, 24)).convert("RGB")
    image.getexif()[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=image.getexif())
    frame = pd.DataFrame({"image": [image, Image.open(io.BytesIO(buffer.getvalue()))], "race": ["A", "B"]})
    for content in load(frame, Schema()).images:
        decoded = decode(content)
        assert decoded.image.size == (24, 16)
        assert decoded.conversions == decode(buffer.getvalue()).conversions


def test_an_image_that_cannot_be_used_is_counted_like_a_file():
    frame = pd.DataFrame({"image": [Image.new("RGB", (8, 8)), None, Image.new("F", (8, 8)), 5], "race": list("ABAB")})
    for row, reason in enumerate(("missing file", "pixel format not accepted", "missing file"), 1):
        with pytest.raises(UnreadableImage, match=f"^{reason}$"):
            load(frame, Schema()).images[row]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda frame: frame.rename(columns={"race": "rave"}), DataError, "data frame has no column 'race'"),
        (lambda frame: frame.assign(race="Purple"), DataError, "undeclared value 'Purple' in the column 'race' (data frame)"),
        (lambda frame: frame.assign(file="../x.png"), DataError, "image paths not allowed (data frame)"),
        (lambda frame: frame.assign(file="nowhere.png"), DataError, "none of the 3 images of data frame exists"),
        (lambda frame: frame.drop(columns="file"), DataError, "data frame has no image column"),
        (lambda frame: frame.iloc[:0], DataError, "data frame has columns but no rows"),
        (lambda frame: pd.concat([frame, frame["race"]], axis=1), DataError, "data frame has the column 'race' twice"),
        (lambda frame: frame.assign(race=[1, "a", 2.5]), DataError, "cannot read the data frame"),
        (lambda frame: frame.to_dict(), UsageError, "data of type dict"),
    ],
)
def test_a_frame_is_refused_as_a_file_is(folder, monkeypatch, change, kind, words):
    monkeypatch.chdir(folder)
    with pytest.raises(kind) as caught:
        load(change(pd.read_csv("labels.csv")))
    assert words in str(caught.value)
