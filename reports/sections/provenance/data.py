"""Data: how many images of each level of each attribute were used, left out (by reason) and converted (by kind)."""

from __future__ import annotations

from collections.abc import Sequence

from audit.naming import natural_order
from audit.records.inputs import DataRecord
from audit.results import Finding
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count


def view(context: AuditContext) -> tuple[Table, ...]:
    """Return one table per attribute; levels that only excluded images have are rows, too."""
    data, order = context.audit.data, _declared(context.audit.findings)
    known = [name for name in order if name in data.groups]
    return tuple(_table(name, order.get(name, ()), data) for name in (*known, *natural_order(set(data.groups) - set(known))))


def _table(attribute: str, order: Sequence[str], data: DataRecord) -> Table:
    left_out = {f"left out: {sentence(exclusion.reason)}": exclusion.by_group.get(attribute, {}) for exclusion in data.exclusions}
    converted = {f"converted: {kind}": data.conversions[kind].get(attribute, {}) for kind in natural_order(data.conversions)}
    columns = {"used": data.groups[attribute], **left_out, **converted}
    present = {level for counts in columns.values() for level in counts}
    levels = [*(level for level in order if level in present), *natural_order(present - set(order))]
    rows = tuple(Row((level, *(count(counts.get(level, 0)) for counts in columns.values()))) for level in levels)
    name = phrases.attributes([attribute])
    return Table(f"Images by {attribute}", f"Images by {name}", (name, *columns), rows)


def _declared(findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    """Return the levels of each attribute in declared order, which findings preserve and mappings in results.json do not."""
    order: dict[str, dict[str, None]] = {}
    for finding in findings:
        for position, attribute in enumerate(finding.attributes):
            order.setdefault(attribute, {}).update(dict.fromkeys(cell.group[position] for cell in finding.by_group))
    return {attribute: tuple(levels) for attribute, levels in order.items()}
