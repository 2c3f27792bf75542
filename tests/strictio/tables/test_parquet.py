"""Parquet is unfolded as far as its size allows, and its text is text; the headers of its pages say what it would become."""

import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strictio.child import process
from strictio.errors import DataError, UnsafeError
from strictio.tables import column_names, parquet
from strictio.tables.parquet import group_sizes, parquet_batches, parquet_schema, read_parquet
from strictio.tables.parquet_child import Chunk, read_chunks, unfolded
from tests.support.tiers import first

MEGABYTE = "x" * 2**20


def same(value, count, kind):
    """Return one text many times, held once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], kind))


def written(path, columns, **options):
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    return path


BOMBS = {  # made when a test asks for it: together they take gigabytes
    "7 GB, one text many times": lambda: {"race": same(MEGABYTE, 7000, pa.string())},
    "the same in bytes": lambda: {"race": same(MEGABYTE.encode(), 7000, pa.binary())},
    "text written out": lambda: {"race": pa.array([MEGABYTE] * 300), "_": {"use_dictionary": False}},
    "beginnings shared": lambda: {
        "race": pa.array([MEGABYTE] * 300),
        "_": {"use_dictionary": False, "column_encoding": {"race": "DELTA_BYTE_ARRAY"}},
    },
    "views of one text": lambda: {"race": pa.array([MEGABYTE] * 300, pa.string_view())},
    "numbers": lambda: {"race": pa.array(np.zeros(40_000_000, np.int64)), "_": {"row_group_size": 40_000_000}},
    "numbers of fixed width": lambda: {"race": pa.array([bytes(1000)] * 300_000, pa.binary(1000))},
    "lists of text": lambda: {"race": pa.array([[MEGABYTE] * 300])},
    "lists of numbers": lambda: {"race": pa.ListArray.from_arrays([0, 40_000_000], pa.array(np.zeros(40_000_000, np.int64)))},
}


EACH_ENCODING = ("7 GB, one text many times", "numbers of fixed width", "lists of numbers")
"""Every run of the tests takes these, which take no time to make: texts that are held once, and numbers, in lists and not."""


@pytest.mark.slow_except("7 GB, one text many times")
@pytest.mark.parametrize("name", first(EACH_ENCODING, of=BOMBS))
def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_does(tmp_path, name):
    columns = BOMBS[name]()
    path = written(tmp_path / "bomb.parquet", columns, **columns.pop("_", {}))
    assert path.stat().st_size < 400_000
    before = pa.total_allocated_bytes()
    with pytest.raises(UnsafeError, match=r"bomb\.parquet would fill the memory\nwhy: .* allowed are 256 MiB") as caught:
        read_parquet(path)
    del caught
    assert pa.total_allocated_bytes() - before < 2**20
    assert column_names(path) == ["race"]


def test_a_column_that_is_not_asked_for_is_not_judged(tmp_path):
    path = written(tmp_path / "x.parquet", {"race": ["A"] * 7000, "bomb": same(MEGABYTE, 7000, pa.string())})
    assert read_parquet(path, ["race"]).num_rows == 7000


def test_a_file_that_repeats_itself_as_data_do_is_read(tmp_path):
    """200,000 rows; what its dictionaries might unfold to is more than is allowed, what they do unfold to is not."""
    rows = 200_000
    columns = {"id": [f"val/{row}.jpg" for row in range(rows)], "race": ["Middle Eastern", "Black"] * (rows // 2), "share": [0.5] * rows}
    path = written(tmp_path / "x.parquet", columns, row_group_size=50_000)
    table = read_parquet(path)
    assert table.equals(pa.table(columns))
    assert read_parquet(path, ["race", "id"], group=1).equals(pa.table(columns).select(["race", "id"]).slice(50_000, 50_000))


def test_parts_of_columns_and_names_with_dots(tmp_path):
    images = [{"bytes": b"1", "path": "a.jpg"}, {"bytes": b"2", "path": None}]
    path = written(tmp_path / "x.parquet", {"image": images, "score:a": [0.1, 0.2], "score:a.b": [0.9, 0.8]})
    assert read_parquet(path, ["image.path"]).to_pylist() == [{"image": {"path": "a.jpg"}}, {"image": {"path": None}}]
    assert read_parquet(path, ["score:a"]).column_names == ["score:a"]
    assert read_parquet(path, ["score:a.b", "image"]).column_names == ["score:a.b", "image"]
    empty = written(tmp_path / "empty.parquet", pa.table({"a": pa.array([], pa.string())}))
    assert read_parquet(empty).num_rows == 0


def test_the_headers_of_pages_add_up(tmp_path):
    """1,000 numbers of 8 bytes and two levels of text, by the footer's own account of their chunk."""
    path = written(tmp_path / "x.parquet", {"n": np.arange(1000), "race": ["A", "Bc"] * 500}, data_page_size=100, write_page_index=False)
    with path.open("rb") as file:
        for column, chunk in enumerate(*read_chunks(file, "x", 2)):
            said = pq.read_metadata(path).row_group(0).column(column)
            found = unfolded(file, chunk, "x")
            assert found.values == chunk.values == said.num_values == 1000
            assert 0 <= said.total_uncompressed_size - found.pages < 3000  # the headers themselves count there
    assert (found.repeated, found.largest) == (1000, 11)  # 4 bytes of length before A, 4 before Bc


# ---- text that is none -----------------------------------------------------------------------------------------------------------------


def latin_1(values):
    """Return text in Latin-1 that says of itself that it is UTF-8."""
    return pa.array([value.encode("latin-1") for value in values], pa.binary()).view(pa.string())


def test_cells_that_are_not_utf_8_are_named_with_column_and_row(tmp_path):
    path = written(tmp_path / "x.parquet", {"race": latin_1(["A", "B", "Métis"]), "y": ["a"] * 3}, row_group_size=2)
    with pytest.raises(DataError, match=r"x\.parquet holds text that is not UTF-8 \(column 'race', row 3\)"):
        read_parquet(path)
    assert read_parquet(path, ["y"]).num_rows == 3
    nested = written(tmp_path / "nested.parquet", {"race": pa.ListArray.from_arrays([0, 1], latin_1(["Métis"]))})
    with pytest.raises(DataError, match="column 'race'"):
        read_parquet(nested)
    encoded = pa.DictionaryArray.from_arrays([0, 1, 0], latin_1(["A", "Métis"]))
    with pytest.raises(DataError, match="holds text that is not UTF-8"):
        read_parquet(written(tmp_path / "encoded.parquet", {"race": encoded}))


def test_a_column_name_that_is_not_utf_8_is_said(tmp_path):
    path = written(tmp_path / "x.parquet", {"Mxtis": ["A"]}, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"Mxtis", b"M\xe9tis"))
    for read in (read_parquet, parquet_schema):
        with pytest.raises(DataError, match=r"holds text that is not UTF-8\nwhy: a .*name.* has the byte 0xe9, as Latin-1"):
            read(path)
    assert column_names(path) == []


def test_what_pandas_says_of_an_index_is_left_out_and_the_rest_is_kept(tmp_path):
    table = pa.table({"a": [1]}).replace_schema_metadata({"pandas": b"\xff{", "mine": "x"})
    pq.write_table(table, tmp_path / "x.parquet")
    assert read_parquet(tmp_path / "x.parquet").schema.metadata == {b"mine": b"x"}


# ---- damage ----------------------------------------------------------------------------------------------------------------------------


def example():
    file = io.BytesIO()
    columns = {"race": ["A", "B", "A"], "n": [1, 2, 3], "image": [{"bytes": b"1", "path": "a"}] * 3}
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


EXAMPLE = example()


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_is_a_table_or_an_error_with_words(changes):
    content = bytearray(EXAMPLE)
    for at, value in changes:
        content[at] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        path.write_bytes(content)
        try:
            table = read_parquet(path)
        except (DataError, UnsafeError):
            table = None
        assert table is None or table.num_columns == 3


def test_a_footer_that_ends_arrow_itself_is_refused(tmp_path):
    """Asked for what it says of a column, Arrow aborts where two lengths in the footer contradict each other; reading is an error."""
    for at in range(len(EXAMPLE) - 600, len(EXAMPLE)):
        for value in (b"\x26", b"\x36", b"\x46"):
            (tmp_path / "x.parquet").write_bytes(EXAMPLE[:at] + value + EXAMPLE[at + 1 :])
            try:
                pq.read_table(tmp_path / "x.parquet")
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                if "histogram size" in str(error):
                    with pytest.raises(DataError, match="histogram size"):
                        read_parquet(tmp_path / "x.parquet")
                    return
    pytest.fail("no change of a byte makes Arrow contradict itself")


@given(st.binary(max_size=40))
def test_any_header_of_a_page_is_read_or_refused(content):
    try:
        found = unfolded(io.BytesIO(content), Chunk(0, len(content), 0), "x")
    except DataError:
        found = None
    assert found is None or found.pages >= 0


def test_headers_that_lie_are_refused():
    deep, endless, huge = b"\x1c" * 40, b"\x15" + b"\xff" * 12, b"\x19\xf5\xff\xff\xff\xff\x0f"
    for header in (deep, endless, huge, b"\x15\x00\x00", b"\x15\x00\x15\x01\x15\x02\x00"):
        with pytest.raises(DataError, match="x is damaged"):
            unfolded(io.BytesIO(header), Chunk(0, 1000, 0), "x")


# ---- in a locked child -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def numbers(tmp_path):
    table = pa.table({"name": [f"image {row}" for row in range(9000)], "group": pa.array(["a", "b", None] * 3000).dictionary_encode()})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1000)
    return tmp_path / "t.parquet", table


def test_a_child_reads_what_arrow_itself_reads_also_several_files_in_turn(numbers, monkeypatch):
    path, table = numbers
    monkeypatch.setattr(pq, "ParquetFile", lambda *_, **__: pytest.fail("read in this process"))
    first, second = (parquet_batches(path, ["group", "name"], ["name"], 700) for _ in range(2))
    batches = [next(first), next(second), next(first)]
    assert read_parquet(path).equals(table)
    assert group_sizes(path) == [1000] * 9
    batches += [*first]
    assert pa.types.is_dictionary(batches[0].schema.field("name").type)
    read = pa.Table.from_batches([batches[0], *batches[2:]]).column("name").cast(pa.string())
    assert read.to_pylist() == table.column("name").to_pylist()
    second.close()
    assert read_parquet(path, ["group"], 3).num_rows == 1000
    assert read_parquet(path, ["name"], texts=["name"]).schema.field("name").type == pa.dictionary(pa.int32(), pa.string())


def test_a_file_that_is_cut_while_it_is_read_ends_its_child_alone(numbers):
    path, table = numbers
    batches = parquet_batches(path, ["name"], [], 100)
    next(batches)
    os.truncate(path, 0)
    with pytest.raises(DataError, match=r"t\.parquet is not a Parquet file, or damaged"):
        list(batches)
    pq.write_table(table, path)
    assert read_parquet(path).equals(table)


def test_what_takes_too_long_is_refused(tmp_path, monkeypatch):
    path, table = tmp_path / "t.parquet", pa.table({"x": np.random.default_rng(0).random(1_000_000)})  # takes ten times the limit
    pq.write_table(table, path)
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "SECONDS", 0.001)
        patch.setattr(parquet, "SECONDS_PER_MIB", 0.0)
        patch.setattr(process, "WAITING", 0)
        patch.setattr(process, "GRACE_S", 0.001)
        with pytest.raises(UnsafeError, match=r"reading t\.parquet does not end"):
            read_parquet(path)
    assert read_parquet(path).equals(table)
