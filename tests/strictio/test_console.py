"""Text on its way out, in small: what a stream gets."""

import io

import pytest

from strictio.console import MOST_CHARACTERS, MOST_LINES, put, readable, visible


def test_a_terminal_without_the_letters_gets_them_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    put("runs/\u00fcbung \U0001f469 ≤ 5 × \udcff", stream)
    assert stream.buffer.getvalue() == b"runs/\\xfcbung \\U0001f469 <= 5 x \\udcff\n"


def test_a_stream_that_is_closed_or_absent_is_no_error(tmp_path):
    put("nobody reads this", None)
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        put("there is no room for this", full)


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x7f", "\x9b", "\u061c", "\u200e", "\u202e", "\u2066", "\ufeff", "\u2028", "\r"])
def test_what_changes_the_text_around_it_is_made_visible(hidden):
    shown = visible(f"a{hidden}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert eval(f"'{shown}'") == f"a{hidden}b"


@pytest.mark.parametrize("text", ["two\nlines\tand a tab", "日本 العربية", "👩🏽\u200d🍳", "e\u0301", "a\u00a0b"])
def test_what_people_write_stays(text):
    assert visible(text) == text


def test_lines_and_their_number_have_a_limit():
    assert len(readable("x" * 10**6)) == MOST_CHARACTERS
    lines = readable("line\n" * 10**6).splitlines()
    assert (len(lines), lines[-1]) == (MOST_LINES + 1, "…")
    assert readable("short\nlines") == "short\nlines"
