"""Options: a field of a request with its check and its words on the command line, from which the parser is made. Cheap to import."""

from __future__ import annotations

import math
import numbers
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from audit.errors import UsageError, nearest

Check = Callable[[Any], Any]
"""Returns the value as the field holds it, or raises ValueError saying what was expected."""
MIN_ALPHA = 1e-4
MAX_PATH, MAX_NAME = 4095, 255  # what Linux takes
"""The permutation tests draw 9,999 times: nothing smaller could ever be reached."""
_SHOWN = 80


@dataclass(frozen=True)
class Option:
    """What a field takes, and how it is written on a command line."""

    check: Check
    help: str
    section: str | None
    """The heading in ``--help``; None: from Python only."""
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    """Turns a word into a value; None: the word itself, or a switch where the default is False."""
    repeatable: bool = False
    choices: tuple[str, ...] | None = None
    older: tuple[str, ...] = ()
    """Other names of the flag."""
    basic: bool = False
    """Whether ``--help`` shows it; ``--help-all`` shows every option."""


def option(check: Check, default: Any, section: str | None, help: str, **words: Any) -> Any:  # noqa: A002 - argparse's word
    """Return a dataclass field with an option."""
    return field(default=default, metadata={"option": Option(check, help, section, **words)})


def flag(name: str) -> str:
    """Return the flag of a field."""
    return f"--{name.replace('_', '-')}"


def options(request: type[Request]) -> dict[str, tuple[Option, Any]]:
    """Return the options of a request by name, with their defaults; inherited ones last."""
    ordered = sorted(fields(request), key=lambda field: field.name not in request.__annotations__)
    named = {field.name: (field.metadata["option"], field.default) for field in ordered}
    return {name: (option, None if default is MISSING else default) for name, (option, default) in named.items()}


@dataclass(frozen=True)
class Request:
    """A value that holds what was asked for, checked when it is made."""

    def __post_init__(self) -> None:
        for name, (option, default) in options(type(self)).items():
            value = getattr(self, name)
            if value is None and default is None:
                continue
            try:
                object.__setattr__(self, name, option.check(value))
            except ValueError as error:
                where = flag(name) if option.section else None
                raise UsageError(f"invalid {name.replace('_', ' ')} {show_value(value)}: expected {error}", where=where) from error
        self.check_together()

    def check_together(self) -> None:
        """Raise `UsageError` where options do not go together."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the request of these options; UsageError at an unknown name, or a value that does not fit."""
        known = options(cls)
        if unknown := [name for name in values if name not in known]:
            raise UsageError(f"unknown option {unknown[0]!r}", fix=nearest(unknown[0], known))
        return cls(**values)

    def words(self, program: str) -> tuple[str, ...]:
        """Return the command line that asks for the same, defaults left out; only what a command line can say."""
        command_line = [program]
        for name, (option, default) in options(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                value = " ".join(f"{key}={word}" for key, word in value.items())
            parts = [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str | Path | int | float)]
            if option.section and parts and value != default:
                command_line += [flag(name)] if value is True else [f"{flag(name)}={part}" for part in parts]
        return tuple(command_line)


def show_value(value: object) -> str:
    """Return a value for a message: itself where it is short, else its type."""
    if isinstance(value, str | numbers.Number | Path | None | list | tuple | dict) and len(repr(value)) <= _SHOWN:
        return repr(str(value) if isinstance(value, Path) else value)
    return f"of type {type(value).__name__}"


def read_share(word: str) -> float:
    """Read a share as a command line may have it; argparse's error if it is not a number.

    Examples
    --------
    >>> read_share("0.2"), read_share("20%"), read_share("20 %")
    (0.2, 0.2, 0.2)
    """
    number = word.strip().removesuffix("%")
    try:
        return float(number) / (1 if number == word.strip() else 100)
    except ValueError:
        raise ArgumentTypeError(f"{word!r} is not a number: write 0.2 or 20 %") from None


# ---- checks --------------------------------------------------------------------------------------------------------------------------


def whole(least: int | None = None) -> Check:
    """Return a check for whole numbers."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or (least is not None and value < least):
            raise ValueError("a whole number" if least is None else f"a whole number of at least {least}")
        return int(value)

    return check


def between(low: float, high: float, expected: str) -> Check:
    """Return a check for numbers from `low` up to, but not including, `high`; NaN is refused too."""

    def check(value: Any) -> float:
        is_number: bool = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number or not low <= value < high:
            raise ValueError(expected)
        return float(value)

    return check


above_one = between(math.nextafter(1, 2), math.inf, "a number above 1")
fraction = between(0, 1, "0 ≤ x < 1")
error_rate = between(MIN_ALPHA, 0.5, f"{MIN_ALPHA} ≤ x < 0.5")  # equivalence uses intervals at 1 - 2 alpha


def text(value: Any) -> str:
    """Check a string."""
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def path(value: Any) -> Path:
    """Check a path."""
    if not isinstance(value, str | Path):
        raise ValueError("a path")
    parts = Path(value).parts
    if "\0" in str(value) or len(str(value)) > MAX_PATH or any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME for part in parts):
        raise ValueError(f"a path without NUL, of at most {MAX_PATH:,} characters, each name of at most {MAX_NAME} bytes")
    return Path(value)


def path_of(value: Any, what: str) -> Path:
    """Return a path that Python was given; UsageError if it cannot be one."""
    try:
        return path(value)
    except ValueError as error:
        raise UsageError(f"invalid {what} {show_value(value)}: expected {error}") from error


def switch(value: Any) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def one_of(*known: str) -> Check:
    """Return a check for one of a few words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return str(value)

    return check


def several(check: Check) -> Check:
    """Return a check for one value or a sequence of them."""

    def every(value: Any) -> tuple[Any, ...]:
        return tuple(check(element) for element in (value if isinstance(value, list | tuple) else [value]))

    return every


def names(value: Any) -> tuple[str, ...]:
    """Check names, or a string with commas between them; each once."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError("names, such as race,gender")
    unique = tuple(dict.fromkeys(name.strip() for name in parts if name.strip()))
    if not unique:
        raise ValueError("at least one name")
    return unique


def is_frame(value: object) -> bool:
    """Whether this is a data frame of pandas, which is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)
