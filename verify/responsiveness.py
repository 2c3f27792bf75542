"""Whether the answers to a measurement depend on the images: they are compared with one answer for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.answers import UNKNOWN, Answers, commonest, possible
from verify.finding import OF_COMPOSITION, Run
from verify.images import Images, stream
from verify.ledger import Drawn, drawn
from verify.paired import Change, follows_truth_p

ASKINGS = (": order", ": instruction", ": repeats")
"""Ends of the names of measurements that compare two ways to pose one question."""
MOSTLY, RECOGNISED, RECALL = 0.95, 0.2, 0.1
SAME = "same answer"


def responsiveness(run: Run, measurement: Mapping[str, Any], answers: Answers, other_order: Answers | None) -> dict[str, Any] | None:
    """The record of a measurement; None if it only compares two ways to pose a question, or has no answers."""
    name, declared = measurement["name"], possible(measurement)
    if name.endswith(ASKINGS) or not len(answers.y_pred):
        return None
    first, share = commonest(answers.y_pred, measurement)
    record: dict[str, Any] = {
        "n": len(answers.y_pred), "commonest": first, "commonest_share": share,
        "unclear": float((answers.y_pred == "unclear").mean()) if "unclear" in declared else None,
        "same_in_another_order": None if other_order is None else float((other_order.y_pred == SAME).mean()),
        "against_constant": _against_constant(run, measurement, answers, declared),
    }  # fmt: skip
    by_rows = measurement["row_texts"] is not None  # questions of rows are not in the file of predictions
    return record if by_rows else record | {"code": _code(record, run.alpha)}


def _against_constant(run: Run, measurement: Mapping[str, Any], answers: Answers, declared: Sequence[str]) -> dict[str, Any] | None:
    known = np.zeros(0, bool) if answers.y_true is None else answers.y_true != UNKNOWN
    if answers.y_true is None or len(set(answers.y_true[known])) < 2:
        return None
    answers = answers.take(np.flatnonzero(known))
    assert answers.y_true is not None  # noqa: S101 - checked above
    right, n = answers.y_pred == answers.y_true, len(answers.y_true)
    truths = [truth for truth in [*declared, *sorted(set(answers.y_true) - set(declared))] if truth in set(answers.y_true)]
    often = {truth: (int((answers.y_true == truth).sum()), int(right[answers.y_true == truth].sum())) for truth in truths}
    constant = max(truths, key=lambda truth: often[truth])
    share, would = often[constant][0] / n, answers.y_true == constant
    only = int((right & ~would).sum()), int((would & ~right).sum())
    change = Change(right.astype(int) - would, answers.cluster)
    value, exact = change.p(run.settings, "()/flip")
    p = drawn(value, int(run.settings["draws"]), repeated=exact or run.same_numpy)
    low, high = change.limits(run.alpha)
    better = right.mean() > share and _value(p) <= run.alpha
    recalls = [float(right[answers.y_true == truth].mean()) for truth in set(answers.y_true)]
    return {
        "n": n, "accuracy": int(right.sum()) / n, "constant": constant, "constant_accuracy": share, "only_answers": only[0],
        "only_constant": only[1], "p": p, "low": low, "high": high, "recall_above_guess": sum(recalls) / len(recalls) - 1 / len(recalls),
        "follows_truth_p": None if better else _follows_truth_p(run, measurement, answers),
    }  # fmt: skip


def _value(p: float | Drawn) -> float:
    return p if isinstance(p, float) else p.value


def _follows_truth_p(run: Run, measurement: Mapping[str, Any], answers: Answers) -> float | Drawn | None:
    """The p of "the most frequent answer is as frequent for every true answer"."""
    assert answers.y_true is not None  # noqa: S101 - the caller has true answers
    event = answers.y_pred == commonest(answers.y_pred, measurement)[0]
    truths = list(dict.fromkeys(answers.y_true.tolist()))
    code = np.array([truths.index(truth) for truth in answers.y_true])
    if answers.cluster is not None:
        return follows_truth_p(answers.cluster, code, event, len(truths))
    units = Images(np.bincount(code[event], minlength=len(truths)), np.bincount(code))
    draws = min(int(run.settings["draws"]), OF_COMPOSITION)
    p = units.test(draws, stream(int(run.settings["seed"]), f"{measurement['name']}/truth")).p
    return drawn(p, draws, repeated=run.same_numpy)


def _code(record: Mapping[str, Any], alpha: float) -> str | None:
    against, kept = record["against_constant"], record["same_in_another_order"]
    if (record["unclear"] or 0.0) >= MOSTLY:
        return "unclear"
    if record["commonest_share"] >= MOSTLY and kept is not None and kept < 0.5:
        return "order"
    if against is None:
        return "constant" if record["commonest_share"] == 1 else None
    if against["accuracy"] > against["constant_accuracy"] and _value(against["p"]) <= alpha:
        return "looks"
    if record["commonest_share"] == 1:
        return "constant"
    follows = against["follows_truth_p"]
    if follows is not None and _value(follows) <= alpha:
        return "varies"
    return "undecided" if against["high"] >= RECOGNISED else "no better"


def recognises_nothing(records: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether answers can be checked in some measurements, and fail in all of them."""
    codes = set()
    for record in records:
        if record and (record["against_constant"] or record["code"] in ("looks", "no better", "undecided")):
            recall = (record["against_constant"] or {}).get("recall_above_guess")
            codes.add("looks" if record["code"] == "varies" and recall is not None and recall >= RECALL else record["code"])
    return bool(codes & {"no better", "varies"}) and not codes & {"looks", "undecided", None}
