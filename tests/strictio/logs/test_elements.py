"""One object with a long array, element by element."""

import json

import pytest

import strictio.logs.elements
from strictio.errors import DataError
from strictio.logs.elements import is_json_object, keys_and_elements


def read(tmp_path, text, array="samples"):
    path = tmp_path / "log.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(keys_and_elements(path, array))


def test_keys_come_in_their_order_and_elements_one_by_one_with_numbers_as_text(tmp_path):
    text = '\ufeff {"version": 2, "eval": {"task": "x"}, "samples": [{"id": 1.50}, null , {"id": "b"}], "samples2": [], "end": -1e5 }\n'
    assert read(tmp_path, text) == [
        ("version", "2"), ("eval", {"task": "x"}), ("samples", {"id": "1.50"}), ("samples", None), ("samples", {"id": "b"}),
        ("samples2", []), ("end", "-1e5"),
    ]  # fmt: skip


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_the_window_may_end_anywhere(tmp_path, monkeypatch, block):
    """A number at the end of the window is not complete: 12 could go on as 123."""
    monkeypatch.setattr(strictio.logs.elements, "_BLOCK", block)
    value = {"version": 12345, "samples": [{"a": [1, 22, 333], "é\\n": "\\u00e9"}, 4444, "x" * 50, True], "more": 6789}
    expected = [("version", "12345"), *(("samples", element) for element in ({"a": ["1", "22", "333"], "é\\n": "\\u00e9"}, "4444"))]
    assert read(tmp_path, json.dumps(value, ensure_ascii=False)) == [
        *expected, ("samples", "x" * 50), ("samples", True), ("more", "6789"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"a"', '{"a": 1', '{"a": 1,}', '{"a": 1 "b": 2}', '{"samples": [1 2]}', '{"samples": [1,]}', '{"a": 1} x', "{1: 2}",
        '{"a": 1, "a": 2}', '{"samples": [{"a": 1, "a": 2}]}', '{"a": ' + "[" * 100_000, b'{"a": "\xff"}', '{"a": nul}',
    ],
)  # fmt: skip
def test_what_is_not_one_object_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"log.json is not one JSON object"):
        read(tmp_path, text)


def test_a_value_without_end_is_refused_before_all_of_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(strictio.logs.elements, "MAX_VALUE", 1000)
    monkeypatch.setattr(strictio.logs.elements, "_BLOCK", 100)
    with pytest.raises(DataError) as refused:
        read(tmp_path, '{"samples": ["' + "x" * 5000 + '"]}')
    assert refused.value.why == "a value is not JSON, or has over 1,000 characters"


def test_only_an_object_is_one(tmp_path):
    for number, (text, expected) in enumerate([(b"\xef\xbb\xbf {", True), (b"[1]", False), (b"", False)]):
        (tmp_path / str(number)).write_bytes(text)
        assert is_json_object(tmp_path / str(number)) is expected
    assert not is_json_object(tmp_path)
