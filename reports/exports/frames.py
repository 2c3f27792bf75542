"""The same numbers as tidy data frames, for a notebook: one row a thing, fractions between 0 and 1, NaN where not estimable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from audit.records.results import AuditResult, Results
from audit.records.what_if import Frontier, WhatIfs
from reports.exports.tables import rows

if TYPE_CHECKING:
    import pandas as pd

_WORDS = frozenset({
    "model", "probe", "finding", "measurement", "metric", "outcome", "attributes", "group", "status", "primary", "verdict",
    "exceeds_tolerance", "highest", "lowest", "question", "first", "second", "preset", "variant", "default", "method", "setting",
    "target", "efficient", "ending", "before", "after", "verdict_before", "verdict_after", "direction",
    "beyond_tolerance", "levelled_down", "side",
    "n", "events", "gained", "lost", "step",
})  # fmt: skip
"""Columns that are no fractions: texts, whole numbers, yes or no. Any other is a float, even where nothing in it can be estimated."""
_WORDINGS = ("model", "probe", "question", "metric", "outcome", "attributes", "first", "second", "preset", "variant", "default",
             "difference", "low", "high", "p", "gap")  # fmt: skip
_WHAT_IFS = ("model", "probe", "question", "finding", "target", "method", "setting", "default", "efficient", "gap_before", "gap", "low",
             "high", "null_95", "change", "change_low", "change_high", "change_p_adjusted", "beats_random", "accuracy_before", "accuracy",
             "ndcg_before", "ndcg", "answered", "ending")  # fmt: skip


def frame(header: Sequence[str], values: Iterable[Sequence[object]]) -> pd.DataFrame:
    """Return a data frame whose fractions are floats, whatever could be estimated."""
    import pandas as pd

    made = pd.DataFrame([tuple(row) for row in values], columns=list(header))
    return made.astype({name: float for name in header if name not in _WORDS})


def gaps(results: Results) -> pd.DataFrame:
    """Return one row a finding."""
    return frame(*rows(results)["gaps"])


def rates(results: Results) -> pd.DataFrame:
    """Return one row a finding and group."""
    return frame(*rows(results)["rates"])


def wordings(results: Results) -> pd.DataFrame:
    """Return one row a question and wording: the difference of the same two groups, first minus second."""
    return frame(_WORDINGS, (row for audit in results.audits for row in _wordings(audit)))


def _wordings(audit: AuditResult) -> Iterable[Sequence[object]]:
    for curve in audit.specifications:
        pair = " x ".join(curve.first), " x ".join(curve.second)
        asked = (audit.model.name, audit.probe.name, curve.question, curve.metric, curve.outcome, " x ".join(curve.attributes), *pair)
        for point in curve.points:
            yield *asked, point.preset, point.variant, point.default, point.difference, point.low, point.high, point.p, point.gap


def what_ifs(results: Results) -> pd.DataFrame:
    """Return one row a question, finding and setting that was tried; `target` says whether the change was aimed at that finding."""
    audits = ((audit, asked) for audit in results.audits for asked in audit.what_ifs)
    return frame(_WHAT_IFS, (row for audit, asked in audits for row in _what_ifs(audit, asked)))


def _what_ifs(audit: AuditResult, asked: WhatIfs) -> Iterable[Sequence[object]]:
    for frontier in (*([asked.target] if asked.target else []), *asked.other_attributes):
        for row in _tried(frontier):
            yield audit.model.name, audit.probe.name, asked.question, frontier.finding, frontier is asked.target, *row


def _tried(frontier: Frontier) -> Iterable[Sequence[object]]:
    for point in frontier.points:
        each = point.what_if
        change = each.change.value, each.change.low, each.change.high, each.change_p_adjusted
        yield (each.method, each.setting, each.default, point.efficient, each.gap_before.value, each.gap.value, each.gap.low, each.gap.high,
               each.null_95, *change, each.beats_random, each.utility.before, each.utility.after,
               *(each.ndcg or (None, None)), each.utility.answered, each.outcome)  # fmt: skip
