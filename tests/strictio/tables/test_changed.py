"""A table that is replaced while it is read: it is refused by name, whatever takes its place."""

import os
from pathlib import Path

import pytest

from strictio.errors import DataError
from strictio.tables import text_table
from strictio.tables.read import read_table

REPLACED = {
    "other bytes": lambda path: path.write_bytes(b"id,group\n" + b"\xff\xfe,a\n" * 1000),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "nothing": Path.unlink,
}


@pytest.mark.parametrize("by", REPLACED)
def test_a_table_that_is_replaced_after_it_was_judged_is_refused(by, tmp_path, monkeypatch):
    path, survey = tmp_path / "a.csv", text_table.survey
    path.write_text("id,group\n" + "1,a\n" * 20_000)

    def judged(*given):
        found = survey(*given)
        REPLACED[by](path)
        return found

    monkeypatch.setattr(text_table, "survey", judged)
    with pytest.raises(DataError, match=r"a\.csv"):
        read_table(path, None)
