"""The record of an audit through an endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from audit.encoder import Value
from audit.records.base import record
from audit.types import Note


@dataclass(frozen=True)
class EndpointUsage:
    """Requests to a model behind an endpoint and its responses, in this run or, from its log, in earlier ones."""

    host: str
    local: bool
    """Whether the endpoint is on the machine that the audit ran on."""
    model: str
    """Model name in the requests."""
    mode: Literal["likelihood", "letter", "schema", "text", "embeddings"]
    notes: tuple[Note, ...]
    """Why this mode was chosen, and which parameters the server does not accept."""
    settings: Mapping[str, Value]
    images: int
    """Number of distinct images that were sent."""
    answers: int
    """Number of requests with a response."""
    sent: int
    """Tokens, as counted by the server; 0 if it does not report them."""
    answered: int
    cost: float | None
    """From the user's table of prices."""
    currency: str
    label_scores: int
    bounded: int
    """Number of label scores that are an upper bound: the server did not list the label."""
    first: str
    """Date of the first answer, UTC, ISO 8601; earlier than the run if it came from the log."""
    last: str


@record
class EndpointVersion:
    """Answers from one version of a model, as named by its server."""

    model: str
    fingerprint: str
    """Its ``system_fingerprint``; empty if the server sends none."""
    first: str
    """Date of its first answer, UTC, ISO 8601."""
    last: str
    answers: int
    """Number of questions that it answered."""
    without_answer: Mapping[str, int]
    """"unclear", a refusal or an unparsable reply -> number of questions with that outcome."""

    @property
    def name(self) -> str:
        """The server's name for it; empty if it states none."""
        return " · ".join(filter(None, (self.model, self.fingerprint)))


@record
class VersionChange:
    """The answers to one question by each version of a model that changed during the audit."""

    measurement: str
    answers: tuple[Mapping[str, int], ...]
    """answer -> images, one mapping per version."""
    p: float | None
    """Of equal shares of answers (chi-square); None if nothing can be compared. The versions need not have seen the same images."""


@record
class EndpointRecord(EndpointUsage):
    """Requests to a model behind an endpoint, and its responses."""

    versions: tuple[EndpointVersion, ...]
    """In the order of their first answers."""
    changes: tuple[VersionChange, ...]
    """The versions' answers, if there are several versions."""

    @property
    def asked(self) -> int:
        """Number of questions with a response."""
        return sum(version.answers for version in self.versions)

    @property
    def without_answer(self) -> Mapping[str, int]:
        """Outcome other than an answer -> number of questions, over all versions."""
        return sum((Counter(version.without_answer) for version in self.versions), Counter[str]())

    @property
    def version_names(self) -> tuple[str, ...]:
        """The server's name for each version; empty if it states none."""
        return tuple(version.name for version in self.versions)
