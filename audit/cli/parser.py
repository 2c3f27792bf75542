"""An argument parser that suggests the nearest flag for a mistyped one, and has a short ``--help``. Cheap to import."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from audit.errors import nearest
from audit.extension import find, model_kinds
from strictio.arguments import ArgumentParser


class Parser(ArgumentParser):
    """An argument parser that suggests the nearest flag, and shows only its `basic` options, if it has some, in ``--help``."""

    basic: tuple[str, ...] = ()
    """Names of the options for a first use."""
    _words: Sequence[str] = ()

    def format_help(self) -> str:
        """The basic options, or every option if there are no basic ones."""
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
        """Every option, grouped by task."""
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with code 2; for an unknown flag, suggest its nearest neighbours, and say which extensions are left out."""
        unknown = [word for word in message.split() if word.startswith("-")] if "unrecognized" in message else []
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        hint = nearest(unknown[0].split("=")[0], flags) if unknown else f"{self.prog} --help"
        words = message.partition(": ")[2].split() if "unrecognized" in message else []
        if words and all(map(os.path.exists, words)):
            hint = self._hint_for_paths(words)
        elif words and (commas := self._hint_for_list(words)):
            hint = commas
        self.refuse(message, "\n".join([hint, *(find().left_out if unknown else ())]))

    def _hint_for_list(self, words: Sequence[str]) -> str:
        """What to do about names after a flag that takes a list of them: names are separated by commas."""
        names = list(takewhile(lambda word: not word.startswith("-"), words))
        if not names or names[0] not in self._words:
            return ""
        before = self._words[: self._words.index(names[0])]
        name = next((word for word in reversed(before) if word.startswith("--")), "")
        action = self._option_string_actions.get(name.partition("=")[0])
        if action is None or action.type is None:  # only lists have a type: the word is split at its commas
            return ""
        return f"separate names by commas: {','.join([*before[before.index(name) :], *names]).replace(',', ' ', '=' not in name)}"

    def _hint_for_paths(self, paths: Sequence[str]) -> str:
        """What to do about paths without a flag: name the flag, or quote a pattern that the shell replaced by file names."""
        flags = self._option_string_actions
        wanted = next((flag for flag in _flags_for(Path(paths[0])) if flag in flags), None)
        if wanted is None:
            above = os.path.commonpath([os.path.abspath(Path(path).parent) for path in paths])  # noqa: PTH100  # as named
            return f"{self.prog} takes one folder: name the one that holds them all, such as {shlex.quote(above)}"
        if any(word.partition("=")[0] in ("--predictions", "--data") for word in self._words):
            return "put a pattern that names several files in quotation marks: 'folder/*.parquet'"
        return f"did you mean {' '.join(f'{wanted} {shlex.quote(path)}' for path in paths[:3])}"

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and keep the words for messages."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)


def _flags_for(path: Path) -> tuple[str, ...]:
    """Flags that take such a path, the likeliest first."""
    if path.suffix.lower() in (".pt", ".pth", ".safetensors", ".bin") or (path / "config.json").is_file():
        return ("--model",)
    if path.suffix == ".py":
        return ("--probe", "--model")
    return ("--data",) if path.is_dir() else ("--predictions", "--data")


class HelpAll(argparse.Action):
    """Prints every option and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, **others: Any):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=others["help"])

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        assert isinstance(parser, Parser)  # noqa: S101  (the only parsers with this action)
        parser._print_message(parser.format_help_all(), sys.stdout)
        parser.exit()


def words_of(argv: Sequence[str] | None) -> list[str]:
    """The arguments of a command line; flags may be written with underscores."""
    return [_dashed(word) for word in (sys.argv[1:] if argv is None else argv)]


def _dashed(word: str) -> str:
    name, equals, value = word.partition("=")
    return (name.replace("_", "-") if name.startswith("--") else name) + equals + value


def short_name(model: object) -> str:
    """A model's name for a folder: the last two parts of its path, without the scheme of a hub or of a model over a network."""
    spec = str(model) if isinstance(model, str | Path) else getattr(getattr(model, "record", None), "name", type(model).__name__)
    for scheme in sorted(("hf", *(kind.scheme for kind in model_kinds() if kind.plan)), key=len, reverse=True):
        spec = spec.removeprefix(f"{scheme}:")
    return "-".join(Path(spec).parts[-2:]).removesuffix(".pt") or spec
