"""The labels of an image classifier, and the logits behind its probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.errors import DataError
from audit.types import Group, Note

if TYPE_CHECKING:
    from jaxtyping import Float

MOST_LABELS, LONGEST_LABEL = 50_000, 500
"""Maximum number of labels (ImageNet-21k has 21,843), and of characters of one."""
Scores = Literal["softmax", "sigmoid", "probabilities", "independent"]
"""What a classifier returns: logits for a softmax or a sigmoid, or their results."""


def named_labels(names: Sequence[object], where: str) -> tuple[Group, tuple[Note, ...]]:
    """The labels by position, and notes about them; equal names get their position (two labels of ImageNet are called "crane").

    Raises DataError for labels that are missing, too many or too long.

    Examples
    --------
    >>> named_labels(["crane", "dog", "crane"], "a file")[0]
    ('crane (0)', 'dog', 'crane (2)')
    """
    texts = [" ".join(str(name).split()) for name in names]
    if not 1 <= len(texts) <= MOST_LABELS:
        raise DataError(f"a classifier with {len(texts):,} labels", where=where, why=f"1 to {MOST_LABELS:,} are expected")
    if bad := next((position for position, text in enumerate(texts) if not 0 < len(text) <= LONGEST_LABEL), None):
        raise DataError(f"label {bad} has {len(texts[bad]):,} characters", where=where, why=f"1 to {LONGEST_LABEL} are expected")
    often = Counter(texts)
    labels = tuple(f"{text} ({position})" if often[text] > 1 else text for position, text in enumerate(texts))
    notes = []
    if several := [text for text, count in often.items() if count > 1]:
        notes.append(Note("labels_told_apart", {"labels": tuple(several[:10]), "count": len(several)}))
    if all(text == f"LABEL_{position}" for position, text in enumerate(texts)):
        notes.append(Note("labels_unnamed", {"count": len(texts)}))
    if len(labels) == 1:
        labels = (labels[0], f"not {labels[0]}")
        notes.append(Note("single_label", {"label": labels[0], "other": labels[1]}))
    return labels, tuple(notes)


def logits_from(rows: Float[np.ndarray, "n k"], scores: Scores) -> Float[np.ndarray, "n k"]:
    """Logits whose softmax, or sigmoid, gives the same probabilities; a single label gets its complement.

    Probabilities of 0 and 1 become the smallest and largest that float32 can represent.

    Examples
    --------
    >>> (
    ...     logits_from(np.array([[0.25, 0.75]]), "probabilities").astype(float).round(3).tolist(),
    ...     logits_from(np.array([[2.0]]), "sigmoid").tolist(),
    ... )
    ([[-1.386, -0.288]], [[2.0, -2.0]])
    """
    logits = np.asarray(rows, np.float64)
    if scores == "probabilities":
        logits = np.log(np.maximum(logits, np.finfo(np.float32).tiny))
    elif scores == "independent":
        logits = np.clip(logits, np.finfo(np.float32).tiny, 1 - np.finfo(np.float32).epsneg)
        logits = np.log(logits) - np.log1p(-logits)
    if logits.shape[1] == 1:
        logits = np.concatenate([logits, -logits], axis=1)
    return logits.astype(np.float32)


def score_rule(scores: Scores, labels: int) -> Literal["softmax", "sigmoid"]:
    """How logits become probabilities; a single label has a probability of its own."""
    return "sigmoid" if labels == 1 or scores in ("sigmoid", "independent") else "softmax"
