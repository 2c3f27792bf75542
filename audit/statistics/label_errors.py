"""How many true labels would have to be wrong in one group, more than in another, to explain an observed difference."""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-9


def unequal_errors(wrong: tuple[int, int], n: tuple[int, int], tolerance: float, *, leaves: bool) -> int | None:
    """Fewest true labels of the first group that, if wrong, reduce its excess of wrong answers over the other to at most `tolerance`.

    Parameters
    ----------
    wrong, n : (int, int)
        Wrong answers, and images that count, of the group with the larger share of wrong answers and of the other.
    tolerance : float
        Difference that would not matter, 0 to 1.
    leaves : bool
        Whether an image whose label is corrected no longer counts: a missed positive, if mislabelled, was not a positive.

    Returns
    -------
    int | None
        None if the difference is already within the tolerance.

    Notes
    -----
    It is unknown which labels are wrong, so the case most favourable to the model is assumed: every wrong label is on an image whose answer
    disagrees with it and is right, and all labels of the other group are right. Any other labels explain less of the difference: a wrong
    label that agrees with the answer flatters the model. So the number divided by n is the *smallest* difference of the two error rates
    that can explain it. With x corrected labels the share of wrong answers is ``(w - x) / n``, or ``(w - x) / (n - x)`` if they leave; for
    accuracy x / n is the gap minus the tolerance, in whole images, and wrong labels of both groups shift both shares alike: only the
    difference of the error rates matters.

    Examples
    --------
    Wrong in 20 of 100 and in 7 of 100, tolerance 5 points: 8 labels leave 12 of 100. If they no longer count, 10 leave 10 of 90.

    >>> unequal_errors((20, 7), (100, 100), 0.05, leaves=False), unequal_errors((20, 7), (100, 100), 0.05, leaves=True)
    (8, 10)
    """
    x = np.arange(wrong[0] + 1)
    left = (wrong[0] - x) / np.maximum(n[0] - x * leaves, 1)
    within_tolerance = left - wrong[1] / n[1] <= tolerance + _ROUNDING
    first = int(within_tolerance.argmax())
    return first if first > 0 else None


def flattering_errors(wrong: tuple[int, int], n: tuple[int, int], tolerance: float, *, leaves: bool) -> int | None:
    """Fewest true labels of the second group that, if wrong, reduce the first's excess of wrong answers to at most `tolerance`.

    As in `unequal_errors`, but each agrees with its answer. None if not even all of these are enough.

    Examples
    --------
    >>> flattering_errors((20, 7), (100, 100), 0.05, leaves=False), flattering_errors((20, 7), (100, 100), 0.05, leaves=True)
    (8, 54)
    """
    y = np.arange(n[1] - wrong[1] + 1)
    other = (wrong[1] + y * (not leaves)) / np.maximum(n[1] - y * leaves, 1)
    enough = wrong[0] / n[0] - other <= tolerance + _ROUNDING
    return int(enough.argmax()) if enough.any() else None


def independent_errors(worst: float, other: float, tolerance: float, answers: int) -> float | None:
    """Difference of label error rates that explains a difference of accuracy if label errors are independent of the answers.

    With true accuracy t and error rate e, answers agree with the labels in ``a = t (1 - e) + (1 - t) e / (K - 1)``: a wrong label is each
    of the other K - 1 answers with equal probability, one of which may be the wrong answer. If the other group's labels are right, t of the
    worst must be ``p = other - tolerance``, so ``e = (p - a) / (p K / (K - 1) - 1 / (K - 1))``.

    Returns
    -------
    float | None
        None if no error rate below that of random labels explains it, for example because p is no better than guessing.

    Examples
    --------
    Two answers, .8 against .95: true accuracy .9 shows as .9 (1 - e) + .1 e = .8 at e = .125.

    >>> round(independent_errors(0.8, 0.95, 0.05, 2), 4), independent_errors(0.3, 0.54, 0.05, 2)
    (0.125, None)
    """
    target, others = other - tolerance, max(answers - 1, 1)
    slope = target * (others + 1) / others - 1 / others
    rate = (target - worst) / slope if slope > 0 else np.inf
    return float(rate) if rate < others / (others + 1) else None
