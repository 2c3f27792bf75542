"""A model behind an endpoint: what was sent where, modes, versions and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.endpoint import FIELD
from audit.extensions.endpoint import sentences as words
from audit.extensions.endpoint.record import EndpointRecord
from audit.records.finding import Rate
from audit.types import Note
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, p_value, percent

MOST_GROUPS = 12


@dataclass(frozen=True)
class EndpointView:
    """What was sent to an endpoint, and what came back."""

    sent: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[Note, ...]
    versions: Table
    by_group: Table | None
    remark: str
    changes: Table | None
    """Answers by version if the model changed during the audit."""


def view(context: AuditContext) -> EndpointView:
    """Return the endpoint of an audit."""
    endpoint = context.audit.accounts[FIELD]
    return EndpointView(
        sent=words.sent_sentence(endpoint),
        facts=tuple(words.endpoint_facts(endpoint)),
        notes=endpoint.notes,
        versions=_versions(endpoint),
        by_group=_by_group(context, words.ways(endpoint)),
        remark=words.remark(endpoint),
        changes=_changes(endpoint) if len(endpoint.versions) > 1 else None,
    )


def _by_group(context: AuditContext, ways: Sequence[str]) -> Table | None:
    """Return the share of each group without an answer, by planned question; None if no question about it was planned."""
    shares: dict[tuple[str, str], dict[str, Rate]] = {}
    planned = (placed.finding for placed in context.primary)
    for finding in (finding for finding in planned if finding.metric == "selection_rate" and finding.outcome in ways):
        by = f"{finding.measurement}, by {phrases.attributes(finding.attributes)}"
        for rate in finding.by_group:
            shares.setdefault((by, phrases.group(rate.group)), {})[finding.outcome or ""] = rate
    ordered = sorted(shares.items(), key=lambda row: -sum(rate.value or 0.0 for rate in row[1].values()))
    rows = tuple(
        Row((f"{by}: {group}", count(max(rate.n for rate in rates.values())), *(_rate(rates.get(way)) for way in ways)))
        for (by, group), rates in ordered[:MOST_GROUPS]
    )
    of = f": the {len(rows)} highest of {len(ordered)}" if len(rows) < len(ordered) else ""
    caption = f"Share of each group without an answer{of}; the tests are among the questions above"
    return Table("Without an answer, by group", caption, ("Group", "n", *ways), rows) if rows else None


def _rate(rate: Rate | None) -> str:
    return "–" if rate is None or rate.value is None else percent(rate.value, 1)


def _versions(endpoint: EndpointRecord) -> Table:
    ways = words.ways(endpoint)
    rows = tuple(
        Row(
            (
                f"{number}: {version.name or 'not named'}",
                words.written(version.first),
                words.written(version.last),
                count(version.answers),
                *(_share(version.without_answer.get(way, 0), version.answers) for way in ways),
            )
        )
        for number, version in enumerate(endpoint.versions, 1)
    )
    texts = endpoint.mode == "embeddings"
    caption = "Versions as named by the server" + ("" if texts else ", with the share of questions without an answer")
    heads = ("Version", "First answer", "Last answer", "Texts" if texts else "Questions", *ways)
    return Table("Versions", caption, heads, rows)


def _changes(endpoint: EndpointRecord) -> Table:
    answers = [tuple(dict.fromkeys(answer for lot in change.answers for answer in lot)) for change in endpoint.changes]
    rows = tuple(
        Row(
            (
                f"{change.measurement}: {answer}",
                *(_share(lot.get(answer, 0), sum(lot.values())) for lot in change.answers),
                p_value(change.p) if position == 0 else "",
            )
        )
        for change, distinct in zip(endpoint.changes, answers, strict=True)
        for position, answer in enumerate(distinct)
    )
    heads = tuple(f"Version {number}" for number in range(1, len(endpoint.versions) + 1))
    return Table("Answers by version", "Share of each answer, by version; p of equal shares (χ²)", ("Answer", *heads, "p"), rows)


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole, 1)} of {count(whole)}" if whole else "–"
