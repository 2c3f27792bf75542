"""Counts requests and answers as they are used: the same whether they were sent in this or in an earlier run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from audit.encoder import Value
from audit.extensions.endpoint.answer_log import Answer
from audit.extensions.endpoint.record import EndpointUsage
from audit.extensions.endpoint.settings import EndpointSettings
from audit.extensions.endpoint.trial import Terms
from audit.types import Question


@dataclass(frozen=True)
class Version:
    """Version of the model that answered, as named by its server."""

    model: str
    fingerprint: str
    """Its ``system_fingerprint``; empty if the server sends none."""


@dataclass(frozen=True)
class EndpointAnswers(EndpointUsage):
    """The usage of an endpoint, with the answers of each version."""

    versions: Mapping[Version, tuple[str, str]]
    """version -> dates of its first and last answers."""
    answered_as: Mapping[tuple[Version, Question, str], int]
    """version, question and outcome (an option, or an outcome other than an answer) -> number of answers."""


class Usage:
    """Counts answers, each once."""

    def __init__(self) -> None:
        self._images: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._sent = self._answered = self._scores = self._bounded = 0
        self._versions: dict[Version, tuple[str, str]] = {}
        self._outcomes: Counter[tuple[Version, Question, str]] = Counter()

    def add(self, image: str, key: str, answer: Answer) -> bool:
        """Count an answer to a request about an image ("": about a text); returns whether it is new."""
        if image:
            self._images.add(bytes.fromhex(image))
        if (digest := bytes.fromhex(key)) in self._seen:
            return False
        self._seen.add(digest)
        self._sent, self._answered = self._sent + answer.sent, self._answered + answer.answered
        version = version_of(answer)
        first, last = self._versions.get(version, (answer.date, answer.date))
        self._versions[version] = (min(first, answer.date), max(last, answer.date))
        return True

    def add_trial(self, answer: Answer) -> None:
        """Count the tokens of an answer about a synthetic image: they were paid for, but are not part of an audit otherwise."""
        self._sent, self._answered = self._sent + answer.sent, self._answered + answer.answered

    def came_of(self, question: Question, answer: Answer, outcome: str, bounded: int = 0) -> None:
        """Count the outcome of a question."""
        self._outcomes[version_of(answer), question, outcome] += 1
        self._scores, self._bounded = self._scores + len(question.options), self._bounded + bounded

    def account(self, name: str, settings: EndpointSettings, terms: Terms, taken: Mapping[str, Value]) -> EndpointAnswers:
        dates = [date for version in self._versions.values() for date in version]
        prices = settings.prices
        return EndpointAnswers(
            host=settings.host,
            local=settings.is_local,
            model=name,
            mode=terms.mode,  # type: ignore[arg-type]  # one of the five
            notes=terms.notes,
            settings=taken,
            images=len(self._images),
            answers=len(self._seen),
            sent=self._sent,
            answered=self._answered,
            cost=prices.cost(self._sent, self._answered) if prices and self._sent else None,
            currency=prices.currency if prices else "",
            label_scores=self._scores,
            bounded=self._bounded,
            first=min(dates, default=""),
            last=max(dates, default=""),
            versions=dict(sorted(self._versions.items(), key=lambda entry: (entry[1], entry[0].model, entry[0].fingerprint))),
            answered_as=dict(self._outcomes),
        )


def version_of(answer: Answer) -> Version:
    """Version of the model that answered, as named by its server."""
    return Version(answer.model, answer.version)
