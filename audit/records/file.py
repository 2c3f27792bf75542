"""A record as strict JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from audit.errors import DataError
from strictio.limits import parse_json

T = TypeVar("T")


@dataclass(frozen=True)
class File(Generic[T]):
    """A kind of file: the JSON of one record."""

    kind: type[T]
    name: str
    version: str
    fix: str
    """What to do if it cannot be read."""
    superseded: Mapping[str, str] = field(default_factory=dict)
    """Earlier version -> why it cannot be read."""

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self.kind)

    def to_json(self, value: T) -> str:
        """Strict JSON with sorted keys; equal values give equal bytes."""
        fields = self._adapter.dump_python(value, mode="json")
        return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the file."""
        return self._adapter.json_schema()

    def from_json(self, text: str) -> T:
        """Parse a record; raises DataError if the text is not JSON, has an unknown version, or does not match the schema."""
        try:
            fields: Any = parse_json(text)
        except ValueError as error:
            raise DataError(f"{self.name} is not JSON", why=str(error), fix=self.fix) from error
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if version != self.version:
            what = f"{self.name} has schema version {repr(version)[:80]}; this program reads {self.version!r}"
            raise DataError(what, why=self.superseded.get(str(version)), fix=self.fix)
        try:
            return self._adapter.validate_python(fields)
        except ValidationError as error:
            first = error.errors()[0]
            location = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{self.name} does not follow its schema at {location}", why=first["msg"], fix=self.fix) from error
