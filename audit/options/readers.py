"""The options that extensions declare for their readers of answers (`audit.extension.AnswerReader`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator, create_model

from audit.extension import AnswerReader, Option, answer_readers, import_declared
from audit.options.kinds import Switch, Text
from audit.options.schema import Options, is_given, option

READ_BY_OTHERS = "".join(f", {reader.files}" for reader in answer_readers())
"""What they read, to be listed after the kinds of tables."""


def _checked(place: str, value: object) -> Any:
    return import_declared(place)(value)


def declared_fields(readers: Iterable[AnswerReader]) -> dict[str, Any]:
    """The type and the definition of a field for each option that readers declare."""
    return {one.name: _field(one, f"{reader.files} (with --predictions)") for reader in readers for one in reader.options}


def _field(one: Option, heading: str) -> tuple[Any, Any]:
    if not one.metavar:
        return Switch, option(False, heading, one.help)
    kind = Annotated[str, PlainValidator(partial(_checked, one.check))] if one.check else Text
    return kind | None, option(None, heading, one.help, metavar=one.metavar)


if TYPE_CHECKING:
    _Declared = Options
else:
    _Declared = create_model("Declared", __base__=Options, **declared_fields(answer_readers()))


class ReadersRequest(_Declared):
    """What the readers of answers that are installed can be told."""

    @property
    def given_to_readers(self) -> Mapping[str, Any]:
        """Their options, as far as they were given."""
        return {name: value for name in _Declared.model_fields if is_given(value := getattr(self, name))}


OF_READERS = tuple(ReadersRequest.model_fields)
"""The names of their options."""
