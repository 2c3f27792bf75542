"""Images without a true answer: whether it is missing depending on the answer, and what the missing ones may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify import formulas
from verify.answers import METRICS, UNKNOWN, Answers, counted
from verify.images import leading

Facts = dict[str, Any]


def outside(
    code: str, n: int, events: int, rate: tuple[float, ...], apart: tuple[float, float, float], *, shown: bool,
    names: tuple[Sequence[str], ...] = ((), ()),
) -> Facts:  # fmt: skip
    """Images outside the gap, as the file has them."""
    ends = dict(zip(("value", "low", "high"), rate, strict=True)) | dict(
        zip(("difference", "difference_low", "difference_high"), apart, strict=True)
    )
    of = {"group": list(names[0]), "other": list(names[1]), "answer": None, "answered_by": None, "lacking": [], "filled": None}
    return {"code": code, "n": n, "events": events, **ends, "shown": bool(shown), **of}


def independent_n(rate: Mapping[str, Any]) -> float:
    """Number of independent images of equal weight with the information of a rate."""
    return float(min(rate["n"] / max(rate["design_effect"] or 1.0, 1.0), rate["effective_n"] or np.inf))


def depends_on(
    lacking: np.ndarray,
    named: Mapping[str, np.ndarray],
    group: np.ndarray,
    names: Sequence[Sequence[str]],
    compared: np.ndarray,
    alpha: float,
) -> Facts | None:
    """Where a true answer is missing more, or less, often with one of the `named` answers of a group than with its others."""
    size = int(group.max()) + 1

    def tallied(which: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(group[which], minlength=size)[compared])

    images, without = tallied(np.ones(len(group), bool)), tallied(lacking)
    n, k = (np.array([tallied(of & part) for of in named.values()]) for part in (np.ones(len(group), bool), lacking))
    others, others_k = images - n, without - k
    both = (n > 0) & (others > 0)
    if not lacking.any() or not both.any():
        return None
    ends = formulas.newcombe(k, np.maximum(n, 1), others_k, np.maximum(others, 1), alpha / both.sum())
    distance = np.where(both, np.maximum(ends[0], -ends[1]), -1.0)
    at = np.unravel_index(leading(distance.ravel()), distance.shape)
    if distance[at] <= 0:
        return None
    share = k[at] / n[at]
    rate = (float(share), *(float(end) for end in formulas.wilson(k[at], n[at], alpha)))
    apart = (float(share - others_k[at] / others[at]), float(ends[0][at]), float(ends[1][at]))
    found = outside("truth by answer", int(without.sum()), int(k[at]), rate, apart, shown=True)
    rows = zip(names, n[at[0]], k[at[0]], others[at[0]], others_k[at[0]], strict=True)
    fields = ("n", "lacking", "others", "others_lacking")
    found["lacking"] = [{"group": list(of), **dict(zip(fields, map(int, row), strict=True))} for of, *row in rows]
    found["group"], found["answer"] = list(names[int(at[1])]), list(named)[at[0]]
    return found


@dataclass(frozen=True)
class MissingTruth:
    """The true answers that a rate lacks."""

    answers: Answers
    metric: str
    outcome: Sequence[str] | None
    label: str | None
    at_equal_truth: bool
    alpha: float

    @property
    def lacking(self) -> np.ndarray:
        return np.asarray(self.answers.y_true == UNKNOWN)

    def depends(self, group: np.ndarray, names: Sequence[Sequence[str]], compared: np.ndarray) -> Facts | None:
        """Where a true answer is missing depending on the answer; `compared` are the positions of the groups called `names`."""
        if METRICS[self.metric][0] == "selected":
            return None
        given = self.answers.y_pred.astype(str)
        labels = sorted(set(given.tolist()))
        named = {name: given == name for name in (labels[:1] if len(labels) == 2 else labels)}
        if self.outcome is not None:
            named = {str(self.label): np.isin(given, list(self.outcome))}
        return depends_on(self.lacking, named, group, names, compared, self.alpha)

    def extremes(self, group: np.ndarray, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest rate of each compared group over all ways to fill the missing true answers."""
        answers, lacking = self.answers, self.lacking
        assert answers.y_true is not None  # noqa: S101 - the caller has true answers
        weight = np.ones(len(group)) if answers.weight is None else answers.weight

        def total(which: np.ndarray) -> np.ndarray:
            return np.asarray(np.bincount(group[which], weight[which], int(group.max()) + 1)[compared])

        selected = np.isin(answers.y_pred.astype(str), list(self.outcome or ()))
        kind = METRICS[self.metric][1]
        would = selected if kind == "selected" else ~selected
        up, down = (total(lacking), total(lacking)) if kind == "correct" else (total(lacking & would), total(lacking & ~would))
        if not self.at_equal_truth:
            counts, event = counted(answers, self.metric, self.outcome)
            k, n = total(event), total(counts)
            return k / (n + down), (k + up) / (n + up)
        truths = [answers.y_true == name for name in sorted(set(answers.y_true) - {UNKNOWN})]
        k, n = (np.array([total(truth & part) for truth in truths]) for part in (selected, ~lacking))
        k, n = k[(n > 0).all(axis=1)], n[(n > 0).all(axis=1)]
        share = n.sum(axis=1) / n.sum()
        return share @ (k / (n + down)), share @ ((k + up) / (n + up))
