"""A model behind an endpoint: what was sent where, modes, versions and cost."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.inputs import EndpointRecord
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text.detail import endpoint as words
from reports.text.numbers import count, p_value, percent


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
        remark=words.CHANGED if several else words.UNCHANGED,
        changed=several,
        changes=_changes(found) if several else None,
    )


def _versions(found: EndpointRecord) -> Table:
    ways = words.ways(found)
    rows = tuple(
        Row(
            (
                f"{place}: {' · '.join(filter(None, (each.model, each.fingerprint))) or 'not named'}",
                words.written(each.first),
                words.written(each.last),
                count(each.answers),
                *(_share(each.without_answer.get(way, 0), each.answers) for way in ways),
            )
        )
        for place, each in enumerate(found.versions, 1)
    )
    caption = "Versions as the server names them, with the share of their questions that ended without an answer"
    return Table("Versions", caption, ("Version", "First answer", "Last answer", "Questions", *ways), rows)


def _changes(found: EndpointRecord) -> Table:
    answers = [tuple(dict.fromkeys(answer for lot in each.answers for answer in lot)) for each in found.changes]
    rows = tuple(
        Row(
            (
                f"{each.measurement}: {answer}",
                *(_share(lot.get(answer, 0), sum(lot.values())) for lot in each.answers),
                p_value(each.p) if place == 0 else "",
            )
        )
        for each, given in zip(found.changes, answers, strict=True)
        for place, answer in enumerate(given)
    )
    heads = tuple(f"Version {place}" for place in range(1, len(found.versions) + 1))
    return Table("Answers by version", "Share of each answer, by version; p of equal shares (χ²)", ("Answer", *heads, "p"), rows)


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole, 1)} of {count(whole)}" if whole else "–"
