"""What a change costs: accuracy before and after, on the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.alternatives import Utility
from audit.errors import UsageError
from audit.evidence import Estimate
from audit.statistics.intervals import agresti_min
from audit.statistics.null import mcnemar_p
from audit.types import UNKNOWN
from audit.whatif.labels import NO_ANSWER

if TYPE_CHECKING:
    from audit.types import Predictions


def utility(before: Predictions, after: Predictions, alpha: float) -> Utility:
    """Accuracy before and after on the images with a true answer; giving no answer is not being right.

    Raises
    ------
    UsageError
        If there is no true answer.
    """
    truth = before.y_true
    if truth is None or after.y_true is None or len(truth) != len(after.y_true):
        raise UsageError(
            "a what-if is not shown without its cost in accuracy", why="there is no true answer", fix="give a measurement that has one"
        )
    known = truth != UNKNOWN
    right = [(answered.y_pred == truth)[known] for answered in (before, after)]
    n, gained, lost = int(known.sum()), int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    given = (after.y_pred != NO_ANSWER)[known]
    low, high = agresti_min(gained, lost, n, alpha)
    return Utility(
        n=n,
        before=float(right[0].sum() / max(n, 1)),
        after=float(right[1].sum() / max(n, 1)),
        change=Estimate((gained - lost) / max(n, 1), low, high),
        p=mcnemar_p(gained, lost),
        answered=float(given.sum() / max(n, 1)),
        among_answered=float(right[1][given].mean()) if given.any() else None,
    )
