"""Creates the parser of a command from the fields of its options."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any, get_args

from pydantic.fields import FieldInfo

from audit.cli.exit_codes import GATED, MEANING
from audit.cli.parser import HelpAll, Parser
from audit.options.kinds import Names
from audit.options.schema import Options, choices_of, facts_of, flag, help_of, is_repeatable
from audit.version import __version__


class AboutModel(argparse.Action):
    """Stores values with the number of models before them on the command line: they are about the last of those."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        earlier = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*earlier, (len(getattr(namespace, "model", None) or ()), values)])


def options_parser(usage: Sequence[str], description: str | None, options: type[Options], leave_out: Collection[str] = ()) -> Parser:
    """The parser of a command with these options.

    `usage` has one line per way to call the command, after its name. Options in `leave_out` belong to the model, but not to this command.
    """
    fields = {name: field for name, field in options.fields().items() if facts_of(field)["task"] and name not in leave_out}
    judges = "fail_on" in fields
    parse = Parser(
        " ".join(usage[0].split()[:2]), usage="\n       ".join(usage), description=description, allow_abbrev=False,
        epilog=MEANING if judges else MEANING.replace(GATED, ""), formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parse.add_argument("--help-all", action=HelpAll, help="show every option, grouped by task, and exit")
    parse.basic = ("help", "help_all", *(name for name, field in fields.items() if facts_of(field).get("basic")))
    tasks: dict[str, Any] = {}
    for name, field in fields.items():
        task = facts_of(field)["task"]
        tasks[task] = tasks.get(task) or parse.add_argument_group(task)
        _add(tasks[task], name, field)
    _add_about(parse, judges=judges)
    return parse


def _add(task: Any, name: str, field: FieldInfo) -> None:
    words = facts_of(field)
    if words.get("positional"):
        task.add_argument(name, nargs="+", metavar=words["metavar"], help=help_of(field))
    else:
        task.add_argument(flag(name), dest=name, **_keywords(field))


def _add_about(parse: Parser, *, judges: bool) -> None:
    about = parse.add_argument_group("about")
    about.add_argument("--debug", action="store_true", help="show a traceback for every error")
    if judges:
        about.add_argument("--json", action="store_true", help="print one JSON line per audit or comparison, for scripts, and nothing else")
    how_much = about.add_mutually_exclusive_group()
    if judges:
        how_much.add_argument(
            "-v", "--verbose", action="store_true", help="print the table of questions with n and the gap expected by chance"
        )
    how_much.add_argument("-q", "--quiet", action="store_true", help="print the path of the report alone; errors and warnings still show")
    about.add_argument("--version", action="version", version=f"vlm-audit {__version__}")


def _keywords(field: FieldInfo) -> dict[str, Any]:
    if field.default is False:
        return {"action": "store_true", "help": help_of(field)}
    metavar, choices = facts_of(field).get("metavar"), choices_of(field)
    help_text = help_of(field) if field.default in (None, (), "") else f"{help_of(field)} (default: {field.default})"
    action: dict[str, Any] = {"action": "append"} if is_repeatable(field) else {}
    if metavar == "NAME=VALUE":
        action = {"action": AboutModel}
    if Names in get_args(field.annotation):  # repeated flags add up
        action = {"action": "extend", "type": lambda word: word.split(",")}
    default = None if is_repeatable(field) else field.default
    return {"default": default, "help": help_text, "metavar": metavar, "choices": choices, **action}


def given_options(arguments: argparse.Namespace, options: type[Options]) -> dict[str, Any]:
    """The options on a command line, by the names of the fields; those not given get their default in the model."""
    known = {name: getattr(arguments, name, None) for name in options.model_fields}
    return {name: value for name, value in known.items() if value is not None}
