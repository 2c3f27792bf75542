"""Linear probes on frozen embeddings: a logistic regression learns the labels of a few images, or of many, and answers for others.

Images are split into a half to learn from and a half to test on; a part of the first is held out to choose the regularisation. What belongs
together (equal pictures, those of one person or scene) stays on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""Values of C, the inverse strength of the L2 penalty, of which one is chosen; embeddings have length 1, as in CLIP."""
MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Split:
    """Places of images."""

    train: Int[np.ndarray, "n"]
    held_out: Int[np.ndarray, "m"]
    """To choose the regularisation by; neither learned from nor tested on."""
    test: Int[np.ndarray, "t"]


def units_of(contents: Sequence[str], *others: Sequence[object]) -> Int[np.ndarray, "n"]:
    """Number images so that those with equal content, or an equal value in any other column, have one number (and so on, along chains).

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
    """Return a random half of the units of each class to learn from, a fifth of all of it held out, and the other half to test on.

    Parameters
    ----------
    labels : str[n]
        Class of each image.
    units : int[n]
        What stays together; a unit counts towards the class of its first image.
    rng : Generator
        Source of the order.

    Returns
    -------
    Split
        Disjoint in images and in units; every class keeps a unit to learn from. Of a class of one unit nothing is tested.
    """
    names, first = np.unique(units, return_index=True)
    side, spare = np.full(len(names), 2), []
    for label in np.unique(labels[first]):
        order = rng.permutation(np.flatnonzero(labels[first] == label))
        learned = order[: -(-len(order) // 2)]
        side[learned] = 0
        spare += learned[1:].tolist()
    # Over all classes together: many have too few units to hold out a fifth of their own.
    side[rng.permutation(spare)[: int((side == 0).sum()) // 5].astype(int)] = 1
    of_image = side[np.searchsorted(names, units)]
    return Split(*(np.flatnonzero(of_image == part) for part in (0, 1, 2)))


def shots_of(labels: np.ndarray, shots: int, rng: np.random.Generator) -> Int[np.ndarray, "s"]:
    """Return the places of `shots` images of each class, drawn without replacement; all images of a class that has fewer.

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
    """Answer for `test` with a logistic regression on the normalised embeddings of `train`.

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
        Of the classes, which come third.

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
        # The penalised optimum lies in the span of the images, whose coordinates are fewer than theirs.
        span = np.linalg.qr(near.T)[0]
        near, far = near @ span, far @ span
    with warnings.catch_warnings():
        # Where a weak penalty has its optimum far away, it stops once answers no longer change; one image a class is what is asked.
        warnings.simplefilter("ignore", UserWarning)
        model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(near, labels)
    shares = np.asarray(model.predict_proba(far), np.float64)
    classes = tuple(map(str, model.classes_))
    return np.array(classes, dtype=str)[shares.argmax(axis=1)], shares, classes


def mean_over_draws(rates: Float[np.ndarray, "b"], alpha: float) -> tuple[float, float, float]:
    """Return the mean of a rate over draws of the shots, and its interval: Student's t with b - 1 degrees of freedom, within 0 and 1.

    The test images are the same in every draw, so it says how far the mean depends on which images were drawn, and nothing of other test
    images. NaN for both ends of one draw.

    Examples
    --------
    Standard deviation .1, of the mean .1 / √3; t of 2 degrees of freedom is 4.303 at 97.5 %: .5 ± .248.

    >>> [round(each, 3) for each in mean_over_draws(np.array([0.4, 0.5, 0.6]), 0.05)]
    [0.5, 0.252, 0.748]
    """
    from scipy.special import stdtrit

    b, mean = len(rates), float(np.mean(rates))
    if b < 2:
        return mean, float("nan"), float("nan")
    reach = float(stdtrit(b - 1, 1 - alpha / 2) * np.std(rates, ddof=1) / np.sqrt(b))
    return mean, max(0.0, mean - reach), min(1.0, mean + reach)


def best_strength(
    embeddings: Float[np.ndarray, "n d"], labels: np.ndarray, draws: Sequence[Int[np.ndarray, "s"]], held_out: Int[np.ndarray, "m"]
) -> float:
    """Return the C whose probes answer most of the held-out images right, over all draws; of equals the strongest penalty.

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
