"""The three numbers next to a headline, each with its label."""

from __future__ import annotations

from audit.records.inputs import AgainstConstant
from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases
from reports.text.headline.audits import Headline
from reports.text.headline.choices import tolerance_origin
from reports.text.headline.differences import interval_level
from reports.text.numbers import end, exact_points, percent, points, times
from reports.text.reasons import beyond_in_ratio_alone

Tile = tuple[str, str]
_WHOLE_SCALE = 1.0


def tiles_of(headline: Headline, audit: AuditResult, settings: Settings) -> tuple[Tile, ...]:
    """Return at most three tiles: the gap, what is expected by chance, and one number to put it in context."""
    if headline.kind == "unresponsive":
        return _constant_tiles(audit)
    finding, level = headline.finding, interval_level(settings)
    if finding is None or finding.gap is None:
        return _groups_tiles(audit, settings)
    if headline.visible:
        seen, planned = headline.visible, phrases.attributes(finding.attributes)
        gap = _gap(seen, f"gap by {phrases.attributes(seen.attributes)}, not planned", level)
        return gap, _chance(seen, level), _gap(finding, f"planned: gap by {planned}{_named(finding)}", level)
    named = "" if headline.kind == "disparity" else _named(finding)
    gap = _gap(finding, f"gap by {phrases.attributes(finding.attributes)}{named}", level)
    return gap, _chance(finding, level), _third(headline, finding, audit, settings)


def _chance(finding: Finding, level: str) -> Tile:
    """Return how far apart chance may put the leading pair; for a diffuse finding, which has none, the spread between the groups."""
    if finding.diffuse and finding.gap:
        spread = points(finding.gap.spread, max(phrases.gap_places(finding), 1))
        return spread, "spread between the groups (standard deviation), minus what sampling adds"
    return phrases.chance_text(finding), f"expected by chance{_between(finding)}, at most ({level}\u00a0%)"


def _between(finding: Finding) -> str:
    return " between these two" if phrases.number_compared(finding) > 2 else ""


def _gap(finding: Finding, what: str, level: str) -> Tile:
    """Return the difference of the leading pair with its interval."""
    pair, places = phrases.leading_pair(finding), phrases.gap_places(finding)
    if pair is None:
        return phrases.size(None), what
    bound = phrases.tested_bound(finding)
    interval = f"{level}\u00a0% interval {end(pair.low, places)} to {end(pair.high, places)}"
    if bound is not None:
        interval = f"no two groups differ by more than {phrases.bound_text(finding, bound)} (equivalence test)"
    inside = f" within {phrases.units_inside(finding)}" if finding.gap and finding.gap.within else ""
    return points(pair.difference, places), f"{'widest ' * finding.diffuse}{what}{inside}, {interval}"


def _named(finding: Finding) -> str:
    """Name the two groups of a gap if there are others and the headline does not name them."""
    if finding.diffuse or phrases.number_compared(finding) < 3:
        return ""
    first, second = (phrases.group(group) for group in phrases.leading_groups(finding))
    return f": {first} against {second}"


def _third(headline: Headline, finding: Finding, audit: AuditResult, settings: Settings) -> Tile:
    """Return the detectable difference of an undecided question; else the tolerance, or the ratio that exceeds it."""
    if headline.kind in ("inconclusive", "limited") and not finding.withheld:
        return _detectable(finding)
    if beyond_in_ratio_alone(finding):
        least = finding.gap.ratio_low if finding.gap else None
        return (
            f"{times(least or 1.0)} times",
            f"or more: ratio of the two {phrases.rare_rates(finding)}; tolerance: {finding.ratio_tolerance:g} times",
        )
    ratio = finding.ratio_tolerance
    factor = "" if ratio is None else f", with a factor of {ratio:g} in {phrases.rare_rates(finding)}"
    origin = tolerance_origin(finding, audit, settings)
    return exact_points(finding.tolerance), f"tolerance ({origin}){factor}: groups shown to differ by less are equivalent"


def _detectable(finding: Finding) -> Tile:
    detectable = finding.gap.minimum_detectable if finding.gap else _WHOLE_SCALE
    if detectable >= _WHOLE_SCALE:
        return "none", "no difference could be reliably detected"
    by = phrases.attributes(finding.attributes)
    return phrases.detectable_text(finding), f"smallest difference by {by} that could be reliably detected"


def _constant_tiles(audit: AuditResult) -> tuple[Tile, ...]:
    """Return how often answers of the first unresponsive measurement, and a constant answer, agree with the labels."""
    checked = [(record, record.responsiveness) for record in audit.measurements if record.responsiveness]
    _, first = next(pair for pair in checked if pair[1].code not in (None, "looks"))
    against: AgainstConstant | None = first.against_constant
    right = () if against is None else (
        (percent(against.accuracy, 1), "of the answers agree with the labels"),
        (percent(against.constant_accuracy, 1), f"would, if every answer were ‘{against.constant}’"),
    )  # fmt: skip
    return (*right, (percent(first.commonest_share, 1), f"of the answers are ‘{first.commonest}’"))


def _groups_tiles(audit: AuditResult, settings: Settings) -> tuple[Tile, ...]:
    """Return how many groups have enough images, for the attributes of the first three planned questions."""
    by = {finding.attributes: finding.by_group for finding in audit.findings if finding.primary and finding.by_group}
    return tuple(
        (
            f"{sum(cell.status == 'ok' for cell in cells)} of {len(cells)}",
            f"groups by {phrases.attributes(names)} have at least {settings.min_group_size} images that count",
        )
        for names, cells in list(by.items())[:3]
    )
