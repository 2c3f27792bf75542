"""The answer: one screen with the headline, three numbers, the gates, and the groups of the leading finding in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results import Finding
from audit.types import Group
from reports.charts.groups import GroupsChart, groups_chart
from reports.context import AuditContext
from reports.text.gates import GateChip, gate_chips
from reports.text.headline import Headline, beyond_the_rest, captions, choices_sentence, headline_of, tiles_of


@dataclass(frozen=True)
class LeadingChart:
    """The groups of the leading finding."""

    marks: GroupsChart
    title: str
    caption: str


@dataclass(frozen=True)
class AnswerView:
    """The first screen."""

    headline: Headline
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    chips: tuple[GateChip, ...]
    choices: str
    chart: LeadingChart | None


def view(context: AuditContext) -> AnswerView:
    """Return the first screen."""
    audit, settings = context.audit, context.results.settings
    headline = headline_of(audit, settings)
    drawn = None if headline.kind == "unresponsive" else headline.visible or headline.finding
    hot = beyond_the_rest(headline.visible) if headline.visible else headline.affected
    return AnswerView(
        headline=headline,
        tiles=tiles_of(headline, audit, settings),
        chips=gate_chips(context.results, audit),
        choices=choices_sentence(audit, settings),
        chart=_chart(drawn, hot, context) if drawn else None,
    )


def _chart(finding: Finding, hot: Sequence[Group], context: AuditContext) -> LeadingChart | None:
    marks = groups_chart(finding, hot)
    if marks is None:
        return None
    title, caption = captions.leading_title(finding, context.audit), captions.groups_caption(finding, context.results.settings)
    return LeadingChart(marks, title, caption)
