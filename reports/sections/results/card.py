"""The card of a finding: title, sentences, chart, three numbers, more statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.records.finding import Contrast, Rate, TruthShare
from audit.results import Finding
from audit.types import Group
from reports.charts.grids import HeatMap, heat_map
from reports.charts.groups import LABELLED, GroupsChart, groups_chart
from reports.context import AuditContext, PlacedFinding
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text import phrases, sentences
from reports.text.detail import found
from reports.text.error_rates import with_error_rates
from reports.text.evidence import shrinkage_sentence, shrunk_rates
from reports.text.headline import affected
from reports.text.headline.captions import Legend, groups_legend
from reports.text.numbers import count, decimal, p_value, percent
from reports.text.reasons import explanation, not_compared
from reports.text.responsiveness import composition_facts

MOST_PAIRS = 21
"""All pairs of seven groups. If there are more, the page shows the most significant."""
MOST_ROWS = 30
"""With more groups, a table shows only the lowest and the highest; contrasts.csv has all."""
MOST_CELLS = 80
"""A larger heat map would be unreadable and is left out; the chart of groups and rates.csv remain."""
_PAIRS: Columns[Contrast] = (
    ("First", lambda pair: phrases.group(pair.first)),
    ("Second", lambda pair: phrases.group(pair.second)),
    ("First minus second [interval]", phrases.signed_change),
    ("Adj. p", lambda pair: p_value(pair.p_adjusted)),
    ("Exceeds the tolerance", lambda pair: "yes" if pair.beyond_tolerance else "not detected"),
)


@dataclass(frozen=True)
class Card:
    """A finding in detail."""

    placed: PlacedFinding
    finding: Finding
    title: str
    said: Sequence[str]
    outside: Sequence[str]
    """Sentences on the groups that are not compared."""
    chart: GroupsChart | None
    chart_title: str
    legend: Legend
    numbers: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    groups: Table | None
    heat: HeatMap | None
    pairs: Table | None
    shrunk: str
    prompts: str
    """Anchor of the prompts or, for a classifier, of its labels; empty if they are unknown."""


def card_of(placed: PlacedFinding, context: AuditContext) -> Card:
    """Return the card of a finding."""
    finding, settings = placed.finding, context.results.settings
    chart, legend = _chart(finding, context)
    return Card(
        placed=placed,
        finding=finding,
        title=found.found_title(finding, context.audit),
        said=[*explanation(finding, context.audit, settings), *found.other_rate(finding, context.audit)],
        outside=not_compared(finding.by_group),
        chart=chart,
        chart_title=found.chart_title(finding, context.audit),
        legend=legend,
        numbers=found.three_numbers(finding, context.audit, settings),
        facts=_facts(finding),
        groups=_groups(placed) if finding.by_group else None,
        heat=heat_map(finding) if len(finding.by_group) <= MOST_CELLS else None,
        # With two groups, the only pair is in the table of groups.
        pairs=_pairs(placed) if len(finding.pairs) > 1 else None,
        shrunk=shrinkage_sentence(finding),
        prompts=_prompts(placed, context),
    )


def _facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Return the statistics that are not among the three numbers."""
    shown = "Detectable difference" if finding.verdict == "inconclusive" and not finding.withheld else "Tolerance" if finding.gap else ""
    return (*(fact for fact in phrases.facts(finding) if fact[0] != shown), *composition_facts(finding))


def _prompts(placed: PlacedFinding, context: AuditContext) -> str:
    """Return the anchor of the prompts of a finding's measurement, or of a classifier's labels; empty if they are unknown."""
    names = [record.name for record in context.audit.measurements]
    name, end = placed.finding.measurement, "labels" if context.audit.model.labels else "prompts"
    return f"{context.key}-m{names.index(name) + 1}-{end}" if name in names else ""


def _chart(finding: Finding, context: AuditContext) -> tuple[GroupsChart | None, Legend]:
    """Return the chart of the compared groups, coloured if a difference was found, and what its marks mean."""
    hot = affected(finding) if finding.verdict in ("disparity", "signal") else ()
    shown = with_error_rates(finding, context.audit)
    return groups_chart(shown, hot), groups_legend(shown, hot, context.results.settings)


def _groups(placed: PlacedFinding) -> Table:
    """Return what the chart does not show about each group, small groups last; empty columns are left out."""
    finding, cells = placed.finding, _compared(placed.finding)
    named = [*(cells if len(cells) <= MOST_ROWS else [*cells[:LABELLED], *cells[-LABELLED:]]), *_small(finding)[: MOST_ROWS - LABELLED]]
    columns, of = _columns(finding), len(cells) + len(_small(finding))
    foot = Row(("all images", phrases.cell_rate(finding.overall), _events(finding.overall), *[""] * (len(columns) - 3)))
    cut = "" if len(named) == of else f" ({len(named)} of {of}; all are in tables/rates.csv and contrasts.csv)"
    rows = table_rows(columns, named, faint=lambda cell: cell.status != "ok")
    return Table(f"{placed.title}, groups", f"Each group against the rest{cut}", headers(columns), rows, (foot,))


def _compared(finding: Finding) -> list[Rate]:
    """Return the compared groups in the order of the chart."""
    compared = [cell for cell in finding.by_group if cell.status == "ok"]
    return sorted(compared, key=lambda cell: cell.value or 0.0, reverse=finding.better != "high")


def _small(finding: Finding) -> list[Rate]:
    return [cell for cell in finding.by_group if cell.status != "ok"]


def _events(cell: Rate) -> str:
    return f"{count(cell.events)} of {count(cell.n)}"


def _columns(finding: Finding) -> Columns[Rate]:
    of, borrowed = {contrast.first: contrast for contrast in finding.contrasts}, shrunk_rates(finding)
    shares = {share.group: share for share in finding.shares}
    against: Columns[Rate] = (
        ("Minus the rest [interval]", _of(of, phrases.signed_change)),
        ("Adj. p", _of(of, lambda contrast: p_value(contrast.p_adjusted))),
    )
    optional: list[tuple[bool, Columns[Rate]]] = [
        (finding.overall.effective_n is not None, (("Effective n", _effective),)),
        (finding.overall.effective_clusters is not None, (("Clusters", _clusters), ("Design effect", _design_effect))),
        (any(cell.baseline is not None for cell in finding.by_group), (("Most common answer", phrases.baseline),)),
        (bool(borrowed), (("Shrunk", lambda cell: borrowed.get(cell.group, "")),)),
        (bool(shares), (("Given", _share(shares, "given")), ("True", _share(shares, "true")))),
    ]
    return (
        ("Group", lambda cell: phrases.group(cell.group)),
        ("Rate [interval]", phrases.cell_rate),
        ("Events", _events),
        *(column for wanted, columns in optional if wanted for column in columns),
        *(against if of else ()),
    )


def _effective(cell: Rate) -> str:
    return "" if cell.effective_n is None else count(round(cell.effective_n))


def _of(contrasts: dict[Group, Contrast], text: Callable[[Contrast], str]) -> Callable[[Rate], str]:
    return lambda cell: text(contrasts[cell.group]) if cell.group in contrasts else ""


def _share(shares: dict[Group, TruthShare], name: str) -> Callable[[Rate], str]:
    return lambda cell: percent(getattr(shares[cell.group], name), 1) if cell.group in shares else ""


def _clusters(rate: Rate) -> str:
    """Return the clusters of a group, and the equivalent number of equal-sized ones: ``40 (effectively 21.5)``."""
    if rate.clusters is None or rate.effective_clusters is None:
        return ""
    return f"{count(rate.clusters)} (effectively {decimal(rate.effective_clusters, 1)})"


def _design_effect(rate: Rate) -> str:
    """Return the design effect, and the intra-cluster correlation behind it: ``3.4 (correlation 0.05)``."""
    if rate.design_effect is None:
        return ""
    within = rate.intracluster_correlation
    whose = ", of all groups" if rate.correlation_borrowed else ""
    return decimal(rate.design_effect, 2) + ("" if within is None else f" (correlation {decimal(within, 2)}{whose})")


def _pairs(placed: PlacedFinding) -> Table:
    finding = placed.finding
    ordered = sorted(finding.pairs, key=lambda pair: (pair.p_adjusted, -abs(pair.difference)))
    shown = ordered[:MOST_PAIRS]
    compared = sum(cell.status == "ok" for cell in finding.by_group)
    caption = sentences.pairs_caption(len(shown), len(ordered), max(len(ordered), compared * (compared - 1) // 2))
    return Table(f"{placed.title}, pairs", caption, headers(_PAIRS), table_rows(_PAIRS, shown))
