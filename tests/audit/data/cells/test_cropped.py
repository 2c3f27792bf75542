"""Data sets of boxes: each crop is an image, its picture the cluster; hashed, named and counted as what it is."""

import io

import numpy as np
import pytest
from PIL import Image

from audit.data import load_dataset
from audit.data.cells.boxes import Box
from audit.data.schema import Column, Schema
from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images
from audit.errors import DataError
from audit.testing import FakeEncoder
from strictio.images.decode import UnreadableImage, decode

RED, LIME = (255, 0, 0), (0, 255, 0)
SCHEMA = Schema((Column("gender", ("Female", "Male")),), box=Box(("left", "top", "right", "bottom"), corners=True, shares=True))
HEADER = "file,left,top,right,bottom,gender"


def halves(path, *, orientation=1):
    """A picture 40 wide and 20 high, red on its left half and green on its right."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(LIME, (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


def table(folder, *rows, schema=SCHEMA, header=HEADER):
    (folder / "labels.csv").write_text("\n".join([header, *rows]), "utf-8")
    return load_dataset(folder, schema, name="boxes", licence="none")


def colour(content):
    return tuple(np.asarray(decode(content).image).reshape(-1, 3).mean(0).round().astype(int).tolist())


def test_two_people_of_one_picture_are_two_images_of_one_cluster(tmp_path):
    halves(tmp_path / "1.png")
    data = table(tmp_path, "1.png,0,0,.5,1,Female", "1.png,.5,0,1,1,Male", "1.png,0,0,1,1,")
    assert [colour(content) for content in data.images] == [RED, LIME, (128, 128, 0)]
    assert list(data.attributes.index) == ["1.png#0,0,0.5,1", "1.png#0.5,0,1,1", "1.png#0,0,1,1"]
    assert data.attributes["picture"].tolist() == ["1.png"] * 3
    assert data.attributes["gender"].tolist() == ["Female", "Male", "unknown"]
    assert "picture" not in data.levels
    assert decode(data.images[0]).image.size == (20, 20)


def test_boxes_are_of_the_upright_picture(tmp_path):
    halves(tmp_path / "1.jpg", orientation=6)  # turned by 90 degrees: 20 wide, 40 high, red above
    data = table(tmp_path, "1.jpg,0,0,1,.5,Female", "1.jpg,0,.5,1,1,Male")
    assert [decode(content).image.size for content in data.images] == [(20, 20), (20, 20)]
    assert [np.argmax(colour(content)) for content in data.images] == [0, 1]


@pytest.mark.slow
def test_equal_crops_of_different_pictures_are_embedded_once_and_rows_in_another_order_are_the_same_data(tmp_path):
    halves(tmp_path / "1.png")
    Image.new("RGB", (20, 20), RED).save(tmp_path / "2.png")
    rows = ["1.png,0,0,.5,1,Female", "1.png,.5,0,1,1,Male", "2.png,0,0,1,1,Female"]
    data = table(tmp_path, *rows)
    embedded = embed_images(FakeEncoder(), data, MemoryRoot())
    assert embedded.computed == 2
    assert embedded.contents[0] == embedded.contents[2] != embedded.contents[1]
    assert table(tmp_path, *rows[::-1]).fingerprint == data.fingerprint
    assert table(tmp_path, "1.png,0,0,.5,.9,Female", *rows[1:]).fingerprint != data.fingerprint


def test_rows_without_a_usable_box_are_counted_by_reason_and_group(tmp_path):
    halves(tmp_path / "1.png")
    data = table(tmp_path, "1.png,0,0,.5,1,Female", "1.png,.5,0,.5,1,Male", "1.png,,,,,Male", "1.png,,,,,Female", "1.png,2,0,3,1,")
    assert [(exclusion.reason.code, exclusion.count, exclusion.by_group["gender"]) for exclusion in data.exclusions] == [
        ("box_outside_the_picture", 1, {"unknown": 1}),
        ("box_without_area", 1, {"Male": 1}),
        ("no_box", 2, {"Male": 1, "Female": 1}),
    ]
    assert len(data.images) == 1
    with pytest.raises(DataError, match=r"no row of labels\.csv has a box"):
        table(tmp_path, "1.png,,,,,Male")


def test_a_box_of_pixels_beyond_its_picture_is_left_out_when_it_is_read(tmp_path):
    halves(tmp_path / "1.png")
    schema = Schema((Column("gender"),), box=Box(("box",)))
    data = table(
        tmp_path,
        '1.png,"[0, 0, 20, 20]",a',
        '1.png,"[40, 0, 9, 9]",b',
        '1.png,"[20, 0, 900, 900]",b',
        schema=schema,
        header="file,box,gender",
    )
    embedded = embed_images(FakeEncoder(), data, MemoryRoot(), max_skip=0.5)
    assert [(exclusion.reason.code, exclusion.by_group["gender"]) for exclusion in embedded.exclusions] == [
        ("box_outside_the_picture", {"b": 1})
    ]
    assert embedded.vectors.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_damaged_and_missing_pictures_are_left_out_with_all_their_crops(tmp_path):
    halves(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:40])
    data = table(tmp_path, "1.png,0,0,.5,1,Female", "2.png,0,0,1,1,Male", "3.png,0,0,1,1,Male")
    for row in (1, 2):
        with pytest.raises(UnreadableImage):
            data.images[row]


def test_people_who_share_a_box_are_two_rows_and_a_repeated_row_is_one(tmp_path):
    halves(tmp_path / "1.png")
    data = table(tmp_path, "1.png,0,0,1,1,Male", "1.png,0,0,1,1,Female", "1.png,0,0,1,1,Male")
    assert data.attributes["gender"].to_dict() == {"1.png#0,0,1,1 (2)": "Male", "1.png#0,0,1,1 (1)": "Female"}
    assert [note.code for note in data.notes if note.code == "repeated_rows"]


def test_a_missing_column_of_the_box_is_named(tmp_path):
    halves(tmp_path / "1.png")
    with pytest.raises(DataError, match="no column 'bottom'"):
        table(tmp_path, "1.png,0,0,1,Male", header="file,left,top,right,gender")


def test_boxes_in_parquet_and_without_declared_columns(tmp_path):
    halves(tmp_path / "1.png")
    import pandas as pd

    frame = pd.DataFrame({"file": ["1.png", "1.png"], "x": [0, 20], "y": [0, 0], "w": [20, 20], "h": [20, 20], "light": ["day", "night"]})
    frame.to_parquet(tmp_path / "labels.parquet")
    data = load_dataset(tmp_path / "labels.parquet", Schema(box=Box(("x", "y", "w", "h"))), name="boxes", licence="none")
    assert list(data.attributes.columns) == ["light", "picture"]
    assert [colour(content) for content in data.images] == [RED, LIME]
    assert Image.open(io.BytesIO(data.images[0])).format == "PNG"
