"""Few-shot probes: accuracy of each group by number of training images, compared with zero-shot; and the CSV table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.few_shot import sentences
from audit.extensions.few_shot.record import DrawnRate, FewShot, Shots
from audit.results import Results
from reports.charts.forest import axis
from reports.charts.tracks import TrackRow, TrackTable, range_track
from reports.context import AuditContext
from reports.section import AnalysisChart, AnalysisView
from reports.text import phrases
from reports.text.numbers import count, p_value, percent
from reports.tidy import AUDIT, Columns, TidyTable, tidy

_TICKS = tuple(axis(0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class FewShotChart(AnalysisChart):
    """The groups of one linear probe, by number of training images."""

    fewer: str
    """A sentence that names the classes with fewer images than that."""


def view(context: AuditContext) -> AnalysisView[FewShotChart] | None:
    """Return the few-shot probes of an audit, or None."""
    few_shots = context.audit.analyses["few_shot"]
    if not few_shots:
        return None
    learned = [few_shot for few_shot in few_shots if few_shot.shots]
    return AnalysisView(
        asked=sentences.ASKED,
        result=sentences.few_shot_result(context.audit, context.results.settings),
        reading=sentences.READING,
        charts=tuple(map(_titled, learned, _folded(learned))),
        without=tuple(filter(None, map(sentences.nothing_learned, few_shots))),
        method=sentences.few_shot_method(few_shots),
    )


def _folded(learned: Sequence[FewShot]) -> list[bool]:
    """Return which charts are collapsed: those without a signal, except the first one if none has a signal."""
    plain = [
        not any(one.verdict == "signal" for one in few_shot.conditions.results) if few_shot.conditions else True for few_shot in learned
    ]
    return [*(i > 0 for i in range(len(learned)))] if all(plain) else plain


def _titled(few_shot: FewShot, folded: bool) -> FewShotChart:
    return FewShotChart(
        title=sentences.few_shot_title(few_shot), chart=_chart(few_shot), fewer=sentences.fewer_sentence(few_shot), folded=folded
    )


def _chart(few_shot: FewShot) -> TrackTable:
    ends = ("0\u00a0%", "100\u00a0%")
    columns = ("Accuracy", "Interval over draws", "Draws", "Adjusted p of unequal gains")
    rows = [*_zero_shot(few_shot), *(row for shots in few_shot.shots for row in _rows(few_shot, shots))]
    return TrackTable(sentences.few_shot_caption(few_shot), "Training images, group", ends, columns, tuple(rows))


def _zero_shot(few_shot: FewShot) -> list[TrackRow]:
    rates = few_shot.conditions.baseline_by_group if few_shot.conditions else ()
    drawn = [DrawnRate(rate.group[0], rate.n, rate.value, rate.value, rate.value) for rate in rates if rate.value is not None]
    return [_row(rate, "Zero-shot" if i == 0 else "", "") for i, rate in enumerate(drawn)]


def _rows(few_shot: FewShot, shots: Shots) -> list[TrackRow]:
    results = few_shot.conditions.results if few_shot.conditions else ()
    p = next((one.p_adjusted for one in results if one.condition.strength == shots.shots), None)
    shown = "" if p is None else p_value(p)
    return [_row(rate, sentences.shots_heading(shots) if i == 0 else "", shown if i == 0 else "") for i, rate in enumerate(shots.by_group)]


def _row(rate: DrawnRate, above: str, p: str) -> TrackRow:
    draws = "" if rate.lowest == rate.highest else f"{percent(rate.lowest)} to {percent(rate.highest)}"
    track = range_track(rate.mean, rate.lowest, rate.highest, _TICKS)
    return TrackRow(
        phrases.group((rate.group,)),
        track,
        (percent(rate.mean), sentences.interval_over_draws(rate), draws, p),
        f"n\u00a0=\u00a0{count(rate.n)}",
        above=above,
    )


_FEW_SHOT: Columns = {
    **{name: f"learned.{name}" for name in ("question", "measurement", "attribute", "classes", "train", "held_out", "test", "draws")},
    **{name: f"shots.{name}" for name in ("shots", "strength", "images")},
    **{name: f"rate.{name}" for name in ("group", "n", "mean", "lowest", "highest", "low", "high")},
}


def table(results: Results) -> TidyTable:
    """Return one row per number of images and group; an empty number of shots means all training images."""
    rows = (
        (audit, {"learned": learned, "shots": shots, "rate": rate})
        for audit in results.audits
        for learned in audit.analyses["few_shot"]
        for shots in learned.shots
        for rate in shots.by_group
    )
    return tidy((AUDIT, _FEW_SHOT), rows)
