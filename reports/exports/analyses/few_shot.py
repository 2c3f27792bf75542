"""Few-shot probes: one row a number of images learned from, and group."""

from __future__ import annotations

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "few_shot"
_FEW_SHOT: Columns = {
    **{name: f"learned.{name}" for name in ("question", "measurement", "attribute", "classes", "train", "held_out", "test", "draws")},
    **{name: f"shots.{name}" for name in ("shots", "strength", "images")},
    **{name: f"rate.{name}" for name in ("group", "n", "mean", "lowest", "highest", "low", "high")},
}


def table(results: Results) -> TidyTable:
    """Return one row for each number of images and group; no shots: all images were learned from."""
    rows = (
        (audit, {"learned": learned, "shots": shots, "rate": rate})
        for audit in results.audits
        for learned in audit.few_shot
        for shots in learned.shots
        for rate in shots.by_group
    )
    return tidy((AUDIT, _FEW_SHOT), rows)
