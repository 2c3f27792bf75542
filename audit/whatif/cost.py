"""What a change costs: accuracy before and after, on the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.errors import UsageError
from audit.records.evidence import Estimate
from audit.records.what_if import Utility
from audit.statistics.paired.joint import change_ends, change_p
from audit.types import UNKNOWN
from audit.whatif.counted import count_together
from audit.whatif.labels import NO_ANSWER

if TYPE_CHECKING:
    from audit.types import Predictions, Settings


def utility(before: Predictions, after: Predictions, settings: Settings, cluster: str | None = None) -> Utility:
    """Accuracy before and after on the images with a true answer; giving no answer is not being right.

    All images of one level of `cluster` count as one; None: images are independent.

    Raises
    ------
    UsageError
        Without a true answer.
    """
    truth = before.y_true
    if truth is None or after.y_true is None or len(truth) != len(after.y_true):
        raise UsageError("a what-if needs its cost in accuracy", why="the true answer is unknown", fix="give a measurement that has one")
    known = truth != UNKNOWN
    right = [(answered.y_pred == truth)[known] for answered in (before, after)]
    joint = count_together(right[0], right[1], before.attributes[known], cluster)
    n = max(int(known.sum()), 1)
    (low,), (high,) = (end.tolist() for end in change_ends(joint, settings.alpha))
    given = (after.y_pred != NO_ANSWER)[known]
    return Utility(
        n=int(known.sum()),
        before=float(right[0].sum() / n),
        after=float(right[1].sum() / n),
        change=Estimate((int(right[1].sum()) - int(right[0].sum())) / n, low, high),
        p=float(change_p(joint, settings)[0]),
        answered=float(given.sum() / n),
        among_answered=float(right[1][given].mean()) if given.any() else None,
    )
