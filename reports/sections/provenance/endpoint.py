"""A model behind an endpoint: what was sent where, modes, versions and cost."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.finding import Rate
from audit.records.inputs import EndpointRecord
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.detail import endpoint as words
from reports.text.numbers import count, p_value, percent

MOST_GROUPS = 12


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return what the section prints; None where the model was loaded."""
    found = context.audit.endpoint
    if found is None:
        return None
    several = len(found.versions) > 1
    return SimpleNamespace(
        sent=words.sent_sentence(found),
        facts=tuple(words.endpoint_facts(found)),
        notes=found.notes,
        versions=_versions(found),
        by_group=_by_group(context, words.ways(found)),
        remark=words.remark(found),
        changed=several,
        changes=_changes(found) if several else None,
    )


def _by_group(context: AuditContext, ways: Sequence[str]) -> Table | None:
    """Return the share of each group that got no answer, for each planned question; None where none of these was planned."""
    shares: dict[tuple[str, str], dict[str, Rate]] = {}
    planned = (placed.finding for placed in context.primary)
    for each in (finding for finding in planned if finding.metric == "selection_rate" and finding.outcome in ways):
        by = f"{each.measurement}, by {phrases.attributes(each.attributes)}"
        for rate in each.by_group:
            shares.setdefault((by, phrases.group(rate.group)), {})[each.outcome or ""] = rate
    ordered = sorted(shares.items(), key=lambda each: -sum(rate.value or 0.0 for rate in each[1].values()))
    rows = tuple(
        Row((f"{by}: {group}", count(max(rate.n for rate in found.values())), *(_rate(found.get(way)) for way in ways)))
        for (by, group), found in ordered[:MOST_GROUPS]
    )
    of = f": the {len(rows)} highest of {len(ordered)}" if len(rows) < len(ordered) else ""
    caption = f"Share of each group whose questions ended without an answer{of}; the tests are among the questions above"
    return Table("Without an answer, by group", caption, ("Group", "n", *ways), rows) if rows else None


def _rate(rate: Rate | None) -> str:
    return "–" if rate is None or rate.value is None else percent(rate.value, 1)


def _versions(found: EndpointRecord) -> Table:
    ways = words.ways(found)
    rows = tuple(
        Row(
            (
                f"{place}: {words.version_name(version)}",
                words.written(version.first),
                words.written(version.last),
                count(version.answers),
                *(_share(version.without_answer.get(way, 0), version.answers) for way in ways),
            )
        )
        for place, version in enumerate(found.versions, 1)
    )
    caption = "Versions as the server names them, with the share of their questions that ended without an answer"
    return Table("Versions", caption, ("Version", "First answer", "Last answer", "Questions", *ways), rows)


def _changes(found: EndpointRecord) -> Table:
    answers = [tuple(dict.fromkeys(answer for lot in change.answers for answer in lot)) for change in found.changes]
    rows = tuple(
        Row(
            (
                f"{change.measurement}: {answer}",
                *(_share(lot.get(answer, 0), sum(lot.values())) for lot in change.answers),
                p_value(change.p) if place == 0 else "",
            )
        )
        for change, given in zip(found.changes, answers, strict=True)
        for place, answer in enumerate(given)
    )
    heads = tuple(f"Version {place}" for place in range(1, len(found.versions) + 1))
    return Table("Answers by version", "Share of each answer, by version; p of equal shares (χ²)", ("Answer", *heads, "p"), rows)


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole, 1)} of {count(whole)}" if whole else "–"
