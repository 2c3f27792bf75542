"""Maps the labels of a label set to answers: which labels mean an answer, its probability, which answers count as none. NumPy only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.types import Group, LabelSet

if TYPE_CHECKING:
    from jaxtyping import Float


REFUSALS = (
    "i can't", "i cannot", "i'm unable", "i am unable", "i am not able", "i'm not able", "i won't", "i will not", "i'm sorry", "i am sorry",
    "as an ai language model", "as an ai assistant", "i must decline", "i have to decline", "i decline to", "i don't feel comfortable",
    "i do not feel comfortable", "i'm not comfortable", "i am not comfortable", "it is not appropriate to", "it's not appropriate to",
    "it is inappropriate to", "it would be inappropriate to", "it would not be appropriate to", "violates my guidelines",
    "against my guidelines", "as an ai i do not", "as an ai, i do not", "as an ai i don't", "as an ai, i don't",
)  # fmt: skip
"""A text that contains one of these phrases is a refusal; our own list, English only."""
_REFUSED = re.compile(rf"\b(?:{'|'.join(map(re.escape, REFUSALS))})\b")


def answers_of(label_set: LabelSet) -> Group:
    """The possible answers in declared order."""
    return tuple(dict.fromkeys(label_set.answers.get(label, label) for label in label_set.labels))


def are_shares(scores: Float[np.ndarray, "n k"]) -> bool:
    """Whether the probabilities of an image's labels sum to one (softmax), and are not a probability of each label by itself (sigmoid)."""
    return bool(np.allclose(scores.sum(axis=1, dtype=float), 1.0, atol=1e-3))


def of_any(scores: Float[np.ndarray, "n m"], *, shares: bool) -> Float[np.ndarray, "n"]:
    """The probability that at least one of several labels applies.

    Shares are mutually exclusive, and are summed. Independent probabilities are not, and their sum may exceed 1: at least one label applies
    with ``1 - (1 - p_1) (1 - p_2) ...`` (noisy-or; Pearl 1988). If all are small, this is nearly their sum.

    Examples
    --------
    >>> of_any(np.array([[0.5, 0.25]]), shares=True).tolist(), of_any(np.array([[0.5, 0.75]]), shares=False).tolist()
    ([0.75], [0.875])
    """
    double = np.asarray(scores, float)
    if shares:
        return np.asarray(double.sum(axis=1))
    # In logarithms: in 1 - p, a probability below 1e-16 would vanish.
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(np.log1p(-double).sum(axis=1)))


def answer_probabilities(
    scores: Float[np.ndarray, "n k"], labels: Sequence[str], answers: Sequence[str], label_set: LabelSet, *, shares: bool | None = None
) -> Float[np.ndarray, "n a"]:
    """The probability of every answer: that of its best label, or of any of its labels, depending on how the label set combines them.

    `shares`: whether scores sum to one; None: the result of `are_shares`. Softmax probabilities depend on the label set and on the
    logit scale of the model: print both with any number made from them.
    """
    answer_of = [label_set.answers.get(label, label) for label in labels]
    shares = are_shares(scores) if shares is None else shares
    probabilities = np.zeros((len(scores), len(answers)))
    for position, wanted in enumerate(answers):
        columns = [k for k, answer in enumerate(answer_of) if answer == wanted]
        if columns:  # a true answer without a label can never be predicted
            own = scores[:, columns].astype(float)
            probabilities[:, position] = of_any(own, shares=shares) if label_set.combine == "sum" else own.max(axis=1)
    return probabilities


def is_refusal(text: str) -> bool:
    """Whether a text is a refusal to answer, by a list of phrases (`REFUSALS`).

    Examples
    --------
    >>> is_refusal("I'm sorry, but no."), is_refusal("It is not appropriate to label people."), is_refusal("A man who cannot swim.")
    (True, True, False)
    """
    return _REFUSED.search(text.casefold().replace("’", "'")) is not None
