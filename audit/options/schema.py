"""The base of all options: a frozen model that raises `UsageError`. Its fields contain what a parser needs."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from audit.errors import UsageError, nearest
from audit.extension import find, model_kinds

_SHOWN = 80


def option(default: Any, task: str | None, help: str, **words: Any) -> Any:  # noqa: A002 - argparse's word
    """Define a field of `Options`; `task` is its heading in ``--help-all``, None for an option that is only available from Python.

    `words` are ``metavar``, ``basic`` (whether ``--help`` shows it) and ``positional``.
    """
    return Field(default, description=help, json_schema_extra={"task": task, **words})


def like(field: FieldInfo, task: str | None, help: str | None = None) -> Any:  # noqa: A002 - argparse's word
    """Define a field like another one, but without its default: None means the default elsewhere."""
    others = {name: value for name, value in facts_of(field).items() if name != "task"}
    return option(() if is_repeatable(field) else None, task, help or field.description or "", **others)


MORE_SPECS = "{the specs of extensions}"
"""Stands in the help of an option for the model specs that extensions read: which these are is found when it is shown."""


def help_of(field: FieldInfo) -> str:
    """What ``--help`` says about a field."""
    text = field.description or ""
    return text.replace(MORE_SPECS, "".join(f", {kind.usage}" for kind in model_kinds() if kind.usage)) if MORE_SPECS in text else text


def facts_of(field: FieldInfo) -> dict[str, Any]:
    """The arguments of `option` for a field."""
    return cast(dict[str, Any], field.json_schema_extra)


def is_repeatable(field: FieldInfo) -> bool:
    """Whether a flag may be repeated: its values are a tuple that is empty by default."""
    return isinstance(field.default, tuple)


def choices_of(field: FieldInfo) -> tuple[str, ...] | None:
    """The words that a field accepts, if there are few."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((get_args(kind) for kind in kinds if "Literal" in str(get_origin(kind))), None)


def flag(name: str) -> str:
    """The flag of a field."""
    return f"--{name.replace('_', '-')}"


class Options(BaseModel):
    """Options of a command or a function, checked when they are created."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True, protected_namespaces=())

    def __init__(self, **values: Any):
        """Raise UsageError for an unknown name, an invalid value, or options that cannot be combined."""
        if unknown := [name for name in values if name not in type(self).model_fields]:
            fix = "; ".join([nearest(unknown[0], type(self).model_fields), *find().left_out])
            raise UsageError(f"unknown option {unknown[0]!r}", fix=fix)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _usage_error(error, type(self), values) from error

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        self.check_combination()
        return self

    def check_combination(self) -> None:
        """Raise `UsageError` for options that cannot be combined."""

    def _settle(self, **values: Any) -> None:
        """Set values that follow from other options, while the model is created; it is frozen afterwards."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """The fields by name, inherited ones last."""
        own = cls.__annotations__
        return dict(sorted(cls.model_fields.items(), key=lambda item: item[0] not in own))

    def words(self, program: str) -> tuple[str, ...]:
        """The equivalent command line, without defaults; only options that a command line supports."""
        line = [program]
        for name, field in self.fields().items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                value = " ".join(f"{key}={word}" for key, word in value.items())
            parts = [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str | Path | int | float)]
            if facts_of(field)["task"] and parts and value != field.default:
                line += [flag(name)] if value is True else [f"{flag(name)}={part}" for part in parts]
        return tuple(line)


def _usage_error(error: ValidationError, options: type[Options], values: Mapping[str, Any]) -> UsageError:
    """The invalid values, in words, each with its flag."""
    firsts = {str(one["loc"][0]): one for one in reversed(error.errors())}
    said = [(_invalid(firsts[name], name, values.get(name)), name) for name in sorted(firsts, key=list(options.model_fields).index)]
    flags = [flag(name) if facts_of(options.model_fields[name])["task"] else None for _, name in said]
    if len(said) == 1:
        return UsageError(said[0][0], where=flags[0])
    return UsageError("; ".join(f"{what} ({where})" if where else what for (what, _), where in zip(said, flags, strict=True)))


def _invalid(error: Mapping[str, Any], name: str, value: object) -> str:
    expected = str(error.get("ctx", {}).get("error") or _EXPECTED.get(error["type"], error["msg"]).format_map(error.get("ctx", {})))
    return f"invalid {name.replace('_', ' ')} {show_value(value)}: expected {expected}"


_EXPECTED = {"literal_error": "one of {expected}", "bool_type": "True or False", "string_type": "a string"}


def show_value(value: object) -> str:
    """A value for a message: itself if it is short, else its type."""
    if isinstance(value, str | numbers.Number | Path | None | list | tuple | dict) and len(repr(value)) <= _SHOWN:
        return repr(str(value) if isinstance(value, Path) else value)
    return f"of type {type(value).__name__}"


def check_model_names(names: tuple[str, ...], sources: int, what: str) -> None:
    """Raise UsageError if names are given, but not a different one for each source; `what` names the kind of source, such as a model."""
    if names and len(names) != sources:
        count = f"{len(names)} name{'s' * (len(names) != 1)} for {sources} {what}{'s' * (sources != 1)}"
        raise UsageError(count, where="--name", fix=f"give --name once for each {what}, in their order, or not at all")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two models are called {twice[0]!r}", where="--name", fix="give each model a name of its own")


def is_given(value: Any) -> bool:
    """Whether an option was given; a data frame has no truth value."""
    return bool(value) if isinstance(value, bool | tuple) else value is not None
