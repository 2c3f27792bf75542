"""A folder with a folder per split, each with a table: the layout that the hub calls imagefolder."""

import json

import pandas as pd
import pytest

from audit.data import load_dataset
from audit.data.schema import Schema
from audit.data.table import DataLocation
from audit.errors import DataError, UsageError
from tests.support.notes import sentences
from tests.support.planted import picture


def imagefolder(root, *, below_split=True):
    """Write five pictures in ``train`` with a CSV, and three in ``test`` with JSON lines; each says the colour and the race."""
    for split, first, n in (("train", 0, 5), ("test", 5, 3)):
        (root / split / "img").mkdir(parents=True)
        for number in range(first, first + n):
            (root / split / "img" / f"{number}.png").write_bytes(picture(number))
        place = "" if below_split else f"{split}/"
        rows = [{"file_name": f"{place}img/{i}.png", "label": "ab"[i % 2], "race": "xy"[i // 2 % 2]} for i in range(first, first + n)]
        if split == "train":
            pd.DataFrame(rows).to_csv(root / split / "metadata.csv", index=False)
        else:
            (root / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def load(root, *splits, schema=None):
    return load_dataset(DataLocation(str(root), splits=splits), schema or Schema(), name="made", licence="none")


@pytest.mark.parametrize("below_split", [True, False])
def test_the_tables_of_all_splits_are_one_data_set_with_its_images_and_the_page_says_so(tmp_path, below_split):
    dataset = load(imagefolder(tmp_path, below_split=below_split))
    assert list(dataset.attributes.index) == [f"test/img/{i}.png" for i in (5, 6, 7)] + [f"train/img/{i}.png" for i in range(5)]
    assert [bytes(image) for image in dataset.images] == [picture(i) for i in (5, 6, 7, 0, 1, 2, 3, 4)]
    assert "".join(dataset.attributes["label"]) == "bab" + "ababa"
    assert list(dataset.levels) == ["label", "race"]
    assert "Splits read, with their rows: test (3), train (5)." in sentences(dataset.notes)


def test_one_split_is_read_where_it_is_named_and_the_others_are(tmp_path):
    dataset = load(imagefolder(tmp_path), "test")
    assert len(dataset.images) == 3
    assert "Splits read, with their rows: test (3); also present, but not read: train." in sentences(dataset.notes)
    (tmp_path / "dev").mkdir()
    assert "also present, but not read: dev" in " ".join(sentences(load(tmp_path).notes))


def test_a_split_that_is_not_there_or_cannot_be_chosen_is_an_error_of_usage(tmp_path):
    root = imagefolder(tmp_path / "hub")
    with pytest.raises(UsageError, match=r"has no split 'tets'"):
        load(root, "tets")
    (root / "dev").mkdir()
    with pytest.raises(UsageError, match=r"the split 'dev' of .* has no table"):
        load(root, "dev")
    for place in (root / "train", root / "train" / "metadata.csv", "hf:org/name", "https://example.invalid/table.csv"):
        with pytest.raises(UsageError, match=r"--split cannot be used with"):
            load(place, "train")


def test_tables_with_other_columns_are_refused_and_an_error_names_the_file_of_a_row(tmp_path):
    root = imagefolder(tmp_path)
    table = pd.read_csv(root / "train" / "metadata.csv")
    table.drop(columns="race").to_csv(root / "train" / "metadata.csv", index=False)
    with pytest.raises(DataError, match=r"(?s)train/metadata.csv has other columns than test/metadata.jsonl.*'race'.*--split test"):
        load(root)
    table.assign(file_name="/etc/passwd").to_csv(root / "train" / "metadata.csv", index=False)
    with pytest.raises(DataError, match=r"line 2 of train/metadata.csv"):
        load(root)


def test_a_path_may_climb_within_the_folder_and_not_out_of_it(tmp_path):
    root = imagefolder(tmp_path)
    table = pd.read_csv(root / "train" / "metadata.csv")
    table.assign(file_name="../train/" + table["file_name"]).to_csv(root / "train" / "metadata.csv", index=False)
    assert len(load(root).images) == 8
    table.assign(file_name="../../" + table["file_name"]).to_csv(root / "train" / "metadata.csv", index=False)
    with pytest.raises(DataError, match="path that leaves the folder"):
        load(root)


def test_a_folder_without_a_table_names_the_one_below_that_has_one(tmp_path):
    imagefolder(tmp_path / "Data" / "faces")
    with pytest.raises(DataError, match=r"no label table in the folder[^\n]*(?s:.)*--data [^\n]*/Data/faces, which has one"):
        load(tmp_path)
