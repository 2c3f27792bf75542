"""A search with re-ranked results: whose images are among the first that are retrieved, and how many relevant ones are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.errors import AuditError, UsageError
from audit.extensions.whatif.compare import Tried, furthest_pair, what_if
from audit.extensions.whatif.frontier import frontier, holm_corrected
from audit.extensions.whatif.record import Refused, WhatIfs
from audit.measure.embedded import AskedMeasurement
from audit.measure.zero_shot import cosine_scores, directions
from audit.plans import WhatIfPlan
from audit.records.changed_model import CONTENT
from audit.statistics.metrics import METRICS
from audit.statistics.null import generator
from audit.statistics.paired.counted import Judge, control_gaps
from audit.types import Group, Note, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

METHOD = "re-ranking"
FOUND, NOT_FOUND = "found", "not found"
SHARE = 0.1
"""Share of the shown half that is retrieved."""
DRAWS = 100
NEEDS = (Note("group_of_each_image"),)
_SLACK = 1e-9


@dataclass(frozen=True)
class _Search:
    """A query on one half of the images."""

    scores: Float[np.ndarray, "n"]
    relevant: Bool[np.ndarray, "n"]
    codes: Int[np.ndarray, "n"]
    attributes: pd.DataFrame

    @property
    def k(self) -> int:
        return max(round(SHARE * len(self.scores)), 1)

    def by_score(self) -> Int[np.ndarray, "k"]:
        """The images that come first by score."""
        return np.argsort(-self.scores, kind="stable")[: self.k]

    def found(self, order: Int[np.ndarray, "k"]) -> Predictions:
        """A ranking as answers: retrieved or not."""
        answers = np.full(len(self.scores), NOT_FOUND, dtype=f"U{len(NOT_FOUND)}")
        answers[order] = FOUND
        nothing = np.zeros((len(answers), 0), np.float32)
        return Predictions((), (FOUND, NOT_FOUND), nothing, answers, None, self.attributes, np.zeros(len(answers), np.float32))

    def recall(self, predictions: Predictions) -> Predictions:
        """The answers for the relevant images only: their accuracy is the recall at k."""
        rows = self.relevant
        truth = np.full(int(rows.sum()), FOUND)
        return replace(
            predictions, y_pred=predictions.y_pred[rows], y_true=truth, attributes=self.attributes[rows],
            scores=predictions.scores[rows], margin=predictions.margin[rows],
        )  # fmt: skip


def search(
    plan: WhatIfPlan, fit: AskedMeasurement, shown: AskedMeasurement, attribute: str, levels: Mapping[str, Group], settings: Settings
) -> WhatIfs:
    """Search the shown half for the plan's query, by score and re-ranked so that every level of `attribute` has its share.

    The shares come from the fit half. The gap is between the groups' shares of retrieved images; the accuracy is the recall at
    k.
    """
    query = plan.query or ""
    finding = f"{shown.measurement.name}/found[{query}, first {100 * SHARE:g} %]/{attribute}"
    judge = Judge(finding, METRICS["selection_rate"], frozenset({FOUND}), (attribute,), levels, settings, plan.cluster)
    refused, what_ifs = [], []
    try:
        halves = [_put(query, half, attribute, levels[attribute]) for half in (fit, shown)]
        fitted, shown_first = (half.found(half.by_score()) for half in halves)
        if (pair := furthest_pair(fitted, shown_first, judge)) is None:
            refused.append(Refused(METHOD, "", judge.too_few()))
        else:
            for setting, default, shares in _targets(halves[0], len(levels[attribute])):
                what_ifs.append(what_if(_tried(halves[1], setting, default, shares, judge), pair, judge))
    except AuditError as error:
        refused.append(Refused(METHOD, "", Note.of(error.what)))
    return WhatIfs(
        question=Note("images_found", {"query": query, "attribute": attribute}),
        unit=plan.cluster or CONTENT,
        units=len(shown.attributes),
        cost=Note("recall", {"query": query, "first": 100 * SHARE}),
        target=frontier(holm_corrected(what_ifs, settings.alpha), finding, len(fit.attributes)) if what_ifs else None,
        other_attributes=(),
        refused=tuple(refused),
        draws=DRAWS,
    )


def _put(query: str, task: AskedMeasurement, attribute: str, levels: Group) -> _Search:
    measurement = task.measurement
    if measurement.truth is None or query not in measurement.label_set.labels:
        raise UsageError(f"{query!r} cannot be searched for", why="it takes a label of a measurement with a true answer")
    known = task.attributes[attribute].isin(levels).to_numpy()
    attributes = task.attributes[known]
    scores = cosine_scores(task.image_embeddings[known], directions([measurement.label_set.prompts[query]], task.text_embeddings))[:, 0]
    answer = measurement.label_set.answers.get(query, query)
    codes = np.array([levels.index(level) for level in attributes[attribute]], np.int64)
    return _Search(scores, (attributes[measurement.truth] == answer).to_numpy(), codes, attributes)


def _targets(fit: _Search, groups: int) -> Iterator[tuple[str, bool, Float[np.ndarray, "g"]]]:
    """Yield the target shares of the groups, from the fit half."""
    for setting, default, rows in (
        ("each group’s share of all images", True, np.ones(len(fit.codes), bool)),
        ("each group’s share of the images that are sought", False, fit.relevant),
    ):
        counts = np.bincount(fit.codes[rows], minlength=groups)
        if counts.sum():
            yield setting, default, counts / counts.sum()


def _tried(half: _Search, setting: str, default: bool, shares: Float[np.ndarray, "g"], judge: Judge) -> Tried:
    def reordered(codes: Int[np.ndarray, "n"]) -> Int[np.ndarray, "k"]:
        return rerank(half.scores, codes, shares, half.k)

    by_score, fair = half.by_score(), reordered(half.codes)
    before, after, gains = half.found(by_score), half.found(fair), half.relevant.astype(float)
    rng = generator(judge.settings.seed, f"{judge.finding}/{setting}/random")
    random = control_gaps(lambda source: half.found(reordered(source.permutation(half.codes))), judge, DRAWS, rng)
    early = (ndcg(by_score, gains), ndcg(fair, gains)) if half.relevant.any() else None
    return Tried(METHOD, setting, NEEDS, default, before, after, (half.recall(before), half.recall(after)), random, early)


def rerank(scores: Float[np.ndarray, "n"], codes: Int[np.ndarray, "n"], shares: Float[np.ndarray, "g"], k: int) -> Int[np.ndarray, "k"]:
    """Rank the first `k` images so that each group has its share of the first `i`, for every `i`, to within one image.

    Position `i` gets the best image of the groups below ``floor(share i)``; if none is, the best of those below ``ceil(share i)``. Tied
    scores keep input order; a group that runs out leaves its positions to the best of the others. With true labels as `codes` the result is
    a bound that no system reaches: say so. Geyik, Ambler and Kenthapadi 2019, algorithm DetGreedy, https://arxiv.org/abs/1905.01989

    Examples
    --------
    >>> rerank(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1]), np.array([0.5, 0.5]), 4).tolist()
    [0, 2, 1, 3]
    """
    if not (1 <= k <= len(scores)):
        raise ValueError(f"k must lie within 1 and {len(scores)}, not {k}")
    if not np.isclose(np.sum(shares), 1):
        raise ValueError("the shares of the groups must sum to 1")
    order = np.argsort(-scores, kind="stable")
    queues = [order[codes[order] == group][::-1].tolist() for group in range(len(shares))]
    taken, chosen = np.zeros(len(shares), int), []
    for position in range(1, k + 1):
        left = np.array([bool(queue) for queue in queues])
        below = left & (taken < np.floor(position * shares + _SLACK))
        if not below.any():
            below = left & (taken < np.ceil(position * shares - _SLACK))
        candidates = np.flatnonzero(below if below.any() else left)
        # Among equal scores, the one that came first wins.
        best = min(candidates, key=lambda group: (-scores[queues[group][-1]], queues[group][-1]))
        chosen.append(queues[best].pop())
        taken[best] += 1
    return np.array(chosen)


def ndcg(order: Int[np.ndarray, "k"], gains: Float[np.ndarray, "n"]) -> float:
    """Normalised discounted cumulative gain: 1 if no order of `k` images has a larger gain; NaN if nothing can be gained.

    Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418

    Examples
    --------
    Gains 1, 0, 1 where 1, 1, 0 was possible: (1 + 1/2) / (1 + 1/log2(3)).

    >>> round(ndcg(np.array([0, 1, 2]), np.array([1.0, 0.0, 1.0])), 4)
    0.9197
    """
    discounts = 1 / np.log2(np.arange(2, len(order) + 2))
    best = float(np.sort(gains)[::-1][: len(order)] @ discounts)
    return float(gains[order] @ discounts) / best if best > 0 else float("nan")
