"""The README is short, shows a real run, and its setting up is what make does."""

import re

import pytest

from audit.version import __version__
from docs.tools import terminal
from tests.support import documented
from tests.support.house import ROOT

README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
FIRST_SCREEN = 32
"""Lines before the first heading below the title."""


def test_it_takes_at_most_six_kilobytes():
    assert len(README.encode()) <= 6_144


def test_the_two_commands_are_on_its_first_screen_and_what_make_demo_does_is_written_out():
    first = README.split("\n## ")[0]
    assert first.count("\n") <= FIRST_SCREEN
    recipe = MAKEFILE.split("demo:")[1].split("\n\n")[0]
    assert re.search(r"^make demo\b", first, re.MULTILINE)
    assert re.search(r"^make test\b", first, re.MULTILINE)
    for command in re.findall(r"\$\(BIN\)/((?:python -m|vlm-audit) .*)", recipe):
        assert f".venv/bin/{command}" in first


def test_the_version_that_it_cites_is_this_one():
    assert f"version = {{{__version__}}}" in README


@pytest.mark.slow
def test_the_run_that_it_shows_is_a_real_one(monkeypatch):
    monkeypatch.chdir(ROOT)
    words, lines = terminal.shown(README)
    assert f"vlm-audit {' '.join(words)}\n" in README.split("<!-- terminal")[0]
    assert lines.count("\n") + 1 == terminal.LINES
    assert lines == terminal.first_lines(words), "write it anew: python -m docs.tools.terminal"


def test_its_example_is_the_one_that_the_script_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(terminal, "EXAMPLE", tmp_path / "answers.csv")
    terminal.write_example()
    assert (tmp_path / "answers.csv").read_text() == (ROOT / "docs" / "examples" / "answers.csv").read_text()


def rows_outside_tables(text):
    """Return the lines that begin with a bar, in paragraphs without the line of dashes that makes a table of them."""
    paragraphs = re.split(r"\n\s*\n", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    rows = ([line.strip() for line in paragraph.splitlines() if line.strip().startswith("|")] for paragraph in paragraphs)
    return [line for lines in rows if lines and not any(re.fullmatch(r"[|\s:-]+", line) for line in lines[1:2]) for line in lines]


@pytest.mark.parametrize("page", documented.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_row_of_a_table_is_rendered_as_text(page):
    assert rows_outside_tables(page.read_text("utf-8")) == []


def test_a_row_after_a_blank_line_is_found():
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert rows_outside_tables(f"{table}\n| 3 | 4 |\n\n```text\n| no table |\n```\n") == ["| 3 | 4 |"]


@pytest.mark.parametrize("page", documented.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
