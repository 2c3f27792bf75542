"""What the audits of a page cannot tell: what was not tested, limits, and data, once per page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from audit.results import AuditResult, Results
from reports.text.detail import scope
from reports.text.sentences import NOT_A_CERTIFICATE

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What the audits of a page cannot tell."""

    not_tested: tuple[str, ...]
    limits: tuple[str, ...]
    data: tuple[str, ...]
    cards: tuple[str, ...]
    """What the checkpoint says about its training; with several audits, only the appendix shows it."""


def view(results: Results) -> Limits | None:
    """Return the entries of all audits without duplicates."""
    audits = results.audits
    if not audits:
        return None
    return Limits(
        not_tested=_once(entry for audit in audits for entry in audit.probe.not_tested),
        limits=(*_once(entry for audit in audits for entry in audit.probe.limits), NOT_A_CERTIFICATE),
        data=_once(line for audit in audits for line in scope.data_lines(audit)),
        cards=_once(card for audit in audits if len(audits) == 1 and (card := _card(audit))),
    )


def _card(audit: AuditResult) -> str:
    return audit.model.data_card or ""


def _once(entries: Iterable[T]) -> tuple[T, ...]:
    seen: list[T] = []
    for entry in entries:
        if entry not in seen:
            seen.append(entry)
    return tuple(seen)
