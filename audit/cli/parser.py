"""The parser of a command, made from the options of its request. Cheap to import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from audit.cli.exit_codes import GATED, MEANING
from audit.cli.options import Option, Request, flag, names, options
from audit.errors import nearest
from audit.version import __version__
from strictio.console import put


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest flag, and shows only its `basic` options in ``--help`` where it has some."""

    basic: tuple[str, ...] = ()
    """Names of the options that a first use needs."""

    def format_help(self) -> str:
        """Return the basic options, or every option where none is basic."""
        if not self.basic:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, [], [])
        formatter.add_text(self.description)
        formatter.start_section("options")
        formatter.add_arguments(action for action in self._actions if action.dest in self.basic)
        formatter.end_section()
        flags = sum(bool(action.option_strings) for action in self._actions)
        formatter.add_text(f"{self.prog} --help-all lists all {flags} options by task.")
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def format_help_all(self) -> str:
        """Return every option, grouped by task."""
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with code 2; an unknown flag gets its nearest neighbours."""
        unknown = [word for word in message.split() if word.startswith("-")] if "unrecognized" in message else []
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        hint = nearest(unknown[0].split("=")[0], flags) if unknown else f"{self.prog} --help"
        words = message.partition(": ")[2].split() if "unrecognized" in message else []
        if words and all(Path(word).exists() for word in words):
            hint = "put a pattern that names several files in quotation marks: 'folder/*.parquet'"
        put(f"error[E2] {message}\nfix: {hint}", sys.stderr)
        self.exit(2)


class HelpAll(argparse.Action):
    """Prints every option and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, **others: Any):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=others["help"])

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        assert isinstance(parser, Parser)  # noqa: S101  (the only parsers that have it)
        parser._print_message(parser.format_help_all(), sys.stdout)
        parser.exit()


class AboutModel(argparse.Action):
    """Keeps words with the number of models named before them: they are about the last of those."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        earlier = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*earlier, (len(getattr(namespace, "model", None) or ()), values)])


def request_parser(
    usage: Sequence[str], description: str | None, request: type[Request], positional: str | None = None, leave_out: Collection[str] = ()
) -> Parser:
    """Return the parser of a command that makes a request; `positional` is the option that is given without a flag.

    `usage` has one line per way to call the command, after its name. Options to `leave_out` belong to the request, and not to this command.
    """
    program = " ".join(usage[0].split()[:2])
    judges = "fail_on" in options(request) and "fail_on" not in leave_out
    epilog = MEANING if judges else MEANING.replace(GATED, "")
    parse = Parser(
        program, usage="\n       ".join(usage), description=description, epilog=epilog, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parse.add_argument("--help-all", action=HelpAll, help="show every option, grouped by task, and exit")
    parse.basic = ("help", "help_all", *(name for name, (option, _) in options(request).items() if option.basic and name not in leave_out))
    sections: dict[str, Any] = {}
    for name, (option, default) in options(request).items():
        if option.section is None or name in leave_out:
            continue
        if option.section not in sections:
            sections[option.section] = parse.add_argument_group(option.section)
        section = sections[option.section]
        if name == positional:
            section.add_argument(name, nargs="+", metavar=option.metavar, help=option.help)
        else:
            section.add_argument(flag(name), *map(flag, option.older), dest=name, **_keywords(option, default))
    about = parse.add_argument_group("about")
    about.add_argument("--debug", action="store_true", help="show a traceback for every error")
    how_much = about.add_mutually_exclusive_group()
    if judges:
        how_much.add_argument("-v", "--verbose", action="store_true", help="print the table of questions with n and what chance gives")
    how_much.add_argument("-q", "--quiet", action="store_true", help="print the path of the report alone; errors and warnings still show")
    about.add_argument("--version", action="version", version=f"vlm-audit {__version__}")
    return parse


def _keywords(option: Option, default: Any) -> dict[str, Any]:
    if default is False:
        return {"action": "store_true", "help": option.help}
    shown = f"{option.help} (default: {default})" if default not in (None, ()) else option.help
    kept = {key: value for key, value in (("metavar", option.metavar), ("type", option.read), ("choices", option.choices)) if value}
    action: dict[str, Any] = {"action": AboutModel} if option.metavar == "NAME=VALUE" else {"action": "append"} if option.repeatable else {}
    if option.check is names:  # given twice, they add up
        action = {"action": "extend", "type": _between_commas}
    return {"default": None if option.repeatable else default, "help": shown, **kept, **action}


def _between_commas(word: str) -> list[str]:
    return word.split(",")


def words_of(argv: Sequence[str] | None) -> list[str]:
    """Return the words of a command line; flags may be written with underscores."""
    return [_dashed(word) for word in (sys.argv[1:] if argv is None else argv)]


def _dashed(word: str) -> str:
    name, equals, value = word.partition("=")
    return (name.replace("_", "-") if name.startswith("--") else name) + equals + value


def given_options(arguments: argparse.Namespace, request: type[Request]) -> dict[str, Any]:
    """Return the options that a command line gives, by the names of the request's fields; what was left out is left to the request."""
    known = {name: getattr(arguments, name, None) for name in options(request)}
    return {name: value for name, value in known.items() if value is not None}


def short_name(model: object) -> str:
    """Return a model's name for a folder: the last two parts of its path."""
    spec = str(model) if isinstance(model, str | Path) else getattr(getattr(model, "record", None), "name", type(model).__name__)
    return "-".join(Path(spec.removeprefix("hf:").removeprefix("api:")).parts[-2:]).removesuffix(".pt") or spec
