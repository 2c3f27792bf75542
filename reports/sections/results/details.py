"""In detail: each finding with its charts, its groups and its pairs, by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.results import Contrast, Finding, MeasurementRecord, Rate
from reports.charts.forest import differences_forest, rates_forest
from reports.charts.grids import heat_map
from reports.sections.context import AuditContext, PlacedFinding
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text import phrases, sentences
from reports.text.evidence import shrinkage_sentence, shrunk_rates
from reports.text.numbers import count, decimal, p_value
from reports.text.reasons import reason
from reports.text.responsiveness import composition_facts

MANY_GROUPS = 18
"""A chart of more groups is folded away; the heat map and the sentence stay."""
MOST_PAIRS, MOST_EXPLORATORY_PAIRS = 21, 6
"""All pairs of seven groups, and of four in an exploratory comparison. Of more, the page shows the most significant."""
_PAIRS: Columns[Contrast] = (
    ("First", lambda pair: phrases.group(pair.first)),
    ("Second", lambda pair: phrases.group(pair.second)),
    ("First minus second", phrases.signed_change),
    ("Adj. p", lambda pair: p_value(pair.p_adjusted)),
    ("Exceeds the tolerance", lambda pair: "yes" if pair.beyond_tolerance else "not detected"),
)


def _clusters(rate: Rate) -> str:
    """Return the clusters of a group, and how many of one size would tell as much: ``40 (effectively 21.5)``."""
    if rate.clusters is None or rate.effective_clusters is None:
        return ""
    return f"{count(rate.clusters)} (effectively {decimal(rate.effective_clusters, 1)})"


def _design_effect(rate: Rate) -> str:
    """Return the design effect, and the correlation within a cluster that it means: ``3.4 (correlation 0.05)``."""
    if rate.design_effect is None:
        return ""
    within = rate.intracluster_correlation
    return decimal(rate.design_effect, 2) + ("" if within is None else f" (correlation {decimal(within, 2)})")


_CLUSTERS: Columns[Rate] = (("Clusters", _clusters), ("Design effect", _design_effect))


def view(context: AuditContext) -> tuple[SimpleNamespace, ...]:
    """Return the measurements of an audit."""
    return tuple(_measurement(f"{context.key}-m{i}", record, context) for i, record in enumerate(context.audit.measurements, 1))


def _measurement(key: str, record: MeasurementRecord, context: AuditContext) -> SimpleNamespace:
    primary, exploratory = (
        [each for each in part if each.finding.measurement == record.name] for part in (context.primary, context.exploratory)
    )
    return SimpleNamespace(
        key=key,
        record=record,
        has_prompts=any(record.prompts.values()),
        primary=tuple(_finding(each, context) for each in primary),
        exploratory=() if context.brief else tuple(_finding(each, context) for each in exploratory),
        brief=_briefly(record, exploratory) if context.brief and exploratory else None,
        title=sentences.exploratory_title([each.title for each in exploratory]),
    )


def _finding(placed: PlacedFinding, context: AuditContext) -> SimpleNamespace:
    finding = placed.finding
    return SimpleNamespace(
        placed=placed,
        reason=reason(finding, context.audit, context.results.settings),
        facts=(*phrases.facts(finding), *composition_facts(finding)),
        groups=_groups(placed),
        rates=rates_forest(finding),
        # Of pre-specified questions only: a hundred such charts weigh more than they tell, and the table has the numbers.
        differences=differences_forest(finding) if finding.contrasts and finding.primary else None,
        heat=heat_map(finding),
        pairs=_pairs(placed) if finding.pairs else None,
        folded=len(finding.by_group) > MANY_GROUPS,
        shrunk=shrinkage_sentence(finding),
    )


def _groups(placed: PlacedFinding) -> Table:
    """Return every group; columns that nothing fills are left out."""
    finding, borrowed = placed.finding, shrunk_rates(placed.finding)
    baseline: Columns[Rate] = (("Most common answer", phrases.baseline),)
    shrunk: Columns[Rate] = (("Shrunk", lambda cell: borrowed.get(cell.group, "")),)
    has_baseline = any(cell.baseline is not None for cell in finding.by_group)
    columns: Columns[Rate] = (
        *_counts(finding),
        *(_CLUSTERS if finding.overall.effective_clusters is not None else ()),
        *(baseline if has_baseline else ()),
        *(shrunk if finding.evidence.shrinkage else ()),
        *(_contrasts(finding) if finding.contrasts else ()),
        ("Status", lambda cell: sentences.STATUSES[cell.status]),
    )
    overall = finding.overall
    effective = [] if overall.effective_n is None else [count(round(overall.effective_n))]
    known = ["all images", count(overall.n), *effective, count(overall.events), phrases.cell_rate(overall)]
    known += [] if overall.effective_clusters is None else [cell(overall) for _, cell in _CLUSTERS]
    known += [phrases.baseline(overall)] if has_baseline else []
    foot = Row((*known, *[""] * (len(columns) - len(known))))
    label, caption = f"{placed.title}, numbers", f"{placed.title}: every group"
    return Table(label, caption, headers(columns), table_rows(columns, finding.by_group, faint=_outside), (foot,), unseen=True)


def _counts(finding: Finding) -> Columns[Rate]:
    effective: Columns[Rate] = (("Effective n", lambda cell: "" if cell.effective_n is None else count(round(cell.effective_n))),)
    return (
        ("Group", lambda cell: phrases.group(cell.group)),
        ("n", lambda cell: count(cell.n)),
        *(effective if finding.overall.effective_n is not None else ()),
        ("Events", lambda cell: count(cell.events)),
        ("Rate [interval]", phrases.cell_rate),
    )


def _contrasts(finding: Finding) -> Columns[Rate]:
    of = {contrast.first: contrast for contrast in finding.contrasts}
    return (
        ("Minus the rest", lambda cell: phrases.signed_change(of[cell.group]) if cell.group in of else ""),
        ("Adj. p", lambda cell: p_value(of[cell.group].p_adjusted) if cell.group in of else ""),
    )


def _outside(cell: Rate) -> bool:
    return cell.status != "ok"


def _pairs(placed: PlacedFinding) -> Table:
    finding = placed.finding
    ordered = sorted(finding.pairs, key=lambda pair: (pair.p_adjusted, -abs(pair.difference)))
    shown = ordered[: MOST_PAIRS if finding.primary else MOST_EXPLORATORY_PAIRS]
    compared = sum(cell.status == "ok" for cell in finding.by_group)
    caption = sentences.pairs_caption(len(shown), len(ordered), max(len(ordered), compared * (compared - 1) // 2))
    return Table(f"{placed.title}, pairs", caption, headers(_PAIRS), table_rows(_PAIRS, shown))


def _briefly(record: MeasurementRecord, exploratory: Sequence[PlacedFinding]) -> SimpleNamespace:
    """Return the groups of exploratory findings in one table: the frame of a table weighs as much as ten rows.

    The table of findings has their gaps, and results.json the rest.
    """

    def columns(finding: Finding) -> Columns[Rate]:
        return (*_counts(finding), *_contrasts(finding), ("Status", lambda cell: sentences.STATUSES[cell.status] if _outside(cell) else ""))

    return SimpleNamespace(
        caption=f"Every group of the exploratory comparisons: {record.name}",
        columns=headers(columns(exploratory[0].finding)),
        findings=tuple((each, table_rows(columns(each.finding), each.finding.by_group, faint=_outside)) for each in exploratory),
    )
