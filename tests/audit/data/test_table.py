"""Label tables and the one entry point: FairFace as its authors publish it, tables of one's own, and everything that can be wrong."""

import hashlib
import json

import pandas as pd
import pytest

from audit.data import load_dataset
from audit.data.assemble import fingerprint
from audit.data.load import label_table
from audit.data.schema import Column, Schema
from audit.data.table import read_cells
from audit.errors import DataError, UsageError
from audit.testing import png
from strictio.images.decode import UnreadableImage
from tests.support.notes import sentences

AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
FAIRFACE = Schema(
    (
        Column("age", AGES, {"70+": "more than 70"}, {"9-Mar": "3-9", "19-Oct": "10-19"}),
        Column("gender", ("Female", "Male")),
        Column("race", ("White", "Black", "Latino_Hispanic"), {"Latino": "Latino_Hispanic"}),
        Column("service_test", ("True", "False"), {"TRUE": "True", "FALSE": "False"}, optional=True),
    )
)


def load(location, schema=FAIRFACE, **options):
    return load_dataset(str(location), schema, name="faces", licence="none", **options)


@pytest.fixture
def folder(tmp_path):
    """FairFace's layout in small: val/1.jpg to val/3.jpg and their label file."""
    (tmp_path / "val").mkdir()
    for number, colour in enumerate(("red", "lime", "blue"), 1):
        (tmp_path / "val" / f"{number}.jpg").write_bytes(png(colour))
    rows = ("val/1.jpg,9-Mar,Male,White,TRUE", "val/2.jpg,70+,Female,Latino,FALSE", "val/3.jpg,0-2,Female,Black,FALSE")
    write(tmp_path / "fairface_label_val.csv", "file,age,gender,race,service_test", *rows)
    return tmp_path


def write(path, *lines, encoding="utf-8"):
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def error(location, schema=FAIRFACE):
    with pytest.raises(DataError) as caught:
        load(location, schema)
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


# ---- what is read --------------------------------------------------------------------------------------------------------------------


def test_fairface_as_its_authors_publish_it(folder):
    dataset = load(folder)
    assert dataset.attributes.to_dict("index") == {
        "val/1.jpg": {"age": "3-9", "gender": "Male", "race": "White", "service_test": "True"},
        "val/2.jpg": {"age": "more than 70", "gender": "Female", "race": "Latino_Hispanic", "service_test": "False"},
        "val/3.jpg": {"age": "0-2", "gender": "Female", "race": "Black", "service_test": "False"},
    }
    assert list(dataset.images) == [png("red"), png("lime"), png("blue")]
    assert dataset.levels["age"] == AGES
    assert sentences(dataset.notes)[0] == "Labels were read from fairface_label_val.csv."
    assert any("'9-Mar' to '3-9': 1" in note for note in sentences(dataset.notes))
    assert (dataset.name, dataset.licence, dataset.limited, dataset.exclusions) == ("faces", "none", False, ())
    # No path of the machine is kept.
    assert str(folder) not in " ".join([dataset.source, *sentences(dataset.notes), *dataset.attributes.index])


def test_the_180_images(fairface_dir):
    """Counts from the sample's own description: Middle Eastern 15, of which 5 are Female."""
    schema = Schema(tuple(Column(name) for name in ("age", "gender", "race")))
    dataset = load(fairface_dir, schema)
    assert len(dataset.images) == len(dataset.attributes) == 180
    counts = dataset.attributes["race"].value_counts()
    assert counts.to_dict() == {
        "White": 35, "Latino_Hispanic": 28, "Black": 27, "Indian": 26, "Southeast Asian": 25, "East Asian": 24, "Middle Eastern": 15,
    }  # fmt: skip
    assert ((dataset.attributes["race"] == "Middle Eastern") & (dataset.attributes["gender"] == "Female")).sum() == 5
    note = "Labels were read from labels.csv; also present, but not read: labels_race_gender_balanced.csv"
    assert sentences(dataset.notes)[0].startswith(note)
    sums = dict(reversed(line.split()) for line in (fairface_dir / "SHA256SUMS").read_text().splitlines())
    for name, content in zip(dataset.attributes.index, dataset.images, strict=True):
        assert hashlib.sha256(content).hexdigest() == sums[name]


def test_a_table_of_ones_own_needs_no_schema(folder):
    write(folder / "mine.csv", "image,tone,light", "val/1.jpg,NA,dim", "val/2.jpg,None,", 'val/3.jpg,"a, b",dim')
    dataset = load(folder / "mine.csv", Schema())
    assert dataset.levels == {"tone": ("NA", "None", "a, b"), "light": ("dim", "unknown")}
    assert dataset.attributes["tone"].tolist() == ["NA", "None", "a, b"]


def test_parquet_of_ones_own_reads_like_csv(folder):
    years = pd.array([1999, None, 2001], dtype="Int64")
    cells = {"file": ["val/1.jpg", "val/2.jpg", "val/3.jpg"], "race": pd.Categorical(["NA", None, "None"]), "smiles": [True, False, True]}
    table = pd.DataFrame({**cells, "year": years})
    table.to_parquet(folder / "mine.parquet")
    columns = table.astype({"race": object}).map(lambda value: "" if pd.isna(value) else str(value))
    columns.to_csv(folder / "mine.csv", index=False)
    parquet, text = (load(folder / name, Schema()) for name in ("mine.parquet", "mine.csv"))
    pd.testing.assert_frame_equal(parquet.attributes, text.attributes)
    levels = {"race": ("NA", "None", "unknown"), "smiles": ("False", "True"), "year": ("1999", "2001", "unknown")}
    assert parquet.levels == text.levels == levels
    assert parquet.fingerprint == text.fingerprint
    assert list(parquet.images) == list(text.images)


def test_quotes_byte_order_mark_and_windows_lines(folder):
    (folder / "mine.csv").write_bytes('\ufefffile,race\r\nval/1.jpg,"a\nb"\r\n\r\nval/2.jpg,"say ""x"""\r\n'.encode())
    cells = read_cells(folder / "mine.csv")
    assert list(cells.columns) == ["file", "race"]
    assert cells.columns["race"] == ["a\nb", 'say "x"']
    assert list(cells.numbers) == [2, 5]


def test_paths_may_be_relative_to_the_folder_above_the_table(folder):
    (folder / "labels").mkdir()
    write(folder / "labels" / "mine.csv", "file,race", "val/1.jpg,White")
    dataset = load(folder / "labels" / "mine.csv", Schema())
    assert dataset.images[0] == png("red")
    assert sentences(dataset.notes) == ("The paths in mine.csv are relative to the folder above it.",)


def test_same_file_names_in_two_folders_are_two_images_and_one_that_does_not_exist_is_left_to_be_counted(folder):
    (folder / "other").mkdir()
    (folder / "other" / "1.jpg").write_bytes(png("white"))
    write(folder / "mine.csv", "file,race", "val/1.jpg,A", "other/1.jpg,B")
    assert load(folder / "mine.csv", Schema()).attributes["race"].tolist() == ["A", "B"]
    (folder / "val" / "2.jpg").unlink()
    dataset = load(folder / "fairface_label_val.csv")
    assert len(dataset.images) == 3
    with pytest.raises(UnreadableImage, match="missing file"):
        dataset.images[1]


# ---- which table of a folder ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["fairface_label_train.csv", "fairface_label_val.csv"], "fairface_label_val.csv"),
        (["labels.csv", "fairface_label_val.csv", "labels_race_gender_balanced.csv"], "labels.csv"),
        (["train.csv", "test.csv"], "test.csv"),
        (["faces.csv"], "faces.csv"),
        (["evaluation.csv", "fairface_label_val.csv"], "fairface_label_val.csv"),  # "evaluation" is not "val"
    ],
)
def test_the_table_that_is_read_follows_a_rule(tmp_path, names, chosen):
    for name in names:
        write(tmp_path / name, "file,race", "1.jpg,A")
    write(tmp_path / "scores.csv", "id,score", "1,2")  # not a label table
    table, others = label_table(tmp_path, Schema((Column("race"),)))
    assert table.name == chosen
    assert set(others) == set(names) - {chosen}


def test_two_tables_that_no_rule_tells_apart_are_an_error(folder):
    (folder / "fairface_label_val.csv").unlink()
    for name in ("a.csv", "b.csv"):
        write(folder / name, "file,age,gender,race", "val/1.jpg,0-2,Male,White")
    assert "found a.csv, b.csv" in error(folder)


# ---- what is wrong -------------------------------------------------------------------------------------------------------------------


def test_nothing_there(tmp_path):
    assert "it does not exist" in error(tmp_path / "nothing")
    assert "write hf:org/faces" in error("org/faces")
    assert "neither a file nor a folder" in error("/dev/null")
    assert "it does not exist" in error("\0")
    with pytest.raises(UsageError, match="no location for the data 'faces'"):
        load_dataset(None, FAIRFACE, name="faces", licence="none")


def test_a_folder_without_a_table_is_named_with_what_is_in_it(tmp_path):
    assert "it is empty" in error(tmp_path)
    (tmp_path / "1.jpg").write_bytes(png("red"))
    message = error(tmp_path)
    assert "found 1.jpg" in message
    assert "one row per image, with a column image (its path) and one column per attribute" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"), (b" \n\n", "is empty"), (b"path,race\n", "no rows"),
        (b"path,race,race\nval/1.jpg,A,B\n", "has the column 'race' twice"),
        (b"path,race\nval/1.jpg,A\nval/1.jpg\nval/1.jpg,A,B,C\n", "line 3"),
        (b"path,race\nval/1.jpg,M\xe9tis\n", "line 2"), ("path,race\nval/1.jpg,A\n".encode("utf-16"), "is UTF-16"),
        (b'path,race\nval/1.jpg,"A\n', "not a CSV table"), (b'path,race\nval/1.jpg,"A"B\n', "not a CSV table"),
        (b"path,race\nval/1.jpg," + b"A" * 200_000 + b"\n", "not a CSV table"),
        (b"picture,race\nval/1.jpg,A\n", "no image column"),
    ],
)  # fmt: skip
def test_damaged_tables(folder, content, expected):
    (folder / "mine.csv").write_bytes(content)
    assert expected in error(folder / "mine.csv", Schema())


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and then nothing of the kind PAR1"])
def test_damaged_parquet_and_another_kind_of_file(folder, content):
    (folder / "mine.parquet").write_bytes(content)
    assert "cannot read mine.parquet as Parquet" in error(folder / "mine.parquet", Schema())
    (folder / "mine.doc").write_bytes(b"PK")
    assert "give a .csv, .tsv, .txt, .jsonl, .ndjson (each also with .gz), .xlsx or .parquet file" in error(folder / "mine.doc")


def test_missing_columns_are_named_and_a_single_one_is_guessed_at(folder):
    # The only table of a folder is read to say what is wrong with it.
    write(folder / "fairface_label_val.csv", "file,age,sex,race", "val/1.jpg,0-2,Male,White")
    message = error(folder)
    assert "fairface_label_val.csv has no column 'gender'" in message
    assert "found the columns: file, age, sex, race" in message
    write(folder / "mine.csv", "image,shape", "train/1.jpg,round")
    message = error(folder / "mine.csv")
    assert "no column 'age' and no column 'gender' and no column 'race'" in message
    assert "did you mean" not in message


def test_a_table_none_of_whose_images_exists(folder):
    write(folder / "mine.csv", "file,race", "train/1.jpg,A", "train/2.jpg,A")
    message = error(folder / "mine.csv", Schema())
    assert "none of the 2 images of mine.csv exists" in message
    assert "'train/1.jpg' (line 2)" in message


def test_conflicting_rows_are_an_error_that_names_both_lines(folder):
    write(folder / "mine.csv", "path,race,gender", "val/1.jpg,A,Female", "val/2.jpg,A,Male", "./val/1.jpg,A,Male")
    message = error(folder / "mine.csv", Schema())
    assert "conflicting labels for the image 'val/1.jpg'" in message
    assert "line 2 says A, Female; line 4 says A, Male" in message


def test_equal_rows_are_counted_once_and_said(folder):
    write(folder / "mine.csv", "path,age", "val/1.jpg,3-9", "val/2.jpg,3-9", "val/1.jpg,9-Mar")
    dataset = load(folder / "mine.csv", Schema((FAIRFACE.columns[0],)))
    assert dataset.attributes.index.tolist() == ["val/1.jpg", "val/2.jpg"]
    assert list(dataset.images) == [png("red"), png("lime")]
    assert "Left out as duplicates of an earlier row: 1." in sentences(dataset.notes)


def test_a_path_in_parquet_is_held_to_the_same_rules(folder):
    pd.DataFrame({"file": ["val/1.jpg", "/etc/passwd"], "race": ["A", "B"]}).to_parquet(folder / "mine.parquet")
    assert "absolute path '/etc/passwd' (row 2)" in error(folder / "mine.parquet", Schema())


def test_more_bad_paths_than_fit_name_every_kind_once(folder):
    rows = [f"../{number}.jpg,A" for number in range(30)]
    write(folder / "mine.csv", "file,race", *rows, "http://x.invalid/1.jpg,A", "val/1.jpg,A")
    message = error(folder / "mine.csv", Schema())
    assert "31 image paths not allowed" in message
    assert "URL 'http://x.invalid/1.jpg' (line 32)" in message
    assert "and 21 more" in message


# ---- the fingerprint -----------------------------------------------------------------------------------------------------------------


def test_the_fingerprint_follows_labels_and_images_and_not_their_order(folder):
    lines = ["val/1.jpg,A,x", "val/2.jpg,B,y", "val/3.jpg,B,x"]

    def of(*written):
        return load(write(folder / "mine.csv", *written), Schema()).fingerprint

    base = of("file,race,light", *lines)
    assert base == of("file,race,light", *lines[::-1]) == of("light,file,race", "x,val/1.jpg,A", "y,val/2.jpg,B", "x,val/3.jpg,B")
    changed = of("file,race,light", *lines[:2]), of("file,race,light", *lines[:2], "val/3.jpg,A,x"), of("file,race,dark", *lines)
    assert base not in changed
    assert len(base) == 64


def test_a_table_of_fairface_size_keeps_every_row(folder):
    lines = [f"val/{number % 3 + 1}x{number}.jpg,3-9,Male,White,TRUE" for number in range(11_000)]
    write(folder / "fairface_label_val.csv", "file,age,gender,race,service_test", "val/1.jpg,3-9,Male,White,TRUE", *lines)
    assert len(load(folder).attributes) == 11_001


@pytest.mark.parametrize("names", [["1.jpg", "2.jpg", "10.jpg"], ["a/1.jpg", "b/1.jpg", "b/2\n.jpg"], ["", "", ""]])
@pytest.mark.parametrize("texts", [["plain", "b", "b"], ['a "quoted"', "back\\slash", "b"], ["é", "日本", "\n\t"]])
def test_the_fingerprint_is_the_hash_of_sorted_json_lists(names, texts):
    table = pd.DataFrame({"race": texts, "light": ["x", "y", "z"]}, index=names)
    lines = sorted([name, light, race] for name, light, race in zip(names, table["light"], texts, strict=True))
    written = json.dumps(["labels, version 1", "light", "race"]) + "".join(json.dumps(line) + "\n" for line in lines)
    assert fingerprint(table) == hashlib.sha256(written.encode()).hexdigest()


def test_folders_count_in_the_fingerprint_only_where_names_alone_do_not_tell_the_rows_apart():
    race = {"race": ["A", "B"]}
    assert fingerprint(pd.DataFrame(race, index=["x/1", "y/2"])) == fingerprint(pd.DataFrame(race, index=["1", "2"]))
    assert fingerprint(pd.DataFrame(race, index=["x/1", "y/1"])) != fingerprint(pd.DataFrame(race, index=["z/1", "y/1"]))
