"""One finding on the page: its charts, its rows, its pairs."""

from __future__ import annotations

from audit.records.results import AuditResult, Contrast, Finding, Rate
from audit.types import Settings
from reports.charts.forest import differences_forest, rates_forest
from reports.charts.grids import heat_map
from reports.sections.evidence import shrinkage_sentence, shrunk
from reports.sections.views import FindingView, GroupRow, PairRow
from reports.text import phrases
from reports.text import sentences as words
from reports.text.numbers import count, difference, p_value, rate
from reports.text.reasons import reason

MANY_GROUPS = 18
"""A chart of more groups is folded away; the heat map and the sentence stay."""
MOST_PAIRS, MOST_CONTEXT_PAIRS = 21, 6
"""All pairs of seven groups, and of four where the verdict does not rest on them. Of more, the page shows the clearest."""


def finding_view(key: str, finding: Finding, audit: AuditResult, settings: Settings, *, brief: bool) -> FindingView:
    """Return a finding with its charts and its pairs, or with the table of its groups only."""
    contrasts = {contrast.first: contrast for contrast in finding.contrasts}
    borrowed = shrunk(finding)
    clearest = sorted(finding.pairs, key=lambda pair: (pair.p_adjusted, -abs(pair.difference)))
    return FindingView(
        key=key,
        finding=finding,
        title=words.title(finding, audit),
        reason=reason(finding, audit, settings),
        facts=phrases.facts(finding),
        rows=tuple(_group_row(cell, contrasts.get(cell.group), borrowed.get(cell.group, "")) for cell in finding.by_group),
        has_baseline=any(cell.baseline is not None for cell in finding.by_group),
        rates=rates_forest(finding),
        differences=differences_forest(finding) if finding.contrasts and finding.primary else None,
        heat=heat_map(finding),
        pairs=tuple(_pair_row(pair) for pair in clearest[: MOST_PAIRS if finding.primary else MOST_CONTEXT_PAIRS]),
        pairs_in_all=max(len(finding.pairs), _pairs(sum(cell.status == "ok" for cell in finding.by_group))),
        folded=len(finding.by_group) > MANY_GROUPS,
        brief=brief,
        shrunk=shrinkage_sentence(finding),
    )


def _pairs(groups: int) -> int:
    return groups * (groups - 1) // 2


def _group_row(cell: Rate, contrast: Contrast | None, borrowed: str) -> GroupRow:
    return GroupRow(
        name=phrases.group(cell.group),
        n=count(cell.n),
        events=count(cell.events),
        rate=rate(cell.value, cell.low, cell.high),
        baseline="" if cell.baseline is None else f"{100 * cell.baseline:.1f} %",
        shrunk=borrowed,
        difference=difference(contrast.difference, contrast.low, contrast.high) if contrast else "",
        corrected=phrases.corrected(contrast) if contrast else "",
        p=p_value(contrast.p_adjusted) if contrast else "",
        status=words.STATUSES[cell.status],
        compared=cell.status == "ok",
    )


def _pair_row(pair: Contrast) -> PairRow:
    return PairRow(
        phrases.group(pair.first),
        phrases.group(pair.second),
        difference(pair.difference, pair.low, pair.high),
        phrases.corrected(pair),
        p_value(pair.p_adjusted),
        pair.beyond_tolerance,
    )
