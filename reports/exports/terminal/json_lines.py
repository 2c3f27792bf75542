"""What scripts read of a command: one JSON object per audit or comparison, one per line (``--json``). `docs/output.md` lists the fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from audit.output.directory import AUDIT, COMPARISON
from audit.records.comparison import Change, Comparison, Comparisons, GapEnds
from audit.records.effect import EffectResult
from audit.records.finding import planned_verdicts
from audit.records.gates import GateResult
from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.text import comparison as comparison_text
from reports.text import phrases
from reports.text.comparison_headline import comparison_sentence
from reports.text.effects import planned_effects
from reports.text.error_rates import comparison_as_errors
from reports.text.headline import headline_of
from reports.text.plan_lock import deviation_lines

FORMAT = 1
"""Number of this set of fields; it grows when a field changes its meaning or goes."""


def audit_json(results: Results, out: str, exit_code: int) -> str:
    """Return one line per audit of a run whose files are in `out`."""
    return _lines(_audit(audit, results) | _ended(results.gates, out, "report.html", AUDIT, exit_code) for audit in results.audits)


def comparison_json(comparisons: Comparisons, out: str, exit_code: int) -> str:
    """Return one line per comparison of a run whose files are in `out`."""
    ended = _ended(comparisons.gates, out, "comparison.html", COMPARISON, exit_code)
    return _lines(_comparison(comparison, comparisons.settings) | ended for comparison in comparisons.comparisons)


def _lines(objects: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(json.dumps({"format": FORMAT, **fields}, allow_nan=False) for fields in objects)


def _audit(audit: AuditResult, results: Results) -> dict[str, Any]:
    headline = headline_of(audit, results.settings)
    finding = headline.visible or headline.finding
    return {
        "model": audit.model.name, "probe": audit.probe.name, "data": audit.data.name, "images": audit.data.used,
        "limited": audit.data.limited, "verdict": audit.verdict, "planned_verdicts": planned_verdicts((*audit.findings, *audit.effects)),
        "headline": _plain(headline.text), "finding": None if finding is None else _finding(finding),
        "effects": list(map(_effect, planned_effects(audit))),
        "deviations": list(map(_plain, deviation_lines(audit, results))) if results.lock else None,
    }  # fmt: skip


def _finding(finding: Finding) -> dict[str, Any]:
    pair, gap = phrases.leading_pair(finding), finding.gap
    groups = [phrases.rate_of(finding, group) for group in phrases.leading_groups(finding)]
    return {
        "id": finding.id, "metric": finding.metric, "outcome": finding.outcome, "attributes": list(finding.attributes),
        "planned": finding.primary, "verdict": finding.verdict,
        "gap": None if pair is None else pair.difference, "low": None if pair is None else pair.low,
        "high": None if pair is None else pair.high, "expected_by_chance": None if pair is None else pair.chance,
        "p_adjusted": None if gap is None else gap.p_adjusted, "tolerance": finding.tolerance,
        "groups": [{"group": list(rate.group), "n": rate.n, "rate": rate.value} for rate in groups],
    }  # fmt: skip


def _effect(effect: EffectResult) -> dict[str, Any]:
    leading = effect.leading
    return {
        "id": effect.id, "kind": effect.kind, "attribute": effect.attribute, "verdict": effect.verdict, "tolerance": effect.tolerance,
        "first": None if leading is None else leading.first, "second": None if leading is None else leading.second,
        "value": None if leading is None else leading.value, "low": None if leading is None else leading.low,
        "high": None if leading is None else leading.high, "p_adjusted": effect.p_adjusted,
    }  # fmt: skip


def _comparison(comparison: Comparison, settings: Settings) -> dict[str, Any]:
    verdict = comparison_sentence(comparison_as_errors(comparison), settings)
    planned = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    return {
        "before": comparison.before, "after": comparison.after, "probe": comparison.probe, "images": comparison.images,
        "limited": comparison.limited, "verdict": comparison.verdict, "outcome": comparison_text.outcome(comparison),
        "planned_outcomes": [comparison_text.outcome(change) for change in planned],
        "headline": _plain(verdict.with_word), "change": _change(planned[0]) if planned else None,
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    gap = change.gap
    return {
        "id": change.id, "metric": change.metric, "outcome": change.outcome, "attributes": list(change.attributes),
        "changed": comparison_text.outcome(change), "before": gap and _ends(gap.before), "after": gap and _ends(gap.after),
        "difference": gap and gap.difference, "low": gap and gap.low, "high": gap and gap.high, "p_adjusted": gap and gap.p_adjusted,
        "tolerance": change.tolerance,
    }  # fmt: skip


def _ends(ends: GapEnds) -> dict[str, Any]:
    return {"gap": ends.value, "low": ends.low, "high": ends.high, "highest": list(ends.highest), "lowest": list(ends.lowest)}


def _ended(gates: Iterable[GateResult], out: str, page: str, facts: str, exit_code: int) -> dict[str, Any]:
    """Return the fields that all lines of a run share: its gates, its files, and the exit code of the command."""
    decided = [{"gate": gate.expression, "outcome": gate.outcome} for gate in gates]
    return {"gates": decided, "page": f"{out}/{page}", "results": f"{out}/{facts}", "exit_code": exit_code}


def _plain(text: str) -> str:
    """Return a sentence with ordinary spaces: pages and terminals keep a number and its unit together."""
    return text.replace("\u00a0", " ")
