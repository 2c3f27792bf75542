"""Effect sizes: ratio, odds ratio, Cohen's h and the four-fifths rule of the highest against the lowest group."""

from __future__ import annotations

from audit.evidence.effect_size import EffectSize
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text import evidence, phrases

TITLE, PLACE = "Effect sizes", 40

_COLUMNS = ("Question", "Groups", "Ratio [interval]", "Odds ratio [interval]", "Cohen’s h", "Four fifths")


def view(context: AuditContext) -> Table | None:
    """Return one row per planned question."""
    rows = tuple(
        Row((finding.title, *_sizes(finding.finding.evidence.effect_size), evidence.four_fifths_text(finding.finding)), key=finding.key)
        for finding in context.primary
        if finding.finding.evidence.effect_size
    )
    return Table("Effect sizes", "Highest against lowest group", _COLUMNS, rows, kind="wrapped") if rows else None


def _sizes(effect: EffectSize) -> tuple[str, ...]:
    pair = f"{phrases.group(effect.first)} / {phrases.group(effect.second)}"
    return pair, evidence.factor_text(effect.ratio), evidence.factor_text(effect.odds_ratio), f"{effect.cohens_h:.2f}"
