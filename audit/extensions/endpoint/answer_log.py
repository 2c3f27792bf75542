"""The answer log: stores every answer on disk before it is used, so that runs can resume after any failure, or be replayed offline.

One line per answer: a checksum, a space, JSON. Lines are only appended. The key depends on the model, the settings, the image and the
question (`audit.extensions.endpoint.model`). If a key has two lines the first counts, unless it is a rejected request of the probing phase:
then an answer, or a later rejection, replaces it. Lines with a wrong checksum (the last one of a
killed run, a corrupted one) or with impossible values are skipped, and their questions are sent again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from audit.errors import MachineError
from strictio.files import Lock
from strictio.folders import Folder

log = logging.getLogger("audit")
_SUM = 16
_KEY = re.compile(r"[0-9a-f]{64}")
MOST_LINE = 64 << 20
"""Maximum number of bytes in a line."""
MOST_TOKENS = 1e9
"""Token counts outside this range, or below zero, are treated as missing."""
LOG_PROBABILITIES = (-1e6, 0.01)
"""Plausible range of log-probabilities: services send -9999 for missing ones, and rounding makes some positive."""
_FLUSH_S = 1.0
"""Lines of the last second may be lost if the machine crashes, but not if the process is killed."""


@dataclass(frozen=True)
class Answer:
    """A server's answer to one request."""

    text: str = ""
    refused: bool = False
    """Whether the server itself reports a refusal: in a field of the answer, or by a content filter."""
    top: tuple[tuple[str, float], ...] = ()
    """The most likely first tokens with their log-probabilities, if requested."""
    prompt: tuple[tuple[str, float], ...] = ()
    """Last tokens of the prompt with their log-probabilities, if requested."""
    model: str = ""
    """Name of the model that answered, according to the server."""
    version: str = ""
    """Its ``system_fingerprint``."""
    date: str = ""
    """UTC, ISO 8601, from this machine's clock."""
    sent: int = 0
    """Number of tokens, as counted by the server; 0 if it does not report it."""
    answered: int = 0
    cut: bool = False
    """Whether the answer was cut at the maximum length."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Other values to store: for a request of the probing phase its outcome; without an answer, the reason."""

    @property
    def is_none(self) -> bool:
        """Whether the server rejected the request."""
        return "refused" in self.facts


class Held(NamedTuple):
    """Contents of a log over all runs."""

    answers: int
    sent: int
    """Number of tokens, as counted by the server."""
    answered: int


class AnswerLog:
    """A file of answers, to which only this process may append."""

    def __init__(self, path: Path):
        self.path = path
        self._places: dict[bytes, tuple[int, int]] = {}
        """Offset and length of the line of each key: a million answers take little memory."""
        self._none: set[bytes] = set()
        """Keys of requests that the server rejected."""
        self._sent = self._answered = 0
        self._end = 0
        self._lock: Lock | None = None
        self._writing = threading.Lock()
        self._file: int | None = None
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        try:
            folder = Folder.of(self.path.parent, make=True, mode=0o700)
            self._lock = Lock(folder, f"{self.path.name}.lock")
            self._file = folder.append(self.path.name, 0o600)
            self._read(self._file)
        except BlockingIOError as error:
            fix = "wait for it, or name another --answer-log"
            raise MachineError("another run is asking the same model", where=self.path.name, fix=fix) from error
        except OSError as error:
            self.__exit__(None, None, None)
            fix = "choose a file that you may write to: --answer-log FILE"
            raise MachineError("the answer log cannot be opened", where=str(self.path), why=error.strerror, fix=fix) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._lock is not None:
            self._lock.release()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def held(self) -> Held:
        """The contents of the log."""
        return Held(len(self._places) - len(self._none), self._sent, self._answered)

    def get(self, key: str) -> Answer | None:
        span = self._places.get(bytes.fromhex(key))
        if span is None or self._file is None:
            return None
        entry = answer_of_line(os.pread(self._file, span[1], span[0]))
        if entry is None:
            raise MachineError("the answer log was changed while it was read", where=str(self.path), fix="run the same command again")
        return entry[1]

    def add(self, key: str, answer: Answer) -> Answer:
        """Write an answer to disk and index it; raises MachineError if writing fails."""
        line = line_of_answer(key, answer)
        with self._writing:
            if self._file is None:
                raise MachineError("the answer log is closed")
            try:
                _write_all(self._file, line)
                self._remember(key, answer, len(line))
                self._end += len(line)
                if time.monotonic() - self._flushed > _FLUSH_S:
                    os.fsync(self._file)
                    self._flushed = time.monotonic()
            except OSError as error:
                fix = "make room, then run the same command again"
                raise MachineError("an answer cannot be kept", where=str(self.path), why=error.strerror, fix=fix) from error
        return answer

    def _remember(self, key: str, answer: Answer, length: int) -> None:
        """Index the line that starts at the end of the file."""
        digest = bytes.fromhex(key)
        self._sent, self._answered = self._sent + answer.sent, self._answered + answer.answered
        if digest not in self._places or digest in self._none:
            self._places[digest] = (self._end, length)
            (self._none.add if answer.is_none else self._none.discard)(digest)

    def _read(self, file: int) -> None:
        damaged, last = 0, b"\n"
        with os.fdopen(os.dup(file), "rb") as lines:
            lines.seek(0)
            while line := lines.readline(MOST_LINE):
                entry = answer_of_line(line)
                damaged += entry is None
                if entry is not None:
                    self._remember(*entry, len(line))
                self._end, last = self._end + len(line), line
        if not last.endswith(b"\n"):  # an incomplete line of a killed run must not corrupt the next line
            _write_all(file, b"\n")
            self._end += 1
        if damaged:
            log.warning("answer log: %d damaged lines in %s, their questions are put again", damaged, self.path.name)


def answers_in(path: Path) -> int:
    """Number of answers in a log; does not create it."""
    if not path.is_file():
        return 0
    with AnswerLog(path) as log:
        return len(log)


def line_of_answer(key: str, answer: Answer) -> bytes:
    """Encode an answer as a line; default values are omitted."""
    fields = {name: value for name, value in asdict(answer).items() if value != _DEFAULTS[name]}
    content = json.dumps({"key": key, **fields}, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    return _sum(content) + b" " + content + b"\n"


def answer_of_line(line: bytes) -> tuple[str, Answer] | None:
    """Decode the key and the answer of a line; None if it is corrupted."""
    checksum, _, content = line.rstrip(b"\n").partition(b" ")
    if checksum != _sum(content) or not line.endswith(b"\n"):
        return None
    try:
        stated = json.loads(content)
        key = stated.pop("key")
        for name in ("top", "prompt"):
            stated[name] = tuple((token, value) for token, value in stated.get(name, ()))
        answer = Answer(**stated)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return (key, answer) if isinstance(key, str) and _KEY.fullmatch(key) and _is_sound(answer) else None


def _is_sound(answer: Answer) -> bool:
    """Whether every value is possible in a server's answer."""
    tokens = (*answer.top, *answer.prompt)
    texts = [answer.text, answer.model, answer.version, answer.date, *(token for token, _ in tokens)]
    facts = answer.facts if isinstance(answer.facts, dict) else {"": None}
    return (
        all(isinstance(text, str) for text in (*texts, *facts, *facts.values()))
        and isinstance(answer.refused, bool)
        and isinstance(answer.cut, bool)
        and is_count(answer.sent)
        and is_count(answer.answered)
        and all(is_log_probability(value) for _, value in tokens)
    )


def is_count(value: object) -> bool:
    """Whether a value can be a number of tokens."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS


def is_log_probability(value: object) -> bool:
    """Whether a value can be a log-probability."""
    least, most = LOG_PROBABILITIES
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


_DEFAULTS = asdict(Answer())


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:_SUM].encode()


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
