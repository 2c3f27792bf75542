"""Tables that a stranger wrote: each is refused by name, in seconds, before it fills the memory."""

import gzip
import io
import time
import zipfile

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.data import load_dataset
from audit.data.schema import Schema
from audit.errors import AuditError
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from strictio.tables import read_table
from strictio.tables.parquet import read_parquet

ROWS = {"id": list("123456"), "race": list("ABABAB"), "y_pred": list("xyyxxy")}


def refusal(read):
    began = time.process_time()
    with pytest.raises(AuditError) as caught:
        read()
    assert time.process_time() - began < 5
    return str(caught.value)


def parquet(folder, table, **options):
    pq.write_table(table, folder / "t.parquet", **options)
    return folder / "t.parquet"


def test_a_header_of_a_million_columns_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n" + ",".join("1" * 1_000_000) + "\n")
    assert "t.csv has 1,000,000 columns" in refusal(lambda: read_table(tmp_path / "t.csv"))
    path = parquet(tmp_path, pa.table({f"c{i}": ["u"] for i in range(12_000)}))
    assert "at most 10,000 are read" in refusal(lambda: read_parquet(path))


def test_a_cell_of_megabytes_is_refused(tmp_path):
    cells = pa.array(["A" * 50_000_000, *"bcdef"], pa.large_string())
    path = parquet(tmp_path, pa.table({**ROWS, "race": cells}), compression="zstd", use_dictionary=False)
    assert "t.parquet has a cell of 50,000,000 bytes (column 'race')" in refusal(lambda: load_predictions(path, ColumnOptions()))


def test_a_date_after_the_year_9999_and_a_column_twice_are_refused(tmp_path):
    path = parquet(tmp_path, pa.table({**ROWS, "race": pa.array([2**31 - 1] * 6, pa.date32()), "image": ROWS["id"]}))
    (tmp_path / "1").write_bytes(b"")
    assert "holds a value that cannot be read" in refusal(lambda: load_dataset(path, Schema(), name="d", licence="l"))
    path = parquet(tmp_path, pa.Table.from_arrays([pa.array(ROWS["race"])] * 3, names=["image", "race", "race"]))
    assert "the column 'race' twice" in refusal(lambda: load_dataset(path, Schema(), name="d", licence="l"))


@pytest.mark.parametrize("metadata", [{"vlm_audit.bins": b'{"p": {"race": 5}}'}, {"vlm_audit.bins": b"[]"}])
def test_bins_that_no_audit_writes_are_refused(tmp_path, metadata):
    own = {"model": ["m"] * 6, "probe": ["p"] * 6, "measurement": ["q"] * 6, **ROWS, "y_true": ROWS["y_pred"]}
    path = parquet(tmp_path, pa.table(own).replace_schema_metadata({"vlm_audit.labels": b'{"p/q": ["x", "y"]}', **metadata}))
    assert "damaged metadata" in refusal(lambda: load_predictions(path, ColumnOptions()))


def test_a_class_label_without_a_list_of_names_is_read_as_it_stands(tmp_path):
    described = b'{"info": {"features": {"race": {"_type": "ClassLabel", "names": 5}}}}'
    pictures = [{"bytes": b"x", "path": f"{i}.png"} for i in range(6)]
    path = parquet(tmp_path, pa.table({"race": ROWS["race"], "image": pictures}).replace_schema_metadata({"huggingface": described}))
    assert load_dataset(path, Schema(), name="d", licence="l").attributes["race"].tolist() == ROWS["race"]


def test_an_archive_that_is_padded_with_zeros_is_refused(tmp_path):
    table = pd.DataFrame(ROWS).to_csv(index=False).encode()
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(table) + b"\0" * 50_000_000)
    assert "it ends in a megabyte of zeros" in refusal(lambda: read_table(tmp_path / "t.csv.gz"))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(table) + b"\0" * 512)
    assert read_table(tmp_path / "t.csv.gz").columns.num_rows == 6


@pytest.mark.slow
def test_a_workbook_of_a_million_empty_rows_is_refused(tmp_path):
    book, path = openpyxl.Workbook(), tmp_path / "t.xlsx"
    book.active.append(["race", "y_pred"])
    book.save(path)
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, content.replace(b"</sheetData>", b"<row/>" * 1_000_000 + b"</sheetData>"))
    path.write_bytes(made.getvalue())
    assert "would fill the memory" in refusal(lambda: read_table(path))
