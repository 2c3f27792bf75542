"""Labels above a threshold: how often each group gets the most skewed ones; and the CSV table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.extensions.tagging import sentences
from audit.extensions.tagging.record import TaggedLabel, Tagging
from audit.results import Results
from audit.types import Settings
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import BARS_HEIGHT, TrackRow, TrackTable, bars_track
from reports.context import AuditContext
from reports.section import AnalysisChart, AnalysisView
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, number, p_value, percent, span
from reports.text.phrases import left_out_sentence
from reports.tidy import AUDIT, Columns, TidyTable, tidy

MOST_LABELS = 20
"""Labels of a chart: the most skewed by chi-square, as in Figure 18 of Radford et al. 2021; the CSV file lists all."""
_COLUMNS = ("Most often", "Least often", "Difference, points", "Adjusted p")


@dataclass(frozen=True, kw_only=True)
class TaggingChart(AnalysisChart):
    """The labels of one attribute at one threshold."""

    notes: tuple[str, ...]
    shares: Table
    sweep: Table | None
    """Other thresholds."""


def view(context: AuditContext) -> AnalysisView[TaggingChart] | None:
    """Return the labels of an audit, or None."""
    taggings, settings = context.audit.analyses["taggings"], context.results.settings
    if not taggings:
        return None
    return AnalysisView(
        asked=sentences.asked_sentence(taggings),
        result=sentences.tagging_result(context.audit, settings),
        reading=sentences.READING,
        charts=tuple(
            _view(tagging, settings, first=tagging.threshold in (None, taggings[0].threshold)) for tagging in taggings if tagging.labels
        ),
        without=tuple(dict.fromkeys(text for tagging in taggings if (text := sentences.not_estimable_sentence(tagging)))),
        method=sentences.method_sentence(taggings),
        rules=tuple(dict.fromkeys(map(sentences.probability_sentence, taggings))),
    )


def _view(tagging: Tagging, settings: Settings, *, first: bool) -> TaggingChart:
    """Return the chart of one attribute at one threshold, collapsed if nothing is beyond chance, and for further thresholds."""
    signals = [label for label in tagging.labels if label.verdict == "signal"]
    shown = _arranged(tagging, (signals or tagging.labels)[:MOST_LABELS])
    return TaggingChart(
        title=sentences.tagging_title(tagging),
        folded=not (signals and first),
        beyond_chance=count(len(signals)) if signals else "none",
        chart=_chart(tagging, shown),
        notes=tuple(filter(None, (sentences.average_sentence(tagging), left_out_sentence(tagging.left_out, settings)))),
        shares=_shares(tagging, shown),
        sweep=_sweep(tagging) if tagging.sweep else None,
    )


def _arranged(tagging: Tagging, labels: Sequence[TaggedLabel]) -> list[TaggedLabel]:
    """Sort labels by the group that gets them most often, then by frequency."""
    return sorted(
        labels, key=lambda label: (tagging.groups.index(label.most), -sentences.share_of(tagging, label, label.most), label.label)
    )


def _chart(tagging: Tagging, labels: Sequence[TaggedLabel]) -> TrackTable:
    ticks = axis(0.0, max(0.01, *(sentences.share_of(tagging, label, label.most) for label in labels)))
    rows, before = [], ""
    for label in labels:
        rows.append(_row(tagging, label, ticks, above=sentences.heading(label.most) if label.most != before else ""))
        before = label.most
    return TrackTable(sentences.tagging_caption(tagging), "Label", ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%"), _COLUMNS, tuple(rows))


def _row(tagging: Tagging, label: TaggedLabel, ticks: tuple[float, ...], above: str) -> TrackRow:
    most, least = (sentences.share_of(tagging, label, group) for group in (label.most, label.least))
    others = [sentences.share_of(tagging, label, group) for group in tagging.groups if group not in (label.most, label.least)]
    cells = (
        f"{phrases.group((label.most,))} {percent(most, 1)}", f"{phrases.group((label.least,))} {percent(least, 1)}",
        f"{number(label.difference, 1)} {span(label.low, label.high, 1)}", p_value(label.p_adjusted),
    )  # fmt: skip
    track = bars_track((most, least), others, ticks, hot=label.verdict == "signal")
    return TrackRow(label.label, track, cells, height=BARS_HEIGHT, above=above)


def _shares(tagging: Tagging, labels: Sequence[TaggedLabel]) -> Table:
    title = f"{sentences.tagging_title(tagging)}: share of each group’s images that get a label, in percent"
    rows = (
        Row((label.label, *(f"{percent(n / size, 1)} ({count(n)})" for n, size in zip(label.counts, tagging.sizes, strict=True))))
        for label in labels
    )
    groups = (f"{phrases.group((group,))}, n\u00a0=\u00a0{count(n)}" for group, n in zip(tagging.groups, tagging.sizes, strict=True))
    return Table(title, title, ("Label", *groups), tuple(rows))


def _sweep(tagging: Tagging) -> Table:
    title = f"By {phrases.attributes([tagging.attribute])}: other thresholds"
    columns = (
        "Above",
        "Labels given",
        "Beyond chance (for this threshold only)",
        *(f"{phrases.group((g,))}, labels per image" for g in tagging.groups),
    )
    rows = (
        Row((percent(step.threshold, 2), count(step.given), count(step.signals), *(number(n / 100, 2) for n in step.per_image)))
        for step in tagging.sweep
    )
    return Table(title, title, columns, tuple(rows))


_TAGGING: Columns = {name: name for name in ("question", "attribute", "threshold", "rule", "offered")}
_TAGGED: Columns = {
    "label": "label.label", **{name: name for name in ("group", "count", "share", "images")},
    **{name: f"label.{name}" for name in ("chi2", "exact", "most", "least", "difference", "low", "high", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per label and group; chi-square, difference and p belong to the label and are repeated in all its rows."""
    return tidy((AUDIT, _TAGGING, _TAGGED), _tagged(results))


def _tagged(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for tagging in audit.analyses["taggings"]:
            for label in tagging.labels:
                for group, n, images in zip(tagging.groups, label.counts, tagging.sizes, strict=True):
                    yield audit, tagging, {"label": label, "group": group, "count": n, "share": n / images, "images": images}
