"""What-ifs from Python: a data frame of every setting that was tried, and a plot of gap against accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.api import lookup
from audit.errors import UsageError
from audit.extensions.whatif.record import WhatIfs
from audit.results import AuditResult, Results
from reports.exports.axes import MARKERS, POINTS, axes_of, despine, literal
from reports.exports.frames import frame
from reports.exports.tables import ENDS
from reports.text.notes import sentence
from reports.text.numbers import count
from reports.tidy import AUDIT, Columns, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TARGET: Columns = {"question": "question", "finding": "finding", "target": "target"}
_TRIED: Columns = {
    **{name: f"what_if.{name}" for name in ("method", "setting", "default")}, "efficient": "efficient",
    "gap_before": "what_if.gap_before.value", **{name: f"what_if.gap.{path}" for name, path in (("gap", "value"), *ENDS.items())},
    "null_95": "what_if.null_95", "change": "what_if.change.value", "change_low": "what_if.change.low",
    "change_high": "what_if.change.high", "change_p_adjusted": "what_if.change_p_adjusted", "beats_random": "what_if.beats_random",
    "accuracy_before": "what_if.utility.before", "accuracy": "what_if.utility.after", "ndcg_before": "what_if.ndcg.0",
    "ndcg": "what_if.ndcg.1", "answered": "what_if.utility.answered", "ending": "what_if.outcome",
}  # fmt: skip


def data_frame(results: Results) -> pd.DataFrame:
    """Return one row per question, finding and tried setting; `target` says whether the change aimed at that finding."""
    tried = (
        (audit, {"question": what_if.question, "finding": frontier.finding, "target": frontier is what_if.target}, point)
        for audit in results.audits
        for what_if in audit.analyses["what_ifs"]
        for frontier in (*([what_if.target] if what_if.target else []), *what_if.other_attributes)
        for point in frontier.points
    )
    return frame(tidy((AUDIT, _TARGET, _TRIED), tried))


def plot(audit: AuditResult, question: int | str, ax: Axes | None) -> Axes:
    """Plot accuracy against gap for every setting that was tried for a question; large marks are settings chosen beforehand.

    Raises UsageError if there is no such question, or every setting was refused.
    """
    return _plot(_asked(audit, question), ax)


def _asked(audit: AuditResult, wanted: int | str) -> WhatIfs:
    """The what-ifs of a question: by an index, a part of the text above them, or any name of the finding."""
    found: tuple[WhatIfs, ...] = audit.analyses["what_ifs"]
    if isinstance(wanted, str) and (target := lookup.finding_of(audit, wanted)):
        positions = [position for position, what_if in enumerate(found) if what_if.target and what_if.target.finding == target.id]
        wanted = positions[0] if positions else wanted
    return lookup.asked(found, wanted, lambda what_if: sentence(what_if.question), "what-if", "run the audit with --what-if METHOD")


def _plot(question: WhatIfs, ax: Axes | None) -> Axes:
    if question.target is None or not question.target.points:
        reasons = "; ".join(dict.fromkeys(sentence(refusal.reason) for refusal in question.refused))
        raise UsageError(f"every setting was refused for {sentence(question.question)!r}", why=reasons or None)
    axes = axes_of(ax, 4.4)
    tried = [point.what_if for point in question.target.points]
    for method_index, method in enumerate(dict.fromkeys(what_if.method for what_if in tried)):
        own = [what_if for what_if in tried if what_if.method == method]
        places = [100 * what_if.gap.value for what_if in own], [100 * what_if.utility.after for what_if in own]
        marker = MARKERS[method_index % len(MARKERS)]
        axes.scatter(
            *places, s=[70 if what_if.default else 18 for what_if in own], marker=marker, label=literal(method), alpha=0.8, zorder=2
        )
    home = ([100 * question.target.gap], [100 * question.target.accuracy])
    axes.plot(*home, "o", color="black", markerfacecolor="none", markersize=15, label="the unmodified model")
    axes.set_xlim(left=0)
    axes.set_xlabel(f"gap, {POINTS}")
    axes.set_ylabel(f"accuracy, % of {count(question.target.shown_on)} images")
    despine(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes
