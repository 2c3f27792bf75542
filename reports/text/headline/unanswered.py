"""The headline of an audit over a network in which no question got an answer: what came instead, and from which groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases
from reports.text.headline.differences import rate_name, size_in_words
from reports.text.numbers import in_words
from reports.text.responsiveness import instead_words


def instead_of_answers(audit: AuditResult) -> Counter[str]:
    """Count what came instead of answers; empty if any question got one, or if the model was loaded here."""
    came = Counter(audit.account.without_answer) if audit.account else Counter[str]()
    return came if audit.account and came.total() == audit.account.asked else Counter()


def unanswered(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> tuple[str, str, Sequence[str]]:
    """Return headline, size and details."""
    came = instead_of_answers(audit)
    leading = commonest(audit, primary)
    size = ""
    pair = None if leading is None else phrases.leading_pair(leading)
    if leading is not None and pair is not None:
        gap_size = size_in_words(leading, pair, settings)
        size = f"The gap in {rate_name(leading, audit)} by {phrases.attributes(leading.attributes)} is {gap_size}."
    instead = "No answers can be compared, only what came instead."
    return f"None of {in_words(came.total(), 'question')} got an answer: {instead_words(came)}.", size, (instead,)


def commonest(audit: AuditResult, primary: Sequence[Finding]) -> Finding | None:
    """Return the first planned question about the most common reply that was not an answer."""
    ways = [way for way, _ in instead_of_answers(audit).most_common()]
    candidates = [finding for finding in primary if finding.gap and finding.outcome in ways]
    return min(candidates, key=lambda finding: ways.index(finding.outcome or ""), default=None)
