"""Images outside a gap, and whether their true answers are missing depending on the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify import formulas
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
