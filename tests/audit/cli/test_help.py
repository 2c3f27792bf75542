"""--help shows what a first audit needs; --help-all every option, grouped by task."""

import re
from importlib import import_module

import pytest

from audit.__main__ import COMMANDS, all_commands, help_text
from tests.support.command import command

FIRST = {
    "run": ("model", "probe", "suite", "data", "predictions", "attributes", "limit", "out", "device", "fail-on", "check", "list-probes"),
    "compare": ("series", "out", "probe", "data", "limit", "device", "fail-on"),
    "embed": ("engine", "part", "model", "probe", "suite", "data", "limit", "device"),
}


def listed(text):
    return set(re.findall(r"^  (?:-\w, )?--([\w-]+)", text, re.MULTILINE))


@pytest.mark.extension("scale")
@pytest.mark.parametrize("name", FIRST)
def test_help_is_short_and_names_where_the_rest_is(name):
    module = import_module(all_commands()[name][0])
    short, long = (command(flag, module=module.__name__) for flag in ("--help", "--help-all"))
    assert (short.returncode, long.returncode, short.stderr, long.stderr) == (0, 0, "", "")
    assert listed(short.stdout) == {"help", "help-all", *FIRST[name]}
    flags = {string for action in module.parser()._actions for string in action.option_strings if string.startswith("--")}
    every = {flag.removeprefix("--") for flag in flags}
    assert listed(long.stdout) == every
    count = sum(bool(action.option_strings) for action in module.parser()._actions)
    assert f"vlm-audit {name} --help-all lists all {count} options by task." in short.stdout
    assert len(short.stdout.splitlines()) < 50 < len(long.stdout.splitlines())


def test_options_are_grouped_by_task():
    printed = command("--help-all").stdout
    groups = re.split(r"^(\w[^\n]*):$", printed, flags=re.MULTILINE)
    by_task = dict(zip(groups[1::2], groups[2::2], strict=True))
    for task, flag in (
        ("what to audit", "model"), ("how images and their attributes are read", "image-root"), ("external predictions", "truth-column"),
        ("groups and sampling units", "cluster"), ("further questions", "what-if"), ("statistics", "alpha"), ("output", "include-examples"),
        ("how to run it", "batch-size"), ("gates", "junit"),
    ):  # fmt: skip
        assert flag in listed(by_task[task]), task


def test_the_help_lists_what_most_people_want_first_and_extensions_last():
    headings = [line for line in help_text().splitlines() if line.endswith(":")]
    named = [line.split()[0] for line in help_text().splitlines() if line.startswith("  ")]
    assert headings[:3] == ["audits:", "before and after an audit:", "training:"]
    assert named[:4] == ["run", "compare", "render", "verify"]
    assert named == list(all_commands())
    assert set(headings[3:]) == ({"extensions:"} if set(named) - COMMANDS.keys() else set())
