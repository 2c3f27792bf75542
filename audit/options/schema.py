"""The base of all options: values in, a frozen model or a `UsageError` out. Its fields hold what a parser needs."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from audit.errors import UsageError, nearest

_SHOWN = 80


def option(default: Any, task: str | None, help: str, **words: Any) -> Any:  # noqa: A002 - argparse's word
    """Return a field of `Options`; `task` is its heading in ``--help-all``, None of an option that only Python has.

    `words` are ``metavar``, ``older`` (other names of the flag), ``basic`` (whether ``--help`` shows it) and ``positional``.
    """
    return Field(default, description=help, json_schema_extra={"task": task, **words})


def like(field: FieldInfo, task: str | None, help: str | None = None) -> Any:  # noqa: A002 - argparse's word
    """Return a field as another one, without its default: what is not given stays as it is elsewhere."""
    others = {name: value for name, value in facts_of(field).items() if name != "task"}
    return option(() if is_repeatable(field) else None, task, help or field.description or "", **others)


def facts_of(field: FieldInfo) -> dict[str, Any]:
    """Return what `option` was told of a field."""
    return cast(dict[str, Any], field.json_schema_extra)


def is_repeatable(field: FieldInfo) -> bool:
    """Whether a flag may be repeated: its values are a tuple that is empty by default."""
    return isinstance(field.default, tuple)


def choices_of(field: FieldInfo) -> tuple[str, ...] | None:
    """Return the words that a field takes, where they are few."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((get_args(kind) for kind in kinds if "Literal" in str(get_origin(kind))), None)


def flag(name: str) -> str:
    """Return the flag of a field."""
    return f"--{name.replace('_', '-')}"


class Options(BaseModel):
    """What a command or a function was asked for, checked when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True, protected_namespaces=())

    def __init__(self, **given: Any):
        """Raise UsageError at an unknown name, at a value that does not fit, and where options do not go together."""
        if unknown := [name for name in given if name not in type(self).model_fields]:
            raise UsageError(f"unknown option {unknown[0]!r}", fix=nearest(unknown[0], type(self).model_fields))
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise _usage_error(error, type(self), given) from error

    @model_validator(mode="after")
    def _together(self) -> Self:
        self.check_together()
        return self

    def check_together(self) -> None:
        """Raise `UsageError` where options do not go together."""

    def _settle(self, **values: Any) -> None:
        """Put in what follows from other options, while the model is made; it is frozen afterwards."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """Return the fields by name, inherited ones last."""
        own = cls.__annotations__
        return dict(sorted(cls.model_fields.items(), key=lambda item: item[0] not in own))

    def words(self, program: str) -> tuple[str, ...]:
        """Return the command line that asks for the same, defaults left out; only what a command line can say."""
        line = [program]
        for name, field in self.fields().items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                value = " ".join(f"{key}={word}" for key, word in value.items())
            parts = [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str | Path | int | float)]
            if facts_of(field)["task"] and parts and value != field.default:
                line += [flag(name)] if value is True else [f"{flag(name)}={part}" for part in parts]
        return tuple(line)


def _usage_error(error: ValidationError, options: type[Options], given: Mapping[str, Any]) -> UsageError:
    """Return the first thing that does not fit, in words."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    expected = str(first.get("ctx", {}).get("error") or _EXPECTED.get(first["type"], first["msg"]).format_map(first.get("ctx", {})))
    where = flag(name) if facts_of(options.model_fields[name])["task"] else None
    return UsageError(f"invalid {name.replace('_', ' ')} {show_value(given.get(name))}: expected {expected}", where=where)


_EXPECTED = {"literal_error": "one of {expected}", "bool_type": "True or False", "string_type": "a string"}


def show_value(value: object) -> str:
    """Return a value for a message: itself where it is short, else its type."""
    if isinstance(value, str | numbers.Number | Path | None | list | tuple | dict) and len(repr(value)) <= _SHOWN:
        return repr(str(value) if isinstance(value, Path) else value)
    return f"of type {type(value).__name__}"


def is_given(value: Any) -> bool:
    """Tell whether an option was given; a data frame has no truth value of its own."""
    return bool(value) if isinstance(value, bool | tuple) else value is not None
