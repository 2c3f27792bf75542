"""A record as strict JSON, and back; a file of an older schema is brought up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from audit.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True)
class File:
    """A kind of file."""

    name: str
    version: str
    upgrade: Callable[[dict[str, Any]], dict[str, Any]]
    """From schema 1."""
    fix: str
    """What to do where it cannot be read."""


def to_text(adapter: TypeAdapter[T], value: T) -> str:
    """Return strict JSON with sorted keys; equal values give equal bytes."""
    return json.dumps(adapter.dump_python(value, mode="json"), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_text(adapter: TypeAdapter[T], text: str, file: File) -> T:
    """Return the record in a text.

    Raises
    ------
    DataError
        If the text is not JSON, has an unknown schema version, or does not follow the schema.
    """
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name} is not JSON", why=str(error), fix=file.fix) from error
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version not in ("1", file.version):
        raise DataError(f"{file.name} has schema version {version!r}; this program reads '1' and {file.version!r}", fix=file.fix)
    try:
        return adapter.validate_python(file.upgrade(fields) if version == "1" else fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file.name} does not follow its schema at {error}", why="a field of schema 1 is missing", fix=file.fix) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{file.name} does not follow its schema at {place}", why=first["msg"], fix=file.fix) from error
