"""The seams: found by declaration, sorted, ours first; what cannot be used is left out with a line and stops nothing."""

import importlib.metadata
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pandas as pd
import pytest

import audit
import probes
from audit import extension
from audit.__main__ import main
from audit.api.inputs import probe_sources
from audit.errors import UsageError
from audit.extension import (
    GROUP,
    Analysis,
    AnswerReader,
    Command,
    DeclaredProbe,
    Export,
    Extension,
    FactsFile,
    Option,
    Output,
    find,
)
from audit.options.audits import AuditRequest
from probes.counterfactual import emoji
from tests.support.rooms import EXTENSIONS

TABLE = FactsFile("table.json", "table.html", "a table", "count again", "json:loads", "json:dumps")
COUNT = Extension("count", (Command("count", "how many", f"{__name__}:count"),), (TABLE,), {"counted": "builtins:len"})
SAME_NAME = Extension("count")
SAME_COMMAND = Extension("tally", (Command("count", "how many too", f"{__name__}:count"),))
SAME_FILE = Extension("table", files=(TABLE,))
DICE, CARDS = (
    Extension(name, readers=(AnswerReader(name, (f".{name}",), "json:loads", "json:loads", (Option("deck", "which"),)),))
    for name in ("dice", "cards")
)
WATCH = Extension("watch", (Command("watch", "not ours", f"{__name__}:count"),))
TAGGING = Analysis("labels", "taggings", "Labels", 5, "labels/labels", "json:loads", "json:loads", "json", "json", "json")
SAME_ANALYSIS = Extension("labels", analyses=(TAGGING,))
MORE_WHAT_IFS = Extension("tries", analyses=(replace(TAGGING, field="tries", methods={"more": "More"}),))
CUPS = DeclaredProbe("cups", "Whose cups?", "cups_of_a_package", "people")
PROBES = Extension("cups", probes=(CUPS, replace(CUPS, name="nearby", module="audit.naming"), replace(CUPS, name="emoji")))
SAME_PROBE = Extension("mugs", probes=(CUPS,))
MADE = "from dataclasses import replace\nfrom probes.counterfactual.emoji import PROBE as E\n\nPROBE = replace(E, name='cups'"
SAME_OPTION = Extension("posts", outputs=(Output(Option("log_to", "where"), "json:loads", "json:loads"),))
SPDX = Extension("bills", exports=(Export("spdx", "a bill", f"{__name__}:spdx"),))
SAME_FORMAT = Extension("profiles", exports=(Export("github", "not ours", f"{__name__}:spdx"),))
NO_EXTENSION = "count"
pytestmark = pytest.mark.extension("formats", "tagging", "trackers", "watch", "whatif")  # ours come first


def count(words):
    """How many arguments there are, as an exit code."""
    return len(words)


def spdx(results, sha256, given):
    """A bill of an audit."""
    return f"SPDX of {len(results.audits)}, {len(sha256)}, {given['model']}\n"


@pytest.fixture
def installed(monkeypatch):
    """Return a function that installs extensions beside ours: their names, and what of this module they declare."""
    ask = importlib.metadata.entry_points
    ours = tuple(ask(group=GROUP))

    def install(**declared):
        more = [EntryPoint(name, place if ":" in place else f"{__name__}:{place}", GROUP) for name, place in declared.items()]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: (*more, *ours) if group == GROUP else ask(group=group))
        find.cache_clear()
        return find()

    yield install
    find.cache_clear()


def test_they_are_sorted_whatever_the_order_in_which_they_were_installed(installed):
    found = installed(zebra="SAME_FILE", count="COUNT")
    assert [one.name for one in found.extensions] == sorted(one.name for one in found.extensions)
    assert {"count", "watch"} <= {one.name for one in found.extensions}


def test_a_command_and_a_function_of_a_package_of_yours_are_found(installed, capsys):
    assert installed(count="COUNT").left_out == ()
    assert main(["count", "a", "b"]) == 2
    assert audit.counted("abc") == 3
    assert main(["--help"]) == 0
    assert "  count     how many\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("SAME_NAME", "the extension 'count' exists already"),
        ("SAME_COMMAND", "the command 'count' of 'count' exists already"),
        ("SAME_FILE", "the file 'table.json' of 'count' exists already"),
        ("SAME_ANALYSIS", "the analysis 'taggings' of 'tagging' exists already"),
        ("MORE_WHAT_IFS", "the analysis '--what-if' of 'whatif' exists already"),
        ("SAME_PROBE", "the probe 'cups' of 'cups' exists already"),
        ("CARDS", "the option 'deck' of 'dice' exists already"),
        ("SAME_OPTION", "the option 'log_to' of 'trackers' exists already"),
        ("SAME_FORMAT", "the export 'github' of 'formats' exists already"),
        ("NO_EXTENSION", "NO_EXTENSION is not an Extension"),
        ("MISSING", "has no attribute 'MISSING'"),
        ("no_such_package:X", "No module named 'no_such_package'"),
        ("WATCH", "the extension 'watch' exists already"),  # ours stays, also where the other comes first in the alphabet
    ],
)
def test_what_cannot_be_used_is_left_out_with_a_line_and_stops_nothing(installed, capsys, place, said):
    installed(a="COUNT", b="DICE", c="PROBES", other=place)
    assert main(["--help"]) == 0
    shown = capsys.readouterr()
    assert "  count     how many\n" in shown.out
    assert "  watch     an alarm" in shown.out
    [line] = shown.err.splitlines()
    assert line.startswith("the extension 'other' is left out: ")
    assert said in line


def test_a_probe_of_a_package_of_yours_is_listed_by_its_declaration_and_imported_when_it_is_asked(installed, tmp_path, monkeypatch, capsys):
    (tmp_path / "cups_of_a_package.py").write_text(f"{MADE})\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed(cups="PROBES").left_out == ()
    assert main(["run", "--list-probes"]) == 0
    assert "  cups         Whose cups?\n" in capsys.readouterr().out
    assert "cups_of_a_package" not in sys.modules
    assert (probes.get("cups").name, probes.get("emoji")) == ("cups", emoji.PROBE)  # the core's own comes first
    assert probe_sources(AuditRequest(model="x.pt", probe=("cups", "emoji")))["cups"].origin == "file"
    assert main(["probes"]) == 0
    shown = capsys.readouterr()
    assert "cups\n  Does the answer change" in shown.out
    assert "nearby" not in shown.out
    assert "the probe 'nearby' cannot be used" in shown.err
    with pytest.raises(UsageError, match=r"AttributeError: module 'audit.naming' has no attribute 'PROBE'"):
        probes.get("nearby")


def test_a_probe_of_a_package_of_yours_is_checked_as_a_file_is(installed, tmp_path, monkeypatch):
    (tmp_path / "wrong_cups.py").write_text(f"{MADE}, limits='few')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(globals(), "WRONG", Extension("cups", probes=(replace(CUPS, module="wrong_cups"),)))
    installed(cups="WRONG")
    with pytest.raises(UsageError, match=r"limits: 'few', expected a tuple of strings .wrong_cups."):
        probes.get("cups")


def test_a_probe_of_an_extension_that_is_left_out_is_unknown_with_a_line(installed):
    installed(other="NO_EXTENSION")
    with pytest.raises(UsageError, match=r"no probe 'cups'\nfix: .*; the extension 'other' is left out: TypeError"):
        probes.get("cups")


def test_an_unknown_option_may_be_one_of_an_extension_that_is_left_out(installed, capsys):
    installed(other="NO_EXTENSION")
    with pytest.raises(UsageError, match=r"unknown option 'sides'\nfix: .*; the extension 'other' is left out: TypeError"):
        AuditRequest(predictions="x.csv", sides=6)
    with pytest.raises(SystemExit):
        main(["run", "--predictions", "x.csv", "--sides", "6"])
    assert capsys.readouterr().err.splitlines()[-1].startswith("the extension 'other' is left out: TypeError")


def test_an_entry_point_that_is_listed_twice_counts_once(installed, monkeypatch):
    installed(count="COUNT")
    points = importlib.metadata.entry_points(group=GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: (*points, *points))
    find.cache_clear()
    assert find().left_out == ()


def test_an_editable_installation_that_is_older_than_an_extension_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: ())
    find.cache_clear()
    try:
        assert main(["watch"]) == 2
    finally:
        find.cache_clear()
    said = f"this installation does not know {', '.join(EXTENSIONS)}: install it again (python -m pip install --editable .)"
    assert said in capsys.readouterr().err


def test_an_unknown_name_of_the_package_is_an_error_and_a_module_is_no_extension():
    with pytest.raises(AttributeError, match="module 'audit' has no attribute 'nothing'"):
        _ = audit.nothing
    assert extension.function("nothing") is None
    assert extension.templates("nothing") is None


def test_an_export_of_a_package_of_yours_is_a_format_of_convert(installed, tmp_path, capsys):
    installed(bills="SPDX")
    data = pd.DataFrame({"race": ["a", "b"] * 40, "y_pred": ["cat", "dog"] * 40})
    audit.audit(predictions=data, draws=99, out=tmp_path / "out")
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "out"), "--to", "spdx", "--model", "mine"]) == 2  # an option of every-eval
    assert main(["convert", str(tmp_path / "out"), "--to", "spdx"]) == 0
    assert capsys.readouterr().out == "SPDX of 1, 64, None\n"
