"""Sets of images that differ in one attribute: how often answers differ, compared with harmless changes, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import CounterfactualSetsPlan
from audit.analyses.records import Signal
from audit.answers import answer_probabilities, are_shares, of_any
from audit.errors import DataError, UsageError, nearest
from audit.extensions.counterfactual_sets.harmless import HARMLESS, harmless
from audit.extensions.counterfactual_sets.record import CounterfactualSets, HarmlessBaseline, HarmlessChange, MemberDifference, MemberPair
from audit.measure import predict
from audit.measure.zero_shot import scored_images
from audit.records.base import Estimate
from audit.records.inputs import TextSet
from audit.statistics.multiplicity import holm
from audit.statistics.null import generator, sign_flip_p
from audit.statistics.paired.findings import pair_intervals
from audit.statistics.paired.sets import cochran_q, differing_pairs, excess_p, mean_shift, pairs_differ, permuted_members_p, share_interval
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS
from audit.types import UNKNOWN, Dataset, LabelSet, Measurement, Note, Predictions, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int


MODELS = ("dual encoder",)
MOST_CHANGED = 2000
"""Maximum number of a plan's images that get harmless changes: whole clusters, drawn by the seed."""


def check(plans: Sequence[CounterfactualSetsPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model sees an image; raises UsageError."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    columns = list(map(str, dataset.attributes.columns))
    for plan in plans:
        where = f"counterfactual sets {plan.question!r}"
        for name in (plan.attribute, plan.cluster, *plan.within, *([plan.case] if plan.case else [])):
            if name not in columns:
                raise UsageError(f"no attribute {name!r}", where=where, fix=nearest(name, columns))
        if len(set(plan.members)) < 2 or not plan.within:
            raise UsageError("a set has two members or more, and attributes that identify it", where=where, fix="name them in the probe")
        if (plan.measurement is None) == (plan.case is None or not plan.choices):
            raise UsageError("the answers are those to a measurement, or to choices by case", where=where, fix="give one of the two")
        if plan.measurement is not None and plan.measurement not in named:
            raise UsageError(f"no measurement {plan.measurement!r}", where=where, fix=nearest(plan.measurement, named))
        if plan.measurement is not None and plan.outcome not in (outcomes := named[plan.measurement].outcomes):
            raise UsageError(f"no outcome {plan.outcome!r}", where=where, fix=nearest(plan.outcome, outcomes))


def prompts(plan: CounterfactualSetsPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts of the choices; those of a measurement exist already."""
    texts = tuple(chain.from_iterable((*choice.first, *choice.second) for choice in plan.choices.values()))
    if texts:
        yield TextSet("counterfactual-sets", (plan.question,), plan.preset, "choices", ()), texts


def analyse(plans: Sequence[CounterfactualSetsPlan], inputs: AnalysisInputs) -> tuple[CounterfactualSets, ...]:
    """Compute each plan; p is adjusted over all tests of all plans that are judged (Holm).

    Raises DataError if two images are the same member of a set, or if the members of a set are in different clusters.
    """
    tables = [set_table(plan, inputs) for plan in plans]
    changed = _changed(tables, inputs)
    results = [_found(table, changed, inputs) for table in tables]
    tests = [p for result in results if result.reason is None for p in _p_values(result)]
    adjusted = iter(holm(np.array(tests)).tolist() if tests else ())
    limited, alpha = inputs.dataset.limited, inputs.settings.alpha
    return tuple(
        result if result.reason else _decided(replace(result, tests=len(tests)), adjusted, 0.0 if limited else alpha) for result in results
    )


# ---- harmless changes ----------------------------------------------------------------------------------------------------------------


def _changed(tables: Sequence[SetTable], inputs: AnalysisInputs) -> Mapping[str, tuple[Int[np.ndarray, "r"], Float[np.ndarray, "r d"]]]:
    """Change -> rows and their embeddings, for a sample of the images of all sets."""
    rows = sorted({int(row) for table in tables for row in table.rows[table.sample(MOST_CHANGED, inputs.settings.seed)].ravel()})
    if not rows:
        return {}
    seen = inputs.embed(harmless(inputs.dataset, inputs.images.rows[rows].tolist()))
    change, position = np.divmod(seen.rows, len(rows))
    return {name: (np.array(rows)[position[change == i]], seen.vectors[change == i]) for i, name in enumerate(HARMLESS)}


def _turned(
    table: SetTable, changed: Mapping[str, tuple[Int[np.ndarray, "r"], Float[np.ndarray, "r d"]]], inputs: AnalysisInputs
) -> Mapping[str, Mapping[int, bool]]:
    """Change -> row -> whether the answer differs from the one without the change."""
    wanted = set(table.rows.ravel().tolist())
    turned = {}
    for change, (rows, vectors) in changed.items():
        kept = np.array([row in wanted for row in rows.tolist()], bool)
        changed_answers = asked_of(table.plan, inputs, vectors[kept], inputs.attributes.iloc[rows[kept]])
        turned[change] = dict(zip(rows[kept].tolist(), (changed_answers.answers != table.asked.answers[rows[kept]]).tolist(), strict=True))
    return turned


def _baseline(table: SetTable, turned: Mapping[str, Mapping[int, bool]], settings: Settings) -> HarmlessBaseline | None:
    """How often harmless changes flip answers, in the sets whose images could all be changed."""
    sets = [
        index
        for index in table.sample(MOST_CHANGED, settings.seed)
        if all(r in rows for rows in turned.values() for r in table.rows[index])
    ]
    if not sets or not turned:
        return None
    by_change = {change: np.array([[rows[r] for r in table.rows[index]] for index in sets], bool) for change, rows in turned.items()}
    changed, differing = np.concatenate(list(by_change.values()), axis=1), pairs_differ(table.answers[sets])
    clusters = np.unique(table.clusters[sets], return_inverse=True)[1]
    p = excess_p(differing, changed, clusters, settings.draws, generator(settings.seed, f"{table.name}/excess"))
    rate, trials = float(changed.mean()), np.full(len(sets), changed.shape[1])
    return HarmlessBaseline(
        len(sets),
        Estimate(rate, *share_interval(changed.sum(axis=1), trials, clusters, settings.alpha)),
        tuple(HarmlessChange(name, flips.size, int(flips.sum())) for name, flips in by_change.items()),
        float(differing.mean()) - rate,
        p,
        p,
        None,
    )


# ---- sets ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shifts:
    """Events and scores of the sets of a plan, and their tests."""

    table: SetTable
    settings: Settings

    def members_differ(self) -> MemberDifference | None:
        if len(self.table.plan.members) == 2:
            return None
        events, scores = self.table.events, self.table.scores
        q_p, score_p = (self._permuted(values.astype(float), name) for values, name in ((events, "q"), (scores, "scores")))
        return MemberDifference(cochran_q(events), events.shape[1] - 1, q_p, q_p, score_p, score_p, None)

    def _permuted(self, values: Float[np.ndarray, "s m"], name: str) -> float:
        rng = generator(self.settings.seed, f"{self.table.name}/{name}")
        return permuted_members_p(values, self.table.clusters, self.settings.draws, rng)

    def pairs(self) -> tuple[MemberPair, ...]:
        return tuple(self._pair(i, j) for i, j in combinations(range(len(self.table.plan.members)), 2))

    def _pair(self, i: int, j: int) -> MemberPair:
        table, members = self.table, self.table.plan.members
        first, second = table.events[:, i], table.events[:, j]
        rows = pd.DataFrame({"event_1": first, "event_2": second, "flip": first != second, "cluster": table.clusters})
        net, shift = first.astype(float) - second, table.scores[:, i] - table.scores[:, j]
        mean, low, high = mean_shift(shift, table.clusters, self.settings.alpha)
        net_p, shift_p = (self._flipped(values, f"{members[i]}/{members[j]}/{name}") for values, name in ((net, "net"), (shift, "shift")))
        ends = pair_intervals(rows, self.settings.alpha)[1]
        return MemberPair(
            members[i], members[j], int((net > 0).sum()), int((net < 0).sum()), Estimate(float(net.mean()), *ends), net_p, net_p,
            mean, low, high, shift_p, shift_p, None,
        )  # fmt: skip

    def _flipped(self, values: Float[np.ndarray, "s"], name: str) -> float:
        sums = np.bincount(self.table.clusters, values)
        return sign_flip_p(sums, self.settings.draws, generator(self.settings.seed, f"{self.table.name}/{name}"))


def _found(
    table: SetTable, changed: Mapping[str, tuple[Int[np.ndarray, "r"], Float[np.ndarray, "r d"]]], inputs: AnalysisInputs
) -> CounterfactualSets:
    plan, settings, sets = table.plan, inputs.settings, len(table.rows)
    many = len(np.unique(table.clusters))
    empty = CounterfactualSets(
        plan.question, plan.attribute, plan.members, plan.outcome, plan.cluster, many, sets, table.incomplete,
        _not_judged(inputs.probe, sets, many, settings), draws=settings.draws,
    )  # fmt: skip
    if not sets:
        return empty
    differ = pairs_differ(table.answers)
    shifts = _Shifts(table, settings)

    def share(events: Int[np.ndarray, "s"], trials: int) -> Estimate:
        n = np.full(sets, trials)
        return Estimate(float(events.sum() / n.sum()), *share_interval(events, n, table.clusters, settings.alpha))

    flips = np.asarray(differ.any(axis=1), np.int64)
    return replace(
        empty,
        flips=int(flips.sum()),
        flip_rate=share(flips, 1),
        differing=share(differing_pairs(table.answers), differ.shape[1]),
        harmless=_baseline(table, _turned(table, changed, inputs), settings),
        members_differ=shifts.members_differ(),
        pairs=shifts.pairs(),
    )


def _not_judged(probe: Probe, sets: int, clusters: int, settings: Settings) -> Note | None:
    if probe.weights:
        return Note("sets_of_weights", {"column": probe.weights})
    if sets < settings.min_group_size:
        return Note("sets_few", {"sets": sets, "needed": settings.min_group_size})
    return Note("sets_few_clusters", {"clusters": clusters, "needed": FEWEST_CLUSTERS}) if clusters < FEWEST_CLUSTERS else None


# ---- all tests together --------------------------------------------------------------------------------------------------------------


def _p_values(result: CounterfactualSets) -> Iterator[float]:
    """Yield every p, in the order in which `_decided` consumes them."""
    if result.harmless:
        yield result.harmless.p
    if result.members_differ:
        yield from (result.members_differ.q_p, result.members_differ.score_p)
    for pair in result.pairs:
        yield from (pair.net_p, pair.shift_p)


def _decided(result: CounterfactualSets, adjusted: Iterator[float], alpha: float) -> CounterfactualSets:
    def signal(*p: float) -> Signal:
        return "signal" if min(p) <= alpha else "no signal"

    baseline, members = result.harmless, result.members_differ
    if baseline:
        p = next(adjusted)
        baseline = replace(baseline, p_adjusted=p, verdict=signal(p))
    if members:
        q, score = next(adjusted), next(adjusted)
        members = replace(members, q_p_adjusted=q, score_p_adjusted=score, verdict=signal(q, score))
    pairs = []
    for pair in result.pairs:
        net, shift = next(adjusted), next(adjusted)
        pairs.append(replace(pair, net_p_adjusted=net, shift_p_adjusted=shift, verdict=signal(net, shift)))
    return replace(result, harmless=baseline, members_differ=members, pairs=tuple(pairs))


_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class Asked:
    """The model's answer for each image; empty for images without a question."""

    answers: np.ndarray
    """str[n]."""
    events: Bool[np.ndarray, "n"]
    """Whether the answer counts as the outcome."""
    scores: Float[np.ndarray, "n"]
    """Probability of the outcome."""


@dataclass(frozen=True)
class SetTable:
    """Complete sets, in the order of the levels that identify them."""

    plan: CounterfactualSetsPlan
    rows: Int[np.ndarray, "s m"]
    clusters: Int[np.ndarray, "s"]
    incomplete: int
    asked: Asked

    @property
    def name(self) -> str:
        """Prefix for the names of its random streams."""
        return f"sets/{self.plan.question}/{self.plan.attribute}/{self.plan.outcome}"

    @property
    def answers(self) -> np.ndarray:
        return np.asarray(self.asked.answers[self.rows])

    @property
    def events(self) -> Bool[np.ndarray, "s m"]:
        return np.asarray(self.asked.events[self.rows])

    @property
    def scores(self) -> Float[np.ndarray, "s m"]:
        return np.asarray(self.asked.scores[self.rows])

    def sample(self, images: int, seed: int) -> list[int]:
        """Sets with at most `images` images in total, cluster by cluster in an order that the seed decides; ascending."""
        most = images // len(self.plan.members)
        if len(self.rows) <= most:
            return list(range(len(self.rows)))
        order = generator(seed, "sets/sample").permutation(int(self.clusters.max()) + 1)[self.clusters]
        return sorted(np.argsort(order, kind="stable")[:most].tolist())


def set_table(plan: CounterfactualSetsPlan, inputs: AnalysisInputs) -> SetTable:
    """The sets of a plan; an image that lacks a value of an identifying attribute belongs to no set.

    Raises DataError if two images are the same member of a set, or if the members of a set are in different clusters.
    """
    answered = asked_of(plan, inputs, inputs.images.vectors, inputs.attributes)
    rows = inputs.attributes.reset_index(drop=True)
    named = (rows[list(plan.within)] != UNKNOWN).all(axis=1) & rows[plan.attribute].isin(plan.members) & (answered.answers != "")
    part = rows[named]
    codes = part.groupby(list(plan.within), sort=True).ngroup().to_numpy()
    members = part[plan.attribute].map(plan.members.index).to_numpy(np.int64)
    row_of = np.full((int(codes.max()) + 1 if len(codes) else 0, len(plan.members)), -1)
    row_of[codes, members] = part.index.to_numpy()
    if (repeated := len(part) - int((row_of >= 0).sum())) > 0:
        raise DataError(
            f"{repeated} of {len(part)} images are not the only one of a set with their {plan.attribute}",
            where=f"counterfactual sets {plan.question!r}",
            fix="name in `within` a column that distinguishes them",
        )
    complete = (row_of >= 0).all(axis=1)
    sets = row_of[complete]
    cluster = rows[plan.cluster].to_numpy(object)[sets]
    if (cluster != cluster[:, :1]).any():
        raise DataError(
            f"the members of a set differ in {plan.cluster!r}", where=f"counterfactual sets {plan.question!r}",
            why="a set cannot lie in two clusters", fix=f"name {plan.cluster!r} in `within`",
        )  # fmt: skip
    numbers = np.unique(cluster[:, 0].astype(str), return_inverse=True)[1]
    return SetTable(plan, sets, numbers, int((~complete).sum()), answered)


def asked_of(plan: CounterfactualSetsPlan, inputs: AnalysisInputs, vectors: Float[np.ndarray, "n d"], attributes: pd.DataFrame) -> Asked:
    """The answers for images, from their embeddings."""
    answers, events, scores = np.full(len(attributes), "", object), np.zeros(len(attributes), bool), np.zeros(len(attributes))
    if plan.measurement is not None:
        measurement = next(one for one in inputs.probe.measurements if one.name == plan.measurement)
        # Without a truth every image that is asked is scored: whether the answer is right is another question.
        measurement = replace(measurement, truth=None)
        own = scored_images(measurement, attributes)
        counted = _counted(measurement, plan.outcome, _predicted(measurement, inputs, vectors, attributes))
        answers[own], events[own], scores[own] = counted.answers, counted.events, counted.scores
        return Asked(answers.astype(str), events, scores)
    cases = attributes[plan.case].to_numpy(object)
    for case, choice in plan.choices.items():
        own = cases == case
        if own.any():
            labels = LabelSet("choice", (_FIRST, _SECOND), {_FIRST: choice.first, _SECOND: choice.second})
            measurement = Measurement(plan.question, plan.question, labels, plan.preset, ())
            predictions = _predicted(measurement, inputs, vectors[own], attributes[own])
            answers[own], events[own] = predictions.y_pred, predictions.y_pred == _FIRST
            # For two shares this equals the first; for independent probabilities it is their difference on the same scale.
            scores[own] = (1 + predictions.scores[:, 0].astype(float) - predictions.scores[:, 1]) / 2
    return Asked(answers.astype(str), events, scores)


def _predicted(
    measurement: Measurement, inputs: AnalysisInputs, vectors: Float[np.ndarray, "n d"], attributes: pd.DataFrame
) -> Predictions:
    return predict(measurement, inputs.model.record, vectors, inputs.texts, attributes)


def _counted(measurement: Measurement, outcome: str, predictions: Predictions) -> Asked:
    counted, labels = measurement.outcomes[outcome], measurement.label_set
    by_answer = answer_probabilities(predictions.scores, predictions.labels, predictions.answers, labels)
    own = [index for index, answer in enumerate(predictions.answers) if answer in counted]
    scores = of_any(by_answer[:, own], shares=are_shares(predictions.scores))
    return Asked(predictions.y_pred, np.isin(predictions.y_pred, counted), scores)
