"""Counterfactual sets: one row a pair of members."""

from __future__ import annotations

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "counterfactual_sets"
_SETS: Columns = {
    **{name: name for name in ("question", "attribute", "outcome", "cluster_attribute", "clusters", "sets", "incomplete", "reason")},
    "flips": "flips", "flip_rate": "flip_rate.value", "differing": "differing.value", "differing_low": "differing.low",
    "differing_high": "differing.high", "harmless": "harmless.rate.value", "harmless_low": "harmless.rate.low",
    "harmless_high": "harmless.rate.high", "excess": "harmless.excess", "excess_p": "harmless.p",
    "excess_p_adjusted": "harmless.p_adjusted",
    "excess_verdict": "harmless.verdict", "cochran_q": "members_differ.cochran_q", "q_p": "members_differ.q_p",
    "q_p_adjusted": "members_differ.q_p_adjusted", "score_p": "members_differ.score_p",
    "score_p_adjusted": "members_differ.score_p_adjusted",
}  # fmt: skip
_PAIR: Columns = {
    **{name: name for name in ("first", "second", "only_first", "only_second")},
    "net": "net.value", "net_low": "net.low", "net_high": "net.high",
    **{name: name for name in ("net_p", "net_p_adjusted", "shift", "shift_low", "shift_high", "shift_p", "shift_p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a pair of members; what is of a whole set repeats in each of its rows."""
    rows = ((audit, each, pair) for audit in results.audits for each in audit.counterfactual_sets for pair in each.pairs)
    return tidy((AUDIT, _SETS, _PAIR), rows)
