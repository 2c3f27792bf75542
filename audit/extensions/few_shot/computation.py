"""Computes linear probes: how well frozen embeddings and a few labelled images of each class predict labels, by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.analyses.conditions import ConditionsAsked, conditions_record, judged_together
from audit.analyses.gallery import check_attributes
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import FewShotPlan
from audit.analyses.records import Condition, Conditions
from audit.errors import UsageError, nearest
from audit.extensions.few_shot.record import DrawnRate, FewShot, Shots
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import UNKNOWN, Dataset, Note, Predictions, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int


MODELS = ("dual encoder",)


def check(plans: Sequence[FewShotPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the few-shot plans before the model sees an image; raises UsageError."""
    measured = {measurement.name: measurement for measurement in probe.measurements}
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if plan.measurement not in measured:
            what = f"{plan.question!r} learns the answers of {plan.measurement!r}, which is not asked"
            raise UsageError(what, fix=nearest(plan.measurement, measured))
        if measured[plan.measurement].truth is None or measured[plan.measurement].kind != "zero_shot":
            what = f"{plan.question!r} learns the answers of {plan.measurement!r}, which has no single true answer"
            raise UsageError(what, fix="name a zero-shot measurement with a truth")
        if plan.draws < 1 or not all(shot >= 1 for shot in plan.shots) or list(plan.shots) != sorted(set(plan.shots)):
            raise UsageError(f"{plan.question!r}: shots and draws are counts", fix="ascending shots from 1, and a draw at least")
        if plan.unit is not None and plan.unit not in dataset.attributes.columns:
            raise UsageError(f"{plan.question!r} keeps {plan.unit!r} together, which the data do not have", fix="name a column")


def prompts(plan: FewShotPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield nothing: labels are learned from images."""
    yield from ()


def analyse(plans: Sequence[FewShotPlan], inputs: AnalysisInputs) -> tuple[FewShot, ...]:
    """Compute each plan for each attribute; p is adjusted over all shots of all of them together."""
    records = [record for plan in plans for record in _of_plan(plan, inputs)]
    conditions = [record.conditions for record in records if record.conditions]
    judged = iter(judged_together(conditions, inputs.settings.alpha, limited=inputs.dataset.limited))
    return tuple(replace(record, conditions=next(judged)) if record.conditions else record for record in records)


@dataclass(frozen=True)
class _Task:
    """Images with known true answers, their embeddings and units, and the split."""

    plan: FewShotPlan
    baseline: Predictions
    embeddings: Float[np.ndarray, "n d"]
    labels: np.ndarray
    units: Int[np.ndarray, "n"]
    parts: Split


def _task(plan: FewShotPlan, inputs: AnalysisInputs) -> _Task:
    baseline = inputs.predictions[plan.measurement]
    rows = inputs.attributes.index.get_indexer(baseline.attributes.index)
    contents = [inputs.images.contents[row] for row in rows]
    together = [_together(baseline.attributes[name]) for name in dict.fromkeys(filter(None, (inputs.probe.cluster, plan.unit)))]
    units, labels = units_of(contents, *together), np.asarray(baseline.y_true, dtype=str)
    parts = split_units(labels, units, generator(inputs.settings.seed, f"few shot/{plan.question}/split"))
    return _Task(plan, baseline, inputs.images.vectors[rows], labels, units, parts)


def _together(column: pd.Series) -> list[str]:
    """The unit of each image; an image with an unknown value is its own unit."""
    return [f"alone {index}" if value == UNKNOWN else f"in {value}" for index, value in enumerate(column)]


def _of_plan(plan: FewShotPlan, inputs: AnalysisInputs) -> Iterator[FewShot]:
    task = _task(plan, inputs)
    classes = len(np.unique(task.labels[task.parts.train]))
    sizes = len(task.parts.train), len(task.parts.held_out), len(task.parts.test)
    reason = Note("few_shot_classes", {"classes": classes}) if classes < 2 or not sizes[2] else None
    empty = [FewShot(plan.question, plan.measurement, by, classes, *sizes, plan.draws, reason) for by in plan.by]
    if reason:
        yield from empty
        return
    learned = [_learned(task, shots, inputs.settings) for shots in (*plan.shots, None)]
    for record in empty:
        yield replace(
            record,
            shots=tuple(_shots(task, one, record.attribute, inputs) for one in learned),
            conditions=_conditions(task, learned, record.attribute, inputs),
        )


@dataclass(frozen=True)
class _Learned:
    shots: int | None
    strength: float
    images: int
    draws: list[Predictions]


def _learned(task: _Task, shots: int | None, settings: Settings) -> _Learned:
    """Fit on `shots` images of each class, once per draw; C is the same for all draws."""
    rng = generator(settings.seed, f"few shot/{task.plan.question}/{shots}")
    train = task.parts.train
    draws = [train] if shots is None else [train[shots_of(task.labels[train], shots, rng)] for _ in range(task.plan.draws)]
    strength = best_strength(task.embeddings, task.labels, draws, task.parts.held_out)
    return _Learned(shots, strength, len(draws[0]), [_answers(task, rows, strength) for rows in draws])


def _answers(task: _Task, rows: Int[np.ndarray, "s"], strength: float) -> Predictions:
    test = task.parts.test
    y_pred, shares, classes = learned_answers(task.embeddings[rows], task.labels[rows], task.embeddings[test], strength)
    best_two = np.partition(shares, -2, axis=1)[:, -2:]
    return Predictions(
        labels=classes, answers=classes, scores=shares.astype(np.float32), y_pred=y_pred, y_true=task.labels[test],
        attributes=task.baseline.attributes.iloc[test], margin=(best_two[:, 1] - best_two[:, 0]).astype(np.float32), cluster=_cluster(task),
    )  # fmt: skip


def _cluster(task: _Task) -> Int[np.ndarray, "t"] | None:
    units = task.units[task.parts.test]
    return units if len(np.unique(units)) < len(units) else None


def _shots(task: _Task, learned: _Learned, attribute: str, inputs: AnalysisInputs) -> Shots:
    levels, alpha = inputs.dataset.levels[attribute], inputs.settings.alpha
    right = np.stack([draw.y_pred == draw.y_true for draw in learned.draws])
    column = learned.draws[0].attributes[attribute].to_numpy(dtype=str)
    groups = [level for level in dict.fromkeys((*levels, UNKNOWN)) if (column == level).any()]
    labels, counts = np.unique(task.labels[task.parts.train], return_counts=True)
    fewer = [(str(label), int(n)) for label, n in zip(labels, counts, strict=True) if learned.shots is not None and n < learned.shots]
    by_group = tuple(_drawn(level, right[:, column == level], alpha) for level in groups)
    return Shots(learned.shots, learned.strength, learned.images, tuple(fewer), _drawn("all", right, alpha), by_group)


def _drawn(group: str, right: np.ndarray, alpha: float) -> DrawnRate:
    rates = right.mean(axis=1)
    mean, low, high = mean_over_draws(rates, alpha)
    interval = (None, None) if np.isnan(low) else (low, high)
    return DrawnRate(group, right.shape[1], mean, float(rates.min()), float(rates.max()), *interval)


def _conditions(task: _Task, learned: Sequence[_Learned], attribute: str, inputs: AnalysisInputs) -> Conditions:
    test, plan = task.parts.test, task.plan
    baseline = task.baseline
    zero_shot = replace(
        baseline, scores=baseline.scores[test], y_pred=baseline.y_pred[test], y_true=task.labels[test],
        attributes=baseline.attributes.iloc[test], margin=baseline.margin[test], cluster=_cluster(task), weight=None,
    )  # fmt: skip
    named = [(Condition(_name(fitted.shots), "images a class", fitted.shots), fitted.draws[0]) for fitted in learned]
    question = ConditionsAsked(plan.question, "shots", plan.measurement, (attribute,))
    return conditions_record(question, [(Condition("zero-shot"), zero_shot), *named], inputs.dataset.levels, inputs.settings)


def _name(shots: int | None) -> str:
    return "all images" if shots is None else f"{shots} a class"


STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""Candidate values of C, the inverse strength of the L2 penalty; embeddings have length 1, as in CLIP."""
MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Split:
    """Positions of the images in each part."""

    train: Int[np.ndarray, "n"]
    held_out: Int[np.ndarray, "m"]
    """For choosing the regularisation; used neither for training nor for testing."""
    test: Int[np.ndarray, "t"]


def units_of(contents: Sequence[str], *others: Sequence[object]) -> Int[np.ndarray, "n"]:
    """Number images so that those with equal content, or an equal value in any other column, share a number (transitively).

    Examples
    --------
    >>> units_of(["a", "b", "a", "c"], ["x", "y", "z", "y"]).tolist()
    [0, 1, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    columns = [np.unique(np.array([str(value) for value in column]), return_inverse=True)[1] for column in (contents, *others)]
    n = len(contents)
    starts = n + np.cumsum([0, *(int(column.max(initial=-1)) + 1 for column in columns)])
    ends = np.concatenate([start + column for start, column in zip(starts, columns, strict=False)])
    rows = np.tile(np.arange(n), len(columns))
    total = int(starts[-1])
    components = connected_components(coo_array((np.ones(len(rows)), (rows, ends)), shape=(total, total)), directed=False)[1][:n]
    _, first, numbers = np.unique(components, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[numbers])


def split_units(labels: np.ndarray, units: Int[np.ndarray, "n"], rng: np.random.Generator) -> Split:
    """Split the units of each class at random: half to train on, with a fifth of all of that half held out, and the other half to test on.

    Parameters
    ----------
    labels : str[n]
        Class of each image.
    units : int[n]
        Images that stay together; a unit counts towards the class of its first image.
    rng : Generator
        Source of the order.

    Returns
    -------
    Split
        Disjoint in images and in units; every class keeps a unit to train on. A class with only one unit is not tested.
    """
    names, first = np.unique(units, return_index=True)
    side, spare = np.full(len(names), 2), []
    for label in np.unique(labels[first]):
        order = rng.permutation(np.flatnonzero(labels[first] == label))
        learned = order[: -(-len(order) // 2)]
        side[learned] = 0
        spare += learned[1:].tolist()
    # Over all classes together: many have too few units to hold out a fifth by themselves.
    side[rng.permutation(spare)[: int((side == 0).sum()) // 5].astype(int)] = 1
    of_image = side[np.searchsorted(names, units)]
    return Split(*(np.flatnonzero(of_image == part) for part in (0, 1, 2)))


def shots_of(labels: np.ndarray, shots: int, rng: np.random.Generator) -> Int[np.ndarray, "s"]:
    """Positions of `shots` images of each class, drawn without replacement; all images of a class that has fewer.

    Examples
    --------
    >>> labels = np.array(["a", "a", "b", "a"])
    >>> labels[shots_of(labels, 2, np.random.default_rng(0))].tolist()
    ['a', 'b', 'a']
    """
    places = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return np.sort(np.concatenate([rng.permutation(mine)[:shots] for mine in places]))


def learned_answers(
    train: Float[np.ndarray, "n d"], labels: np.ndarray, test: Float[np.ndarray, "t d"], strength: float
) -> tuple[np.ndarray, Float64[np.ndarray, "t c"], tuple[str, ...]]:
    """Predict the classes of `test` with a logistic regression on the normalised embeddings of `train`.

    Parameters
    ----------
    train, test : float[n, d], float[t, d]
        Embeddings; their length does not matter.
    labels : str[n]
        Class of each embedding of `train`; at least two classes.
    strength : float
        C of the L2 penalty.

    Returns
    -------
    answers : str[t]
    probabilities : float[t, c]
        One column per class; the classes are the third item.

    References
    ----------
    Radford et al. 2021, section 3.2 and appendix A.3 (L-BFGS, at most 1,000 iterations, no standardisation), https://arxiv.org/abs/2103.00020

    Examples
    --------
    >>> learned_answers(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array(["a", "b"]), np.array([[5.0, 1.0]]), 100.0)[0].tolist()
    ['a']
    """
    import warnings

    from sklearn.linear_model import LogisticRegression

    near, far = _directions(train), _directions(test)
    if len(near) < near.shape[1]:
        # The penalised optimum lies in the span of the training images, which has fewer dimensions than the embeddings.
        span = np.linalg.qr(near.T)[0]
        near, far = near @ span, far @ span
    with warnings.catch_warnings():
        # Under a weak penalty the optimum is far away, and stopping when answers no longer change is enough. The warning about classes with
        # a single image is expected, too.
        warnings.simplefilter("ignore", UserWarning)
        model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(near, labels)
    shares = np.asarray(model.predict_proba(far), np.float64)
    classes = tuple(map(str, model.classes_))
    return np.array(classes, dtype=str)[shares.argmax(axis=1)], shares, classes


def mean_over_draws(rates: Float[np.ndarray, "b"], alpha: float) -> tuple[float, float, float]:
    """The mean of a rate over draws of the shots, and its interval: Student's t with b - 1 degrees of freedom, clipped to [0, 1].

    The test images are the same in every draw, so the interval shows how much the mean depends on which images were drawn, but nothing
    about other test images. With one draw, or if all draws have one rate, nothing shows that, and both ends are NaN.

    Examples
    --------
    Standard deviation .1, so .1 / √3 for the mean; t with 2 degrees of freedom is 4.303 at 97.5 %: .5 ± .248.

    >>> [round(each, 3) for each in mean_over_draws(np.array([0.4, 0.5, 0.6]), 0.05)]
    [0.5, 0.252, 0.748]
    """
    from scipy.special import stdtrit

    b, mean = len(rates), float(np.mean(rates))
    if b < 2 or np.ptp(rates) == 0:
        return mean, float("nan"), float("nan")
    reach = float(stdtrit(b - 1, 1 - alpha / 2) * np.std(rates, ddof=1) / np.sqrt(b))
    return mean, max(0.0, mean - reach), min(1.0, mean + reach)


def best_strength(
    embeddings: Float[np.ndarray, "n d"], labels: np.ndarray, draws: Sequence[Int[np.ndarray, "s"]], held_out: Int[np.ndarray, "m"]
) -> float:
    """The C whose classifiers predict most held-out images correctly, over all draws; of equals the strongest penalty.

    Without held-out images it is 1.
    """
    if not len(held_out):
        return 1.0
    right = [0.0] * len(STRENGTHS)
    for rows in draws:
        for position, strength in enumerate(STRENGTHS):
            answers = learned_answers(embeddings[rows], labels[rows], embeddings[held_out], strength)[0]
            right[position] += float(np.sum(answers == labels[held_out]))
    return STRENGTHS[int(np.argmax(right))]


def _directions(embeddings: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    values = np.asarray(embeddings, np.float64)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
