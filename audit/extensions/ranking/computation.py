"""Computes which group's images rank first for each query of a probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.analyses.gallery import Gallery, check_attributes, gallery_of, seeded_order, with_signals
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import RankingPlan
from audit.analyses.records import ChanceBand
from audit.errors import UsageError, nearest
from audit.extensions.ranking.record import MOST_RANKED, RankedMetric, RankedQuery, Ranking
from audit.measure.classified.answers import LabelScores
from audit.measure.random_rankings import drawn_counts, drawn_groups, p_above, shared_draws, standardized
from audit.measure.ranking import best_first, divergence, entropies, query_biases, shares, skews, top_k
from audit.measure.zero_shot import cosine_scores, directions
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Group, Note, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
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


MODELS = ("dual encoder", "classifier")


def check(plans: Sequence[RankingPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the rankings before the model sees an image; raises UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if not plan.queries or not all(plan.queries.values()):
            raise UsageError(f"the ranking {plan.question!r} has no queries, or one without prompts", fix="name them in the probe")
        _check_galleries(plan, dataset)
        ranked = dataset.attributes.iloc[_in_galleries(plan, dataset.attributes)]
        for attribute in plan.by:
            gallery = gallery_of(ranked[attribute], dataset.levels[attribute], settings, with_small=True)
            for k in plan.ks:
                _check_k(k, attribute, len(gallery.rows))


def _check_galleries(plan: RankingPlan, dataset: Dataset) -> None:
    if plan.gallery is None:
        return
    if plan.gallery not in dataset.attributes:
        known = nearest(plan.gallery, map(str, dataset.attributes.columns))
        raise UsageError(f"the ranking {plan.question!r} has galleries by {plan.gallery!r}, which the data do not have", fix=known)
    if not dataset.attributes[plan.gallery].isin(list(plan.queries)).any():
        why, fix = f"no image has a query as its {plan.gallery}", f"give queries the names of its values: {', '.join(plan.queries)}"
        raise UsageError(f"the ranking {plan.question!r} has no gallery", why=why, fix=fix)


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
        ranked = order[_in_galleries(plan, attributes.iloc[order])]
        scores_nq = _scores(plan, inputs)[ranked]
        for attribute in plan.by:
            gallery = gallery_of(attributes[attribute].iloc[ranked], dataset.levels[attribute], settings, with_small=True)
            for k in plan.ks or (max(1, min(MOST_RETRIEVED, len(gallery.rows) // PART)),):
                reason = _not_estimable(probe, gallery, k, settings, own=plan.gallery is not None)
                put = RankedGallery(plan, attribute, gallery, k)
                if reason is not None:
                    rankings.append(put.record(reason))
                elif plan.gallery is None:
                    rankings.append(put.ranked(scores_nq[gallery.rows].T, settings))
                else:
                    rankings.append(put.ranked_apart(scores_nq[gallery.rows].T, attributes.iloc[ranked[gallery.rows]], settings))
    decided = with_signals([ranking.queries for ranking in rankings], settings.alpha, limited=dataset.limited)
    return tuple(replace(ranking, queries=queries) for ranking, queries in zip(rankings, decided, strict=True))


def _in_galleries(plan: RankingPlan, attributes: pd.DataFrame) -> Int[np.ndarray, "m"]:
    """The rows that some query ranks."""
    return np.arange(len(attributes)) if plan.gallery is None else np.flatnonzero(attributes[plan.gallery].isin(list(plan.queries)))


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


def _not_estimable(probe: Probe, gallery: Gallery, k: int, settings: Settings, *, own: bool) -> Note | None:
    """Why a ranking is not estimable; `own`: every query has its own gallery, whose size is checked by query."""
    n = len(gallery.rows)
    return gallery.not_estimable(probe, settings) or (Note("ranking_k", {"k": k, "images": n}) if 2 * k >= n and not own else None)


@dataclass(frozen=True)
class RankedGallery:
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
            not_judged=gallery.groups[gallery.judged :], gallery=self.plan.gallery,
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
        groups = self.gallery.groups
        return replace(
            self.record(None),
            chance_shares=_chance_shares(drawn, sizes, k),
            queries=tuple(
                replace(_query(query, counts[i], sizes, groups[:judged], float(p[i])), tied=_tied(scores_qn[i], tops[i]),
                        metrics=tuple(RankedMetric(metric, float(own[metric][i]), bands[metric]) for metric in own if metric != "AbsBias"))
                for i, query in enumerate(self.plan.queries)
            ),
            means=tuple(
                RankedMetric(metric, float(values.mean()), _band(together[metric].mean(axis=1), metric)) for metric, values in own.items()
            ),
            draws=(settings.draws, SHUFFLES),
        )  # fmt: skip

    def ranked_apart(self, scores_qn: Float[np.ndarray, "q n"], attributes: pd.DataFrame, settings: Settings) -> Ranking:
        """The same where every query ranks only the images whose attribute has its name; `attributes` are those of the gallery."""
        own, not_ranked = [], []
        for query, scores in zip(self.plan.queries, scores_qn, strict=True):
            rows = np.flatnonzero((attributes[str(self.plan.gallery)] == query).to_numpy(bool))
            sizes = np.bincount(self.gallery.codes[rows], minlength=len(self.gallery.groups))
            if len(rows) <= self.k or np.count_nonzero(sizes[: self.gallery.judged]) < 2:
                not_ranked.append((query, len(rows)))
                continue
            in_order = rows[best_first(scores[rows], attributes.index[rows])]
            tied = _tied(scores[rows], np.searchsorted(rows, in_order[: self.k]))
            own.append(self._apart(query, self.gallery.codes[in_order], tied, settings))
        if not own:
            return self.record(Note("ranking_galleries", {"k": self.k}))
        return replace(
            self.record(None), queries=tuple(query for query, _, _ in own), means=tuple(_means_apart(own)),
            draws=(settings.draws, SHUFFLES), not_ranked=tuple(not_ranked),
        )  # fmt: skip

    def _apart(self, query: str, ranked: Int[np.ndarray, "n"], tied: int, settings: Settings) -> _Apart:
        """A query with its metrics, and these under random orders of its gallery; `ranked` are the groups of its images in order."""
        everyone, k = np.bincount(ranked, minlength=len(self.gallery.groups)), self.k
        present = np.flatnonzero(everyone)
        sizes, places = everyone[present], min(len(ranked), max(k, MOST_RANKED))
        codes = np.searchsorted(present, ranked)[:places]
        judged = int(np.count_nonzero(present < self.gallery.judged))
        target = _target(sizes, judged, equal=self.plan.target == "equal")
        rng = generator(settings.seed, f"ranking/{self.plan.question}/{self.attribute}/{k}/{query}")
        drawn = drawn_counts(sizes, k, settings.draws, rng)
        orders = drawn_groups(sizes, places, SHUFFLES, rng)
        counts, diverged = _counts(codes[None, :k], len(sizes)), divergence(orders, target)
        metrics = _metrics(counts, k, target[:judged], divergence(codes[None], target))
        random = _metrics(drawn, k, target[:judged], diverged)
        shuffled = _metrics(_counts(orders[:, :k], len(sizes)), k, target[:judged], diverged)
        comparable = [metric for metric in metrics if "Bias" not in metric or self.gallery.judged == 2]
        p = p_above(_largest(counts, sizes, k, judged), _largest(drawn, sizes, k, judged))
        names = tuple(self.gallery.groups[group] for group in present[:judged])
        absent = ChanceBand(0.0, 0.0, 0.0)
        shares_here = dict(zip(present.tolist(), _chance_shares(drawn, sizes, k), strict=True))
        result = replace(
            _query(query, counts[0], sizes, names, float(p[0])), tied=tied,
            counts=tuple(np.bincount(ranked[:k], minlength=len(everyone)).tolist()), sizes=tuple(everyone.tolist()),
            chance_shares=tuple(shares_here.get(group, absent) for group in range(len(everyone))),
            metrics=tuple(
                RankedMetric(metric, float(metrics[metric][0]), _band(random[metric].ravel(), metric))
                for metric in comparable if metric != "AbsBias"
            ),
        )  # fmt: skip
        return result, {metric: float(metrics[metric][0]) for metric in comparable}, {metric: shuffled[metric] for metric in comparable}


_Apart = tuple[RankedQuery, Mapping[_Name, float], _Values]
"""A query with its own gallery, its metrics, and those of random orders."""


def _means_apart(own: Sequence[_Apart]) -> Iterator[RankedMetric]:
    """Yield the mean of each metric over the queries that have it; random orders of different galleries are independent."""
    for metric in dict.fromkeys(chain.from_iterable(values for _, values, _ in own)):
        values = np.array([values[metric] for _, values, _ in own if metric in values])
        random = np.stack([drawn[metric] for _, _, drawn in own if metric in drawn])
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        yield RankedMetric(metric, float(values.mean()), _band(random.mean(axis=0), metric), sd)


def _query(query: str, counts: Int[np.ndarray, "g"], sizes: Int[np.ndarray, "g"], judged: Group, p: float) -> RankedQuery:
    """A query with the group that deviates most of those that are `judged`, which come first."""
    errors = standardized(counts, sizes, int(counts.sum()))[: len(judged)]
    # With two groups, both deviate equally: the one that is ahead is named.
    most = int((np.abs(errors) + 1e-9 * (errors > 0)).argmax())
    return RankedQuery(query, tuple(counts.tolist()), 0, (), judged[most], float(errors[most]), p, p, "no signal")


def _chance_shares(drawn: Int[np.ndarray, "b g"], sizes: Int[np.ndarray, "g"], k: int) -> tuple[ChanceBand, ...]:
    of_share = np.percentile(drawn / k, (2.5, 97.5), axis=0).T
    return tuple(ChanceBand(float(mean), float(low), float(high)) for mean, (low, high) in zip(sizes / sizes.sum(), of_share, strict=True))


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
