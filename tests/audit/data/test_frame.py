"""A data frame gives the data set that a file of the same content gives, and is refused for the same reasons."""

import io
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.data.table import DataLocation
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


def test_relative_paths_of_a_frame_are_found_below_the_named_folder(folder, monkeypatch):
    frame, file = pd.read_csv(folder / "labels.csv"), load(folder / "labels.csv")
    monkeypatch.chdir("/")
    with pytest.raises(DataError, match=r"none of the 3 images of data frame exists\nwhy: .* looked for below '/'") as caught:
        load(frame)
    assert caught.value.fix == "name the folder that the paths are relative to: --image-root DIR"
    for held in (frame, frame.assign(file=[str(folder / name) for name in frame["file"]])):
        dataset = load(DataLocation("", held=held, image_root=folder))
        assert list(dataset.images) == list(file.images)
        assert (dataset.fingerprint, list(dataset.attributes.index)) == (file.fingerprint, list(file.attributes.index))
    with pytest.raises(UsageError, match=r"the data frame has no column 'pic' \(--image-column\)"):
        load(DataLocation("", held=frame, image_column="pic"))


@pytest.mark.parametrize("stored", ["bytes", "absolute", "relative"])
def test_a_hugging_face_dataset_gives_the_data_set_of_the_file(folder, monkeypatch, stored):
    frame, file = pd.read_csv(folder / "labels.csv"), load(folder / "labels.csv")
    monkeypatch.chdir("/")
    names = [name if stored == "relative" else str(folder / name) for name in frame["file"]]
    cells = [{"bytes": (folder / name).read_bytes() if stored == "bytes" else None, "path": name} for name in names]
    features = {"photo": datasets.Image(), "age": datasets.Value("string"), "race": datasets.ClassLabel(names=["White", "Black"])}
    columns = {"photo": cells, "age": ["9-Mar", "70+", None], "race": [0, 1, 1]}
    data = datasets.Dataset.from_dict(columns, features=datasets.Features(features)).with_format("numpy")
    dataset = load(data if stored != "relative" else DataLocation("", held=data, image_root=folder))
    assert pixels(dataset) == pixels(file)
    assert dataset.attributes.to_numpy().tolist() == file.attributes.to_numpy().tolist()
    assert dataset.source == "a datasets.Dataset"
    assert load(data.select([2, 0]) if stored != "relative" else DataLocation("", held=data.select([2, 0]), image_root=folder)).attributes[
        "race"
    ].tolist() == ["Black", "White"]


def test_several_or_streamed_datasets_are_refused_with_the_way_to_one():
    data = datasets.Dataset.from_dict({"race": ["White"]})
    for given, fix in (
        (datasets.DatasetDict({"test": data, "train": data}), "name one: data=datasets['test']"),
        (data.to_iterable_dataset(), "load it without streaming=True"),
    ):
        with pytest.raises(UsageError) as caught:
            load(given)
        assert caught.value.fix.startswith(fix)
    with pytest.raises(DataError, match=r"a datasets\.Dataset has no column of images"):
        load(data)


ODD = {"file": "File Name", "age": "Age (years)", "race": "Race "}


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "datasets"])
def test_columns_whose_names_are_nearly_those_expected_are_read_and_noted(folder, monkeypatch, kind):
    monkeypatch.chdir(folder)
    frame, file = pd.read_csv("labels.csv").rename(columns=ODD), load("labels.csv")
    frame.insert(0, "Unnamed: 0", [7, 8, 9])
    if kind == "datasets":
        cells = {
            **frame.drop(columns="File Name").fillna(""),
            "photo": [{"bytes": Path(name).read_bytes(), "path": name} for name in frame["File Name"]],
        }
        features = datasets.Features(
            {"Unnamed: 0": datasets.Value("int64"), "photo": datasets.Image()}
            | dict.fromkeys(("Age (years)", "Race "), datasets.Value("string"))
        )
        given = datasets.Dataset.from_dict({name: list(values) for name, values in cells.items()}, features=features)
    else:
        (frame.to_parquet if kind == "parquet" else frame.to_csv)(f"odd.{kind}", index=False)
        given = frame if kind == "frame" else f"odd.{kind}"
    dataset = load(given)
    assert dataset.fingerprint == file.fingerprint
    said = sentences(dataset.notes)
    assert "Columns whose names were assumed: 'Age (years)' as age, 'Race ' as race." in said
    assert ("Columns that were not used: 'Unnamed: 0'." in said) == (kind in ("csv",))


def test_a_column_is_read_under_the_name_that_is_stated(folder, monkeypatch):
    monkeypatch.chdir(folder)
    frame, file = pd.read_csv("labels.csv").rename(columns={"age": "years", "race": "r"}), load("labels.csv")
    for given in ("odd.csv", frame):
        frame.to_csv("odd.csv", index=False)
        place = {"path": given} if isinstance(given, str) else {"path": "", "held": given}
        assert load(DataLocation(**place, columns={"age": "years", "race": "r"})).fingerprint == file.fingerprint
        with pytest.raises(DataError, match="has no column 'age' and no column 'race'") as caught:
            load(given)
        known = "name the columns, as in --column age=COLUMN, or give the table that is meant"
        assert caught.value.fix == f"{known}; for your own labels: --probe zeroshot"
        with pytest.raises(DataError, match=r"has no column 'yeers'.*\nwhy: .*\nfix: did you mean years"):
            load(DataLocation(**place, columns={"age": "yeers", "race": "r"}))
        with pytest.raises(UsageError, match=r"no attribute 'rase' is read from the table \(--column\)\nfix: did you mean race"):
            load(DataLocation(**place, columns={"rase": "r"}))
        assert list(load(DataLocation(**place, columns={"race": "r"}), Schema()).attributes) == ["years", "race"]
    two = frame.rename(columns={"years": "age", "r": "Race"}).assign(RACE="White")
    with pytest.raises(DataError) as caught:
        load(two)
    assert caught.value.fix == "--column race=Race or --column race=RACE"


def test_paths_that_leave_the_folder_of_the_table_are_read_below_image_root(folder):
    (folder / "tables").mkdir()
    frame = pd.read_csv(folder / "labels.csv")
    frame.assign(file="../" + frame["file"]).to_csv(folder / "tables" / "t.csv", index=False)
    with pytest.raises(DataError, match="3 image paths not allowed") as caught:
        load(folder / "tables" / "t.csv")
    assert caught.value.fix.endswith(f"or name a folder above them: --image-root {folder}")
    dataset = load(DataLocation(str(folder / "tables" / "t.csv"), image_root=folder))
    assert list(dataset.attributes.index) == frame["file"].tolist()
    assert list(dataset.images) == list(load(folder / "labels.csv").images)
    frame.assign(file="../../" + frame["file"]).to_csv(folder / "tables" / "t.csv", index=False)
    with pytest.raises(DataError, match="path that leaves the folder"):
        load(DataLocation(str(folder / "tables" / "t.csv"), image_root=folder))
