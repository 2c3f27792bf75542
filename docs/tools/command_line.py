"""The command-line reference, generated from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from html import escape
from importlib import import_module
from pathlib import Path

from audit.__main__ import all_commands, help_text
from audit.options.schema import Options, help_of

OTHERS = tuple(f"contrastive.{name}" for name in ("release", "unshard", "foreign"))
"""Commands without a subcommand of `vlm-audit`."""
SHORT = {module: f"vlm-audit {name}" for name, (module, main, _) in all_commands().items() if main == "main"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by module."""
    return {module: import_module(module).parser() for module in (*SHORT, *OTHERS)}


def page() -> str:
    """The page: an overview, then the options of each command."""
    return "\n\n".join([f"```text\n{help_text()}\n```", *(_section(module, parser) for module, parser in parsers().items())])


def fields(options: type[Options]) -> str:
    """The options of a model as a table, including those available only from Python."""
    lines = [
        f"| `{name}` | `{_default(field.default)}` | {_cell(help_of(field).replace('%%', '%'))} |"
        for name, field in options.fields().items()
    ]
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *lines])


def _default(value: object) -> str:
    return str(value) if isinstance(value, tuple | Path) else repr(value)


def _section(module: str, parser: argparse.ArgumentParser) -> str:
    long = f"python -m {module}"
    about = " ".join((parser.description or "").split("\n\n")[0].replace("``", "`").removeprefix("The command: ").split())
    same = f"The same as `{long}`." if module in SHORT else ""
    groups = sorted(parser._action_groups, key=lambda group: group.title == "options")  # what is common to all commands comes last
    codes = [_end(parser.epilog)] if parser.epilog else []
    return "\n\n".join(
        [f"## {SHORT.get(module, long)}", *filter(None, [about, same]), *(table for group in groups for table in _table(group)), *codes]
    )


def _end(epilog: str) -> str:
    return f"Exit codes: {epilog.removeprefix('exit codes: ')}." if epilog.startswith("exit codes") else escape(epilog)


def _table(group: argparse._ArgumentGroup) -> Iterator[str]:
    rows = [_row(action) for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
    if rows:
        yield "\n".join([f"**{(group.title or 'options').capitalize()}**", "", "| option | meaning |", "|---|---|", *rows])


def _row(action: argparse.Action) -> str:
    names = " ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    takes = f" <code>{_cell(str(value))}</code>" if action.option_strings and action.nargs != 0 else ""
    more = " …" if action.nargs in ("+", "*") else ""
    return f"| {names}{takes}{more} | {_cell(_help(action))} |"


def _help(action: argparse.Action) -> str:
    text = action.help or ""
    return text % {**vars(action), "prog": ""} if "%" in text else text


def _cell(text: str) -> str:
    return escape(text, quote=False).replace("|", "&#124;")
