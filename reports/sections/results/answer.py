"""The answer: one screen with the headline, three numbers, the gates, and the groups of the leading finding in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.results import Finding
from audit.types import Group
from reports.charts.groups import groups_chart
from reports.context import AuditContext
from reports.text.gates import gate_chips
from reports.text.headline import beyond_the_rest, captions, choices_sentence, headline_of, tiles_of


def view(context: AuditContext) -> SimpleNamespace:
    """Return the first screen."""
    audit, settings = context.audit, context.results.settings
    headline = headline_of(audit, settings)
    drawn = None if headline.kind == "unresponsive" else headline.visible or headline.finding
    hot = beyond_the_rest(headline.visible) if headline.visible else headline.affected
    return SimpleNamespace(
        headline=headline,
        tiles=tiles_of(headline, audit, settings),
        chips=gate_chips(context.results, audit),
        choices=choices_sentence(audit, settings),
        chart=_chart(drawn, hot, context) if drawn else None,
    )


def _chart(finding: Finding, hot: Sequence[Group], context: AuditContext) -> SimpleNamespace | None:
    marks = groups_chart(finding, hot)
    if marks is None:
        return None
    return SimpleNamespace(
        marks=marks,
        title=captions.leading_title(finding, context.audit),
        caption=captions.groups_caption(finding, context.results.settings),
    )
