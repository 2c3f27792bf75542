"""Workbooks are read in a locked child: what openpyxl does not survive is refused by name."""

import os
import sys
import zipfile

import openpyxl
import pytest

from strictio.errors import DataError, UnsafeError
from strictio.tables import workbook
from strictio.tables.workbook import read_workbook, workbook_header


@pytest.fixture
def path(tmp_path):
    book = openpyxl.Workbook()
    for row in range(300):
        book.active.append([f"image {row}", row, row / 8, None, "ä\n"] if row else ["name", "count", "share", "empty", "text"])
    book.save(tmp_path / "table.xlsx")
    return tmp_path / "table.xlsx"


def test_the_rows_are_those_of_the_file_and_openpyxl_is_not_used_here(path, monkeypatch):
    monkeypatch.setattr(sys.modules["openpyxl"], "load_workbook", lambda *_, **__: pytest.fail("read in this process"))
    assert workbook_header(path) == ["name", "count", "share", "empty", "text"]
    table = read_workbook(path, ["share", "text", "none"])
    assert table.columns.column_names == ["share", "text"]
    assert table.columns.slice(0, 2).to_pydict() == {"share": ["0.125", "0.25"], "text": ["ä\n", "ä\n"]}
    assert list(table.numbers) == list(range(2, 301))


def test_what_takes_too_long_is_refused_and_the_next_is_read(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(workbook, "SECONDS", 0.002)
        patch.setattr(workbook, "SECONDS_PER_MIB", 0.0)
        with pytest.raises(UnsafeError, match="does not end"):
            read_workbook(path, None)
    assert len(read_workbook(path, None).numbers) == 299


def test_what_takes_too_much_memory_is_refused(path, tmp_path, monkeypatch):
    """50 MiB of one text unfold from 50 kB, which the directory of an archive may say."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b">image 1<", b">" + b"a" * 50 * 2**20 + b"<"))
    monkeypatch.setattr(workbook, "MAX_MEMORY", 2**26)
    with pytest.raises(UnsafeError, match="would fill the memory"):
        read_workbook(tmp_path / "bomb.xlsx", None)


def test_a_file_that_ends_its_reader_is_damaged(path, monkeypatch):
    monkeypatch.setattr(workbook.EndedError, "__init__", lambda self, *_, **__: setattr(self, "took_too_long", False))
    monkeypatch.setattr(workbook, "SECONDS", 0.002)
    monkeypatch.setattr(workbook, "SECONDS_PER_MIB", 0.0)
    with pytest.raises(DataError, match="not an Excel workbook, or damaged"):
        read_workbook(path, None)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.xlsx")
    with pytest.raises(DataError, match="not an Excel workbook") as caught:
        read_workbook(tmp_path / "pipe.xlsx", None)
    assert "a pipe" in caught.value.why
