"""What a packed audit says about people."""

from __future__ import annotations

from collections.abc import Sequence

from audit.results import Results
from reports.text.numbers import count, in_words
from reports.text.phrases import attributes, listed


def predictions_sentence(results: Results, left_out: Sequence[str]) -> str:
    """Say that the predictions hold attributes of people, or what leaving them out means."""
    if left_out:
        return f"not in it: {', '.join(left_out)}. Others can compare files, but recompute no number"
    names = dict.fromkeys(name for audit in results.audits for name in audit.data.groups)
    rows = max((audit.data.used for audit in results.audits), default=0)
    of = listed([attributes([name]) for name in names])
    return (
        f"predictions.parquet is in it, because verification needs it: answers and attributes ({of}) of {in_words(rows, 'image')}. "
        "If they show people, share it accordingly, or pack --without-predictions"
    )


def pictures_sentence(results: Results) -> str:
    """Say that the page shows images of the data, if it does."""
    shown = sum(len(audit.examples) for audit in results.audits)
    return f"report.html shows {count(shown)} small pictures of the data" if shown else ""
