"""Labels above a threshold: one row a label and group."""

from __future__ import annotations

from collections.abc import Iterable

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "taggings"
_TAGGING: Columns = {name: name for name in ("question", "attribute", "threshold", "rule", "offered")}
_TAGGED: Columns = {
    "label": "label.label", **{name: name for name in ("group", "count", "share", "images")},
    **{name: f"label.{name}" for name in ("chi2", "exact", "most", "least", "difference", "low", "high", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a label and group; chi-square, the difference and p are of the label, and repeat in each of its rows."""
    return tidy((AUDIT, _TAGGING, _TAGGED), _tagged(results))


def _tagged(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for tagging in audit.taggings:
            for label in tagging.labels:
                for group, n, images in zip(tagging.groups, label.counts, tagging.sizes, strict=True):
                    yield audit, tagging, {"label": label, "group": group, "count": n, "share": n / images, "images": images}
