"""Lines of the log: text for people, or one JSON object per line for programs (``--log-format json``)."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from typing import Literal

from audit.stages import DETAIL
from strictio.console import put, visible

LogFormat = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """Formats a record as JSON: `time`, `level` and `message`, the record's own `fields` and, for an exception, its `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, in ASCII."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": "detail" if record.levelno == DETAIL else record.levelname.lower(),
            "message": visible(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line | ({"traceback": self.formatException(record.exc_info)} if record.exc_info else {}))


def write_record(record: logging.LogRecord, form: logging.Formatter) -> None:
    """Write a record to stderr; a JSON line is never cut."""
    put(form.format(record), sys.stderr, whole=isinstance(form, JsonLines))


def write_message(message: str, level: int, log_format: LogFormat, **fields: object) -> None:
    """Write a message to stderr that no logger handles, such as the error that ends a command; text has no `fields`."""
    record = logging.LogRecord("audit", level, __file__, 0, "%s", (message,), None)
    record.fields = fields
    write_record(record, formatter(log_format))


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Return the formatter of a log on stderr."""
    return JsonLines() if log_format == "json" else logging.Formatter("%(message)s")
