"""A label set as a question for a generative model, and the likelihoods of its options as answers. NumPy only.

Every label is an option, and "unclear" is another one. Words with which all prompts start ("a photo of") go into the question: as part of
the options they would raise the model's certainty, more so the longer the prompt, and "unclear" would lack them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import UsageError
from audit.measure.zero_shot import predict_from_scores, scored_images, softmax
from audit.types import SAME_ANSWER, UNCLEAR, LabelSet, Manner, Measurement, Predictions, Question

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float

OTHER = "another answer"
PLAIN = Manner()
"""For a model whose likelihoods are read."""
DESCRIBE = "describes this image"
COMPLETE = 'completes "{words} …" for this image'
INSTRUCTIONS = {
    "which": "Which of these options best {task}? Reply with one option, word for word.",
    "choose": "Look at the image. Choose the option that {task} best, and write that option only.",
}
"""Version 1, our own words; the first is the default. ``{task}`` is `DESCRIBE`, or `COMPLETE` if all options start alike."""
REPLY = "Reply with one option, word for word."
"""Appended to a question that a row of the data provides."""
LETTER_REPLIES = {REPLY: "Reply with the letter of one option only.", "and write that option only": "and write its letter only"}
"""Replacements for these words if options have letters."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def with_unclear(label_set: LabelSet) -> LabelSet:
    """Add "unclear" as the last option of a label set, unless it has such a label already."""
    if UNCLEAR in label_set.labels:
        return label_set
    return replace(label_set, labels=(*label_set.labels, UNCLEAR), prompts={**label_set.prompts, UNCLEAR: (UNCLEAR,)})


def with_outcomes(label_set: LabelSet, outcomes: Sequence[str]) -> LabelSet:
    """Add the possible outcomes other than an answer to a label set: labels without a prompt, since they are not offered."""
    if taken := [outcome for outcome in outcomes if outcome in label_set.labels]:
        what = f"label set {label_set.name!r} has a label {taken[0]!r}, which a model behind an endpoint may do in the place of an answer"
        raise UsageError(what, fix="call the label otherwise")
    return replace(label_set, labels=(*label_set.labels, *outcomes), prompts={**label_set.prompts, **dict.fromkeys(outcomes, ())})


def shared_words(texts: Sequence[str]) -> str:
    """The words with which all texts start; each text keeps at least one word of its own.

    Examples
    --------
    >>> shared_words(["a photo of a man", "a photo of an animal"])
    'a photo of'
    >>> shared_words(["a man", "a man in a suit"])
    'a'
    """
    columns = zip(*(text.split(" ")[:-1] for text in texts), strict=False)
    return " ".join(words[0] for words in takewhile(lambda words: len(set(words)) == 1, columns))


def build_question(
    label_set: LabelSet, *, instruction: str = "which", seed: int | None = None, question: str | None = None, manner: Manner = PLAIN
) -> Question:
    """The question for a label set; its `options` are in the order of the labels, regardless of the order in which they are shown.

    If a label has several prompts, the first is its option. A row's own `question` replaces the instruction, and its
    options are used unchanged. With a seed the options are shuffled, once for all images; equal seeds and labels
    give the same order, in which the first option is not first and the last not last: a model that always takes either end then changes its
    answer. `manner` shows them with letters, if there are enough, and adds the possible outcomes other than an answer.

    Examples
    --------
    >>> asked = build_question(LabelSet("who", ("Female", "Male"), {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)}))
    >>> print(asked.text)
    Which of these options best completes "a photo of a …" for this image? Reply with one option, word for word.
    - woman
    - man
    >>> asked.options
    ('woman', 'man')
    """
    texts = {label: label_set.prompts[label][0] for label in label_set.labels}
    # "unclear" is not a prompt of the label set: it is ignored when common first words are determined.
    prompts = [text for label, text in texts.items() if label != UNCLEAR]
    shared = shared_words(prompts or [""]) if question is None else ""
    options = tuple(text if label == UNCLEAR else text[len(shared) :].removeprefix(" ") for label, text in texts.items())
    task = COMPLETE.replace("{words}", shared) if shared else DESCRIBE
    order = _order(options, seed)
    heading = INSTRUCTIONS[instruction].replace("{task}", task) if question is None else f"{question} {REPLY}"
    if not manner.letters or len(options) > len(LETTERS):
        return Question("\n".join([heading, *(f"- {options[i]}" for i in order)]), options, outcomes=manner.outcomes, stem=shared)
    for words, otherwise in LETTER_REPLIES.items():
        heading = heading.replace(words, otherwise)
    lines = [f"{letter}. {options[i]}" for letter, i in zip(LETTERS, order, strict=False)]
    letters = tuple(LETTERS[order.index(i)] for i in range(len(options)))
    return Question("\n".join([heading, *lines]), options, letters, manner.outcomes, shared)


def predict(measurement: Measurement, log_likelihoods: Float[np.ndarray, "n k"], attributes: pd.DataFrame) -> Predictions:
    """Turn likelihoods (nats per token) into answers: the option with the highest mean is the answer.

    Scores are the softmax over the options: they rank the options, but are not calibrated probabilities.
    """
    known = scored_images(measurement, attributes)
    logits = log_likelihoods[known].astype(np.float64)
    return predict_from_scores(measurement, logits, softmax(logits), attributes[known])


def agreement(fixed: Predictions, *others: Predictions) -> Predictions:
    """Predictions that say whether each image gets the same answer in all ways to ask a question."""
    same = np.logical_and.reduce([fixed.y_pred == other.y_pred for other in others])
    return Predictions(
        labels=(SAME_ANSWER, OTHER),
        answers=(SAME_ANSWER, OTHER),
        scores=np.stack([same, ~same], axis=1).astype(np.float32),
        y_pred=np.where(same, SAME_ANSWER, OTHER),
        y_true=None,
        attributes=fixed.attributes,
        margin=np.ones(len(same), dtype=np.float32),
    )


def with_options(label_set: LabelSet, question: Question) -> LabelSet:
    """A label set whose prompts are the options to score, plus the possible outcomes other than an answer."""
    offered = replace(label_set, prompts={label: (words,) for label, words in zip(label_set.labels, question.options, strict=True)})
    return with_outcomes(offered, question.outcomes)


def _order(options: Sequence[str], seed: int | None) -> list[int]:
    order = declared = list(range(len(options)))
    if seed is None or len(options) < 2:
        return declared
    digest = hashlib.sha256("\0".join(options).encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    while order[0] == 0 or order[-1] == len(options) - 1:
        order = rng.permutation(len(options)).tolist()
    return order
