"""Computes which group's images rank first for each query of a probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.analyses.base.gallery import Gallery, check_attributes, gallery_of, seeded_order, with_signals
from audit.analyses.base.kinds import AnalysisInputs
from audit.analyses.base.records import ChanceBand
from audit.analyses.ranking.plan import RankingPlan
from audit.analyses.ranking.record import RankedMetric, RankedQuery, Ranking
from audit.errors import UsageError
from audit.measure.classified.answers import LabelScores
from audit.measure.random_rankings import drawn_counts, p_above, shared_draws, standardized
from audit.measure.ranking import divergence, entropies, query_biases, shares, skews, top_k
from audit.measure.zero_shot import cosine_scores, directions
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Note, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MOST_RETRIEVED, PART = 1000, 10
"""The default of k: a tenth of the gallery, at most 1,000."""
SHUFFLES = 999
"""Shuffles of the groups over the gallery, for means over queries and for NDKL; p of a query uses the draws of the settings."""
_Name = Literal["MaxSkew", "MinSkew", "NDKL", "Bias", "AbsBias", "Entropy"]
_Values = Mapping[_Name, np.ndarray]
"""Values of each estimable metric, per query or per draw."""
_TAILS: Mapping[_Name, tuple[float, float]] = {
    "MaxSkew": (5, 95),
    "MinSkew": (5, 95),
    "NDKL": (5, 95),
    "AbsBias": (5, 95),
    "Entropy": (5, 95),
    "Bias": (2.5, 97.5),
}
"""Percentiles that bound the range expected by chance; a bias is two-sided."""


PLAN, FIELD, MODELS = RankingPlan, "rankings", ("dual encoder", "classifier")


def check(plans: Sequence[RankingPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the rankings before the model sees an image; raises UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if not plan.queries or not all(plan.queries.values()):
            raise UsageError(f"the ranking {plan.question!r} has no queries, or one without prompts", fix="name them in the probe")
        for attribute in plan.by:
            gallery = gallery_of(dataset.attributes[attribute], dataset.levels[attribute], settings, with_small=True)
            for k in plan.ks:
                _check_k(k, attribute, len(gallery.rows))


def _check_k(k: int, attribute: str, n: int) -> None:
    if k < 1:
        raise UsageError(f"a ranking with k = {k}", why="k is how many images are retrieved", fix="1 or more")
    if k == n:
        raise UsageError(
            f"k = {k} retrieves the whole gallery ({n} images compared by {attribute})",
            why="every image would be retrieved, and the metrics would not depend on the model",
            fix=f"choose a k below {n // 2 + n % 2}, half of the gallery",
        )


def prompts(plan: RankingPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts of the queries."""
    yield TextSet("ranking", (plan.question,), plan.preset, "queries", ()), tuple(chain.from_iterable(plan.queries.values()))


def analyse(plans: Sequence[RankingPlan], inputs: AnalysisInputs) -> tuple[Ranking, ...]:
    """Compute each ranking for each attribute and k; p is adjusted over all of their queries together.

    Tied scores are in random order.
    """
    probe, dataset, attributes, settings = inputs.probe, inputs.dataset, inputs.attributes, inputs.settings
    rankings: list[Ranking] = []
    order = seeded_order(attributes.index, settings.seed)
    for plan in plans if inputs.label_scores is None else _of_labels(plans, inputs.label_scores):
        scores_nq = _scores(plan, inputs)[order]
        for attribute in plan.by:
            gallery = gallery_of(attributes[attribute].iloc[order], dataset.levels[attribute], settings, with_small=True)
            for k in plan.ks or (max(1, min(MOST_RETRIEVED, len(gallery.rows) // PART)),):
                reason = _not_estimable(probe, gallery, k, settings)
                put = _Put(plan, attribute, gallery, k)
                rankings.append(put.record(reason) if reason else put.ranked(scores_nq[gallery.rows].T, settings))
    decided = with_signals([ranking.queries for ranking in rankings], settings.alpha, limited=dataset.limited)
    return tuple(replace(ranking, queries=queries) for ranking, queries in zip(rankings, decided, strict=True))


def _of_labels(plans: Sequence[RankingPlan], own: LabelScores) -> Iterator[RankingPlan]:
    """Yield the rankings with the queries that labels of a classifier stand for."""
    for plan in plans:
        if queries := {query: texts for query, texts in plan.queries.items() if query in own.names}:
            yield replace(plan, queries=queries)


def _scores(plan: RankingPlan, inputs: AnalysisInputs) -> Float[np.ndarray, "n q"]:
    """The scores that rank images for each query: cosines, or the probabilities of a classifier's labels."""
    if inputs.label_scores is not None:
        return np.stack([inputs.label_scores.of_name(query) for query in plan.queries], axis=1)
    return cosine_scores(inputs.images.vectors, directions(plan.queries.values(), inputs.texts))


def _not_estimable(probe: Probe, gallery: Gallery, k: int, settings: Settings) -> Note | None:
    n = len(gallery.rows)
    return gallery.not_estimable(probe, settings) or (Note("ranking_k", {"k": k, "images": n}) if 2 * k >= n else None)


@dataclass(frozen=True)
class _Put:
    """The queries of a plan on one gallery, for one k."""

    plan: RankingPlan
    attribute: str
    gallery: Gallery
    k: int

    def record(self, reason: Note | None) -> Ranking:
        """The record before anything is ranked."""
        gallery = self.gallery
        sizes = tuple(gallery.sizes.tolist())
        return Ranking(
            self.plan.question, self.attribute, self.k, self.plan.target, gallery.groups, sizes, gallery.left_out, reason,
            not_judged=gallery.groups[gallery.judged :],
        )  # fmt: skip

    def ranked(self, scores_qn: Float[np.ndarray, "q n"], settings: Settings) -> Ranking:
        """Compute the group shares among the first k of every query, and under random rankings; p is not adjusted yet."""
        sizes, k, judged = self.gallery.sizes, self.k, self.gallery.judged
        name = f"ranking/{self.plan.question}/{self.attribute}/{k}"
        tops = np.stack([top_k(scores, k) for scores in scores_qn])
        target = _target(sizes, judged, equal=self.plan.target == "equal")
        counts = _counts(self.gallery.codes[tops], len(sizes))
        drawn = drawn_counts(sizes, k, settings.draws, generator(settings.seed, f"{name}/queries"))
        p = p_above(_largest(counts, sizes, k, judged), _largest(drawn, sizes, k, judged))
        shuffled, diverged = shared_draws(tops, sizes, target, SHUFFLES, generator(settings.seed, f"{name}/means"))
        own = _metrics(counts, k, target[:judged], divergence(self.gallery.codes[tops], target))
        random = _metrics(drawn, k, target[:judged], diverged)
        bands = {metric: _band(values.ravel(), metric) for metric, values in random.items()}
        together = _metrics(shuffled, k, target[:judged], diverged)
        of_share = np.percentile(drawn / k, (2.5, 97.5), axis=0).T
        return replace(
            self.record(None),
            chance_shares=tuple(
                ChanceBand(float(mean), float(low), float(high)) for mean, (low, high) in zip(sizes / sizes.sum(), of_share, strict=True)
            ),
            queries=tuple(
                self._query(
                    query,
                    counts[i],
                    _tied(scores_qn[i], tops[i]),
                    tuple(RankedMetric(metric, float(own[metric][i]), bands[metric]) for metric in own if metric != "AbsBias"),
                    float(p[i]),
                )
                for i, query in enumerate(self.plan.queries)
            ),
            means=tuple(
                RankedMetric(metric, float(values.mean()), _band(together[metric].mean(axis=1), metric)) for metric, values in own.items()
            ),
            draws=(settings.draws, SHUFFLES),
        )

    def _query(self, query: str, counts: Int[np.ndarray, "g"], tied: int, metrics: tuple[RankedMetric, ...], p: float) -> RankedQuery:
        errors = standardized(counts, self.gallery.sizes, self.k)[: self.gallery.judged]
        # With two groups, both deviate equally: the one that is ahead is named.
        most = int((np.abs(errors) + 1e-9 * (errors > 0)).argmax())
        return RankedQuery(query, tuple(counts.tolist()), tied, metrics, self.gallery.groups[most], float(errors[most]), p, p, "no signal")


def _counts(ranked: Int[np.ndarray, "q k"], groups: int) -> Int[np.ndarray, "q g"]:
    return np.stack([np.count_nonzero(ranked == group, axis=-1) for group in range(groups)], axis=-1)


def _target(sizes: Int[np.ndarray, "g"], judged: int, *, equal: bool) -> Float[np.ndarray, "g"]:
    """The share that each group should have; with an equal target, groups that are too small keep their share of the gallery."""
    target = shares(sizes)
    if equal:
        target[:judged] = target[:judged].sum() / judged
    return target


def _largest(counts: Int[np.ndarray, "*b g"], sizes: Int[np.ndarray, "g"], k: int, judged: int) -> Float[np.ndarray, "*b"]:
    return np.asarray(np.abs(standardized(counts, sizes, k)[..., :judged]).max(axis=-1))


def _tied(scores: Float[np.ndarray, "n"], top: Int[np.ndarray, "k"]) -> int:
    last = scores[top[-1]]
    return int((scores == last).sum() - (scores[top] == last).sum())


def _metrics(counts: Int[np.ndarray, "*b g"], k: int, target: Float[np.ndarray, "j"], diverged: Float[np.ndarray, "*c"]) -> _Values:
    """The metrics that are estimable: skew if some group is due at least one image, bias if two groups are compared.

    Skew and bias cover the groups that have a `target` (the first ones); divergence and entropy cover all groups.
    """
    metrics: dict[_Name, np.ndarray] = {}
    skew = skews(counts[..., : len(target)], k, target)
    if (known := np.isfinite(skew).reshape(-1, len(target)).all(axis=0)).any():
        metrics |= {"MaxSkew": skew[..., known].max(axis=-1), "MinSkew": skew[..., known].min(axis=-1)}
    metrics["NDKL"] = diverged
    if len(target) == 2:
        bias = query_biases(counts[..., :2])
        metrics |= {"Bias": bias, "AbsBias": np.abs(bias)}
    metrics["Entropy"] = entropies(counts)
    return metrics


def _band(values: Float[np.ndarray, "b"], metric: _Name) -> ChanceBand:
    low, high = np.percentile(values, _TAILS[metric]).tolist()
    return ChanceBand(float(values.mean()), low, high)
