"""The answer: one screen with the headline, three numbers, the gates, and the groups of the leading finding in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results import Finding
from audit.types import Group
from reports.charts.groups import GroupsChart, groups_chart
from reports.context import AuditContext
from reports.text.error_rates import with_error_rates
from reports.text.gates import GateChip, gate_chips
from reports.text.headline import Headline, beyond_the_rest, captions, choices_sentence, headline_of, tiles_of
from reports.text.next_steps import audit_steps
from reports.text.plan_lock import lock_sentences, stated
from reports.text.reasons import not_compared


@dataclass(frozen=True)
class LeadingChart:
    """The groups of the leading finding."""

    marks: GroupsChart
    title: str
    caption: str
    legend: captions.Legend


@dataclass(frozen=True)
class AnswerView:
    """The first screen."""

    headline: Headline
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    chips: tuple[GateChip, ...]
    lock: tuple[str, ...]
    """Under which plan lock it was run, then each deviation."""
    statement: str
    """What the person who planned it stated."""
    choices: str
    steps: Sequence[str]
    """What to do next."""
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
        steps=audit_steps(headline, audit, context.results),
        lock=lock_sentences(audit, context.results),
        statement=stated(context.results.lock) if context.results.lock else "",
        choices=choices_sentence(audit, context.results),
        chart=_chart(drawn, hot, context) if drawn else None,
    )


def _chart(finding: Finding, hot: Sequence[Group], context: AuditContext) -> LeadingChart | None:
    shown = with_error_rates(finding, context.audit)
    marks = groups_chart(shown, hot)
    if marks is None:
        return None
    legend = captions.groups_legend(shown, hot, context.results.settings)
    return LeadingChart(marks, captions.leading_title(finding, context.audit), " ".join(not_compared(finding.by_group)), legend)
