"""Logs that were made to harm: keys without end, code in a text, names that are columns of ours."""

import json

import pytest

import audit.extensions.logs.table
from audit.errors import DataError
from audit.extensions.logs.base import LogRow, flat
from audit.extensions.logs.lm_eval import targets_of
from audit.extensions.logs.table import Columns, table_of
from tests.extensions.logs.conftest import read, rows


def log(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def line(number, **document):
    return {"doc_id": number, "doc": document, "target": "yes", "filtered_resps": ["yes"], "metrics": ["em"], "em": 1.0}


def test_samples_that_share_no_key_are_refused_before_they_fill_the_memory(tmp_path):
    lines = [line(i, race="AB"[i % 2], **{f"key {i} {at}": "x" for at in range(20)}) for i in range(100)]
    with pytest.raises(DataError, match="too many different keys") as refused:
        read(log(tmp_path / "x.jsonl", lines))
    assert "1,000 keys" in refused.value.why


def test_cells_are_bounded_as_keys_are(monkeypatch):
    monkeypatch.setattr(audit.extensions.logs.table, "_MOST_CELLS", 100)
    made = [LogRow(str(i), ("yes",), "yes", metadata={f"k{at}": "x" for at in range(20)}) for i in range(10)]
    with pytest.raises(DataError, match="too many different keys"):
        Columns.of(made, "x.jsonl")


def test_a_target_is_a_literal_and_never_evaluated():
    assert targets_of("['yes', 'yeah']") == ("yes", "yeah")
    assert targets_of("(1, 2)") == ("1", "2")
    for text in ("[__import__('os').system('x')]", "[" * 9000, "[1", "(" + "9" * 5000 + ",)", "[" + "'x'," * 5000 + "]"):
        assert targets_of(text) == (text,)


def test_nesting_ends_and_a_long_text_is_no_cell():
    deep = {"a": {"b": {"c": {"d": {"e": {"f": "x"}}}}}}
    assert list(flat(deep)) == [("a.b.c.d.e", None)]
    assert list(flat({"prompt": "x" * 1001, "race": "A"})) == [("prompt", None), ("race", "A")]


def test_keys_that_are_called_like_our_columns_do_not_take_their_place(tmp_path):
    lines = [line(i, race="AB"[i % 2], y_pred="no", y_true="no", model="m", sample="s", scores="t", answer="no") for i in range(4)]
    lines[0]["doc"] |= {"score:yes": "0.5", "text:x": "y", "y_pred:x": "z"}
    file = read(log(tmp_path / "x.jsonl", lines))
    assert {row[:2] for row in rows(file).values()} == {("yes", "yes")}
    assert {*file.answers[0].predictions.attributes.columns} == {"race"}


def test_half_a_character_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps(line(0, race="A")) + "\n" + json.dumps(line(1, race="\ud800")) + "\n")
    with pytest.raises(DataError, match="half a character"):
        read(tmp_path / "x.jsonl")


def test_a_value_that_is_a_list_in_one_sample_is_no_column():
    columns = Columns.of(
        [LogRow("a", (), "yes", metadata={"race": "A", "tag": "x"}), LogRow("b", (), "no", metadata={"race": "B", "tag": ["y"]})], "x"
    )
    table, notes = table_of(columns, "answer", False, "x")
    assert table.column_names == ["id", "y_pred", "race"]
    assert [note.values for note in notes] == [{"columns": ("'tag'",)}]


def test_a_name_that_cannot_be_printed_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be printed"):
        read(log(tmp_path / "x\n.jsonl", [line(0, race="A")]))
