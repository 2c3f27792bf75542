"""Replicates: what several checkpoints or seeds of one model say together."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.replicates import ReplicatedGap, Replicates
from audit.records.results import Finding, Results
from reports.text import phrases, replicates, sentences


def view(results: Results) -> SimpleNamespace | None:
    """Return a table for each probe whose audits are of replicates."""
    return SimpleNamespace(parts=[_part(each, results) for each in results.replicates]) if results.replicates else None


def _part(found: Replicates, results: Results) -> SimpleNamespace:
    rows = [_row(each, finding, results) for each, finding in replicates.ordered(found, results)]
    return SimpleNamespace(probe=found.probe, lead=replicates.lead(found, results), rows=rows)


def _row(each: ReplicatedGap, finding: Finding, results: Results) -> SimpleNamespace:
    mean = each.mean
    return SimpleNamespace(
        title=sentences.title(finding, results.audits[0]),
        gaps=replicates.gaps_text(each),
        deviation=replicates.deviation_text(each),
        mean=phrases.size(mean),
        lowest=phrases.group(mean.lowest) if mean else "",
        highest=phrases.group(mean.highest) if mean else "",
        turned=replicates.turned_text(each),
        verdicts=replicates.verdicts_text(each),
    )
