"""Arrow files of a saved set: what `datasets` writes is read, and what would unfold to any size is refused."""

import json

import datasets
import numpy as np
import pyarrow as pa
import pytest

from audit.data import load_dataset
from audit.data.schema import Schema
from contrastive.config import DataConfig
from contrastive.data import open_source
from strictio.errors import DataError, UnsafeError
from strictio.tables.arrow_stream import check_saved


@pytest.fixture
def saved(tmp_path):
    """A set as `save_to_disk` leaves it, with a column of classes, which Arrow may hold as a dictionary."""
    columns = {"image": [b"1", b"2"], "caption": ["a", "b"], "race": ["A", "B"]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


def rewritten(folder, table, **options):
    """Exchange the Arrow file of a saved set."""
    path, written = str(folder / "data-00000-of-00001.arrow"), pa.ipc.IpcWriteOptions(**options)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema, options=written) as writer:
        writer.write_table(table)


def test_what_datasets_writes_is_taken(saved):
    check_saved(saved)
    datasets.DatasetDict({"train": datasets.load_from_disk(str(saved))}).save_to_disk(str(saved.parent / "splits"))
    check_saved(saved.parent / "splits")
    rewritten(saved, pa.table({"race": pa.array(["A", "B"]).dictionary_encode()}))
    check_saved(saved)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("text", ["x" * 2**20, "dictionary"])
def test_compressed_columns_are_refused_wherever_they_are_read(saved, compression, text):
    cells = pa.array([text] * 20)
    table = pa.table({"image": [b"1"] * 20, "caption": cells.dictionary_encode() if text == "dictionary" else cells})
    rewritten(saved, table, compression=compression)
    for read in (check_saved, lambda folder: load_dataset(str(folder), Schema(), name="x", licence="x")):
        with pytest.raises(UnsafeError, match="would fill the memory\nwhy: its columns are compressed"):
            read(saved)
    with pytest.raises(UnsafeError, match="its columns are compressed"):
        open_source(DataConfig(str(saved)))


def test_rows_that_take_no_room_are_refused(saved):
    rewritten(saved, pa.table({"race": pa.nulls(10_000_000)}))
    with pytest.raises(UnsafeError, match="it says that it has 10,000,000 rows"):
        check_saved(saved)


def test_a_file_outside_the_folder_is_refused_and_damage_is_left_to_datasets(saved):
    path = saved / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:40])
    check_saved(saved)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../x.arrow"}]}))
    with pytest.raises(DataError, match="outside its folder"):
        check_saved(saved)
    (saved / "state.json").write_text("[")
    check_saved(saved)


def test_training_looks_at_parquet_before_it_is_converted(tmp_path):
    import pyarrow.parquet as pq

    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(7000, np.int32)), pa.array(["x" * 2**20]))
    pq.write_table(pa.table({"image": [b"1"] * 7000, "caption": text}), tmp_path / "x.parquet", compression="zstd")
    with pytest.raises(UnsafeError, match=r"x\.parquet would fill the memory"):
        open_source(DataConfig(str(tmp_path / "x.parquet")))
