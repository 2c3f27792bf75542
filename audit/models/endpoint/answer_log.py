"""The answer log: every answer on disk before it counts, so that a run goes on after anything and a finished one is replayed offline.

One line an answer: a checksum, a blank, JSON. Lines are only ever added. A key is made of the model, the settings, the image and the
question (`audit.models.endpoint.model`); of two lines with one key the first counts, but for a request of the trial that the server did not
take: an answer takes its place, and a later refusal. A line whose checksum does not fit (the last one of a
killed run, a damaged one), or that holds what no answer can hold, is left out, and its question is put again.
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
"""Bytes of a line."""
MOST_TOKENS = 1e9
"""A server that counts more, or less than none, is taken to give no number."""
LOG_PROBABILITIES = (-1e6, 0.01)
"""Between these a number can be a log-probability: services write -9999 for none, and rounding puts some above 0."""
_FLUSH_S = 1.0
"""Lines of a second may be lost where the machine itself stops; those of a process that is killed are not."""


@dataclass(frozen=True)
class Answer:
    """What a server answered to one request."""

    text: str = ""
    refused: bool = False
    """Whether the server says itself that it refuses: a field of the answer, or a filter of content."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest first tokens with their log-probabilities, where they were asked for."""
    prompt: tuple[tuple[str, float], ...] = ()
    """Tokens at the end of what was sent with their log-probabilities, where they were asked for."""
    model: str = ""
    """What the server calls the model that answered."""
    version: str = ""
    """Its ``system_fingerprint``."""
    date: str = ""
    """UTC, ISO 8601, by this machine's clock."""
    sent: int = 0
    """Tokens, as the server counts them; 0 where it does not say."""
    answered: int = 0
    cut: bool = False
    """Whether the answer ended because it was long enough."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else is to be remembered: of a trial, how it ended; of no answer, what came instead."""

    @property
    def is_none(self) -> bool:
        """Whether the server did not take the request."""
        return "refused" in self.facts


class Held(NamedTuple):
    """What a log holds of all starts."""

    answers: int
    sent: int
    """Tokens, as the server counted them."""
    answered: int


class AnswerLog:
    """A file of answers, which this process alone adds to."""

    def __init__(self, path: Path):
        self.path = path
        self._places: dict[bytes, tuple[int, int]] = {}
        """Where the line of each key begins, and how long it is: a million answers take little memory."""
        self._none: set[bytes] = set()
        """Keys of requests that the server did not take."""
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
        """What the log holds."""
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
        """Write an answer, then remember it; MachineError if the disk does not take it."""
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
        """Remember where the line that begins at the end has its place."""
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
        if not last.endswith(b"\n"):  # what a killed run began to write must not spoil the next line
            _write_all(file, b"\n")
            self._end += 1
        if damaged:
            log.warning("answer log: %d damaged lines in %s, their questions are put again", damaged, self.path.name)


def line_of_answer(key: str, answer: Answer) -> bytes:
    """Return an answer as a line; what is at its default is left out."""
    fields = {name: value for name, value in asdict(answer).items() if value != _DEFAULTS[name]}
    content = json.dumps({"key": key, **fields}, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    return _sum(content) + b" " + content + b"\n"


def answer_of_line(line: bytes) -> tuple[str, Answer] | None:
    """Return key and answer of a line; None if it is damaged."""
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
    """Tell whether every value is one that a server's answer can have."""
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
    """Tell whether a value can be a number of tokens."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS


def is_log_probability(value: object) -> bool:
    """Tell whether a value can be a log-probability."""
    least, most = LOG_PROBABILITIES
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


_DEFAULTS = asdict(Answer())


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:_SUM].encode()


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
