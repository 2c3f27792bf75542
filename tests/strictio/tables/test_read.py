"""Every kind of table: the same cells are the same table, whatever they stand in; what is not a table is refused with its place."""

import contextlib
import csv
import datetime as dt
import gzip
import io
import json
import string
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strictio.errors import DataError, UnsafeError, UsageError, VlmAuditError
from strictio.tables import column_names, ending_of, is_table, read_table
from strictio.tables import text_table as csv_reader
from strictio.tables.parquet import read_parquet

# ---- what is written is what is read ---------------------------------------------------------------------------------------------------

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPREADSHEET = st.text(string.ascii_letters + string.digits + " .,;'\"<&é日\n", max_size=12).map(lambda text: text.strip("\n"))
NAMES = st.text(string.ascii_letters + " \"'.,é日", min_size=1, max_size=8).filter(str.strip)


@st.composite
def tables(draw, cells=UNICODE):
    """Columns of text; the first identifies the rows, so that none is blank."""
    names = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    rows = draw(st.lists(st.lists(cells, min_size=len(names) - 1, max_size=len(names) - 1), min_size=1, max_size=5))
    return names, [[f"row {number}", *row] for number, row in enumerate(rows)]


def as_csv(names, rows, mark=","):
    # What holds a mark of another kind is quoted, as any program does where the header would be ambiguous.
    text = io.StringIO()
    csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL if any("," in name for name in names) else csv.QUOTE_MINIMAL).writerows(
        [names, *rows]
    )
    return text.getvalue().encode()


def as_json(names, rows):
    return "".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=bool(len(row) % 2)) + "\n" for row in rows).encode()


def as_excel(names, rows):
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row, cells in enumerate([names, *rows], 1):
        for column, cell in enumerate(cells, 1):
            book.active.cell(row, column).value = cell
            book.active.cell(row, column).data_type = "s"  # text, whatever it looks like
    book.save(content)
    return content.getvalue()


KINDS = {
    "x.csv": as_csv, "x.tsv": lambda *table: as_csv(*table, "\t"), "x.txt": lambda *table: as_csv(*table, ";"), "x.jsonl": as_json,
    "x.CSV.GZ": lambda *table: gzip.compress(as_csv(*table)), "x.ndjson.gz": lambda *table: gzip.compress(as_json(*table)),
}  # fmt: skip


def read(name, content, *args, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return (read_parquet if name.endswith(".parquet") else read_table)(path, *args, **options)


def cells_of(table):
    return table.column_names, [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


@pytest.mark.slow_except("x.ndjson.gz")
@pytest.mark.parametrize("kind", KINDS)
@given(table=tables())
def test_any_table_is_read_as_it_was_written(kind, table):
    found = read(kind, KINDS[kind](*table))
    assert cells_of(found.columns) == table
    assert found.place == kind
    assert len(found.numbers) == len(table[1])


@pytest.mark.slow
@given(table=tables(SPREADSHEET))
def test_any_workbook_is_read_as_it_was_written(table):
    assert cells_of(read("x.xlsx", as_excel(*table)).columns) == table


@given(table=tables())
def test_any_parquet_file_is_read_as_it_was_written(table):
    names, rows = table
    file = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), file)
    assert cells_of(read("x.parquet", file.getvalue())) == table


LINES = st.lists(st.text("a1,;\t \r\n\"'é\0", max_size=12), max_size=6).map("\n".join)


@given(text=LINES)
def test_both_readers_of_csv_say_the_same(text):
    """Arrow's, which is fast, and the strict one of Python, which says what is wrong."""

    def outcome():
        try:
            table = read("x.csv", text.encode())
        except VlmAuditError as error:
            return str(error)
        return cells_of(table.columns), list(table.numbers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader, "_in_parallel", lambda *_: None)
        strict = outcome()
    assert outcome() == strict


def test_a_usual_file_is_read_in_parallel_and_lines_are_counted(monkeypatch):
    monkeypatch.setattr(csv_reader, "_rows", None)
    assert list(read("x.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n,01\r\n").numbers) == [2, 3]


def test_cells_of_json_and_excel_are_the_text_that_csv_would_hold():
    lines = (
        '{"a": 1, "b": 1.50, "c": true, "d": null, "e": "01", "": 3}\r\n\n{"a": 1e5, "b": "", "c": false, "d": "null", "e": "\\u00e9"}\n'
    )
    found = read("x.jsonl", b"\xef\xbb\xbf" + lines.encode())
    assert cells_of(found.columns) == (["a", "b", "c", "d", "e"], [["1", "1.50", "True", "", "01"], ["1e5", "", "False", "null", "é"]])
    assert list(found.numbers) == [1, 3]
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["a", "b", "c", "d", "e"], [], [1, 1.5, True, None, "01"], [2.0, dt.datetime(2020, 3, 9), dt.date(2020, 3, 9), "", "é"]):
        book.active.append(row)
    book.create_sheet("empty")
    book.save(content)
    found = read("x.xlsx", content.getvalue())
    assert cells_of(found.columns)[1] == [["1", "1.5", "True", "", "01"], ["2", "2020-03-09", "2020-03-09", "", "é"]]
    assert [f"{found.unit} {number}" for number in found.numbers] == ["row 3", "row 4"]


def test_columns_without_a_name_are_left_out_and_others_only_if_wanted():
    found = read("x.csv", b",b,,c\n1,2,3,4\n")
    assert cells_of(found.columns) == (["b", "c"], [["2", "4"]])
    assert cells_of(read("x.csv", b",b,c\n1,2,3\n", wanted=("c", "z")).columns) == (["c"], [["3"]])
    lines = b'{"b": 1, "c": [2, "x"]}\n{"c": "y", "b": 3, "z": {}}\n'
    found = read("x.jsonl", lines, wanted=("b", "c"), lists=("c",))
    assert cells_of(found.columns) == (["b", "c"], [["1", ["2", "x"]], ["3", ["y"]]])


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("race;age, years;y", ["race", "age, years", "y"]), ("a;b,c", ["a;b", "c"]), ('"a,b";c', ["a,b", "c"]),
        ("a\tb", ["a", "b"]), ("a", ["a"]),
    ],
)  # fmt: skip
def test_the_separator_is_the_one_that_header_and_rows_share(header, names):
    row = {"race;age, years;y": "A;3;x", "a;b,c": "1,2", '"a,b";c': "1;2", "a\tb": "1\t2", "a": "1"}[header]
    assert cells_of(read("x.csv", f"{header}\n{row}\n".encode()).columns)[0] == names


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "Métis"), ("cp1252", "“Métis”"), ("utf-16", "Métis"), ("utf-16-le", "日本")])
@pytest.mark.parametrize("kind", ["x.csv", "x.jsonl"])
def test_a_named_encoding_is_read(kind, encoding, text):
    table = ["id", "race"], [["1", text]]
    content = (as_csv(*table) if kind == "x.csv" else f'{{"id": 1, "race": "{text}"}}\n'.encode()).decode().encode(encoding)
    assert cells_of(read(kind, content, encoding).columns) == table


# ---- what is not a table ---------------------------------------------------------------------------------------------------------------

REFUSED = {
    "empty": ("x.csv", b"", "x.csv is empty"),
    "blank": ("x.jsonl", b" \n\n", "is empty"),
    "blank header": ("x.csv", b",\n1,2\n", "no header"),
    "column twice": ("x.csv", b"a,a\n1,2\n", "has the column 'a' twice"),
    "key twice": ("x.jsonl", b'{"a": 1, "a": 2}\n', "'a' stands twice"),
    "ragged": (
        "x.csv",
        b'"a";b\n1;2\n\n1;2;3\n',
        "ragged (line 4)\nwhy: found 3 cells, expected 2: a, b\nfix: give each line one cell per column, separated by semicolons",
    ),
    "Latin-1 header": (
        "x.csv",
        "id,Métis\n1,2\n".encode("latin-1"),
        "not UTF-8 (line 1)\nwhy: found the byte 0xe9, as Latin-1 files have it\nfix: --encoding latin-1",
    ),
    "Latin-1 cell": ("x.csv.gz", gzip.compress("id,race\n1,a\n2,Métis\n".encode("latin-1")), "not UTF-8 (line 3)"),
    "Windows": ("x.csv", "id,race\n1,“a”\n".encode("cp1252"), "0x93, as Windows-1252 files have it\nfix: --encoding cp1252"),
    "UTF-16": ("x.csv", "id,race\n1,a\n".encode("utf-16"), "is UTF-16 (line 1)\nwhy: expected UTF-8\nfix: --encoding utf-16,"),
    "UTF-16 without a mark": ("x.csv", ("id,race\n" + "1,a\n" * 99).encode("utf-16-le"), "fix: --encoding utf-16-le"),
    "open quotation mark": ("x.csv", b'a,b\n1,"2\n', "not a CSV table (line 2)"),
    "no gzip": ("x.csv.gz", b"a,b\n1,2\n", "damaged\nwhy: gzip"),
    "half a gzip": ("x.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9], "damaged\nwhy: gzip"),
    "nested": ("x.jsonl", b'{"a": 1}\n{"a": {"b": 1}}\n', "x.jsonl line 2 does not fit\nwhy: 'a' holds an object"),
    "list": ("x.jsonl", b'{"a": [1]}\n', "line 1 does not fit\nwhy: 'a' holds a list"),
    "a key less": ("x.jsonl", b'{"a": 1, "b": 2}\n{"a": 1}\n', "line 2 lacks 'b'"),
    "a key more": ("x.jsonl", b'{"a": 1}\n\n{"a": 1, "b": 2}\n', "line 3 has the key 'b', which the first line has not"),
    "half a character": ("x.jsonl", b'{"a": "x"}\n{"a": "\\ud800"}\n', "half a character (line 2)"),
    "not an object": ("x.jsonl", b"[1]\n", "line 1 is not an object"),
    "a long line": ("x.jsonl", b'"' + b"a" * 2**20 + b'"', "has over"),
    "no workbook": ("x.xlsx", b"PK", "not an Excel workbook"),
    "another name": ("x.doc", b"a,b\n", "give a .csv, .tsv"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_strictly_is_refused(case):
    name, content, words = REFUSED[case]
    with pytest.raises(DataError) as caught:
        read(name, content)
    assert words in str(caught.value)
    assert "fix: " in str(caught.value)


def test_a_wrong_encoding_is_said_and_one_of_its_own_is_not_taken(tmp_path):
    with pytest.raises(DataError, match=r"x\.csv is not ascii \(line 2\)"):
        read("x.csv", "a,b\n1,é\n".encode(), "ascii")
    with pytest.raises(UsageError, match=r"--encoding cannot be used with x\.xlsx"):
        read("x.xlsx", b"", "latin-1")


def test_a_workbook_with_two_tables_says_so():
    book, content = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["a"])
    book.create_sheet("second").append(["b"])
    book.save(content)
    with pytest.raises(DataError, match="several sheets\nwhy: found 'Sheet', 'second'"):
        read("x.xlsx", content.getvalue())
    wide = openpyxl.Workbook()
    wide.active.append(["a"])
    wide.active.append([1, 2])
    wide.save(content := io.BytesIO())
    with pytest.raises(DataError, match=r"ragged \(row 2\)"):
        read("x.xlsx", content.getvalue())


@pytest.fixture(scope="module")
def unfolding():
    """Members of a mebibyte each, one after another, as a file of gzip may have: compressed once."""
    member = gzip.compress(b"1,2\n" * 2**18)
    return gzip.compress(b"a,b\n") + member * 260


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.csv.gz", "x.jsonl.gz"])
def test_a_gzip_file_that_unfolds_to_too_much_is_refused(name, unfolding):
    with pytest.raises(UnsafeError, match="would fill the memory"):
        read(name, unfolding)


@pytest.mark.slow
def test_a_workbook_is_judged_by_the_directory_of_its_archive(tmp_path):
    content = io.BytesIO(as_excel(["a"], [["x"]]))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/more.xml", "w") as entry:
        for _ in range(257):
            entry.write(bytes(2**20))
    with pytest.raises(UnsafeError, match="would fill the memory"):
        read("x.xlsx", content.getvalue())


def with_sheet(rows):
    """Return a workbook of a header and a row, with more rows in its XML; the size that it claims for itself stays A1:B2."""
    source, content = zipfile.ZipFile(io.BytesIO(as_excel(["a", "b"], [["1", "x"]]))), io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name).replace(b"</sheetData>", rows + b"</sheetData>"))
    return content.getvalue()


def test_rows_beyond_the_size_that_a_sheet_claims_are_read():
    rows = b'<row r="9"><c r="B9" t="inlineStr"><is><t>far</t></is></c></row>'
    found = read("x.xlsx", with_sheet(rows))
    assert (cells_of(found.columns)[1], list(found.numbers)) == ([["1", "x"], ["", "far"]], [2, 9])


@pytest.mark.slow_except('<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>-over 1,048,576 rows|over 20,000,000 empty cells')
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (b'<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>', "over 1,048,576 rows|over 20,000,000 empty cells"),
        (b"".join(b'<row r="%d"><c r="XFD%d"/></row>' % (row, row) for row in range(3, 1500)), "over 20,000,000 empty cells"),
    ],
)
def test_a_sheet_of_nothing_without_end_is_refused(rows, words):
    with pytest.raises(UnsafeError, match=words):
        read("x.xlsx", with_sheet(rows))


EXAMPLES = [*(make(["a", "b"], [["1", "x"], ["2", "é"]]) for make in (*KINDS.values(), as_excel))]


@st.composite
def damaged(draw):
    content = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
        if not content:
            break
    return bytes(content)


@pytest.mark.slow_except("x.jsonl", "x.xlsx")
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.csv.gz", "x.jsonl", "x.jsonl.gz", "x.xlsx"])
@given(content=st.one_of(st.binary(max_size=64), damaged()), encoding=st.sampled_from([None, None, "latin-1", "utf-16", "utf-7"]))
def test_any_bytes_are_a_table_or_an_error_with_words(name, content, encoding):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        assert isinstance(column_names(path, encoding), list)
        with contextlib.suppress(DataError):
            table = read_table(path, encoding if "xlsx" not in name else None)
            assert table.columns.num_rows == len(table.numbers)


def test_names_say_what_is_a_table():
    assert [is_table(Path(name)) for name in ("a.csv", "a.JSONL.GZ", "a.xlsx", "a.pq", "readme.txt", "a.jpg", "a.gz")] == [True] * 4 + [
        False
    ] * 3
    assert ending_of(Path("a.b.tsv.gz")) == ".tsv.gz"


def test_rows_without_a_named_column_are_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"x\.jsonl has rows but no column with a name"):
        read_table(tmp_path / "x.jsonl")
