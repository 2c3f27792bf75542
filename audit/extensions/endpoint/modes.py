"""Turns a question into requests, and their answers into a row of numbers; one way per mode.

Nats. A label that a server does not list has an upper bound; options without any information have `FLOOR`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.errors import DataError
from audit.extensions.endpoint.answer_log import Answer
from audit.extensions.endpoint.reply import chosen, in_its_place
from audit.types import Question

if TYPE_CHECKING:
    from jaxtyping import Float64

FLOOR = -50.0
"""For options other than the answer, if only the answer is known."""
ANSWER_TOKENS = 16
"""Extra tokens for an answer beyond the words of the longest option."""
SCHEMA_KEY = "answer"
_BLANKS = "▁Ġ \t\n"
_LETTER_ENDS = ".):"
Body = Mapping[str, Any]


class Read(NamedTuple):
    """A question with its answer."""

    row: Float64[np.ndarray, "w"]
    """One number per option and outcome."""
    outcome: str
    """The option that was chosen, or the outcome instead of one."""
    bounded: int = 0
    """How many of the options' numbers are upper bounds."""


def requests(mode: str, question: Question, top: int = 20) -> list[Body]:
    """The additions of a mode to the request for a question: one request, or one per option."""
    room = {"tokens": ANSWER_TOKENS + max(map(len, question.options), default=0) // 2}
    if mode == "likelihood":
        reading = {"prompt_logprobs": 0, "add_generation_prompt": False, "continue_final_message": True}
        return [{"tokens": 1, "said": option, **reading} for option in question.options]
    if mode == "letter" and question.letters:
        return [{"tokens": ANSWER_TOKENS, "logprobs": True, "top_logprobs": top}]
    if mode == "schema":
        answers = {"type": "string", "enum": list(dict.fromkeys(question.options))}
        schema = {"type": "object", "properties": {SCHEMA_KEY: answers}, "required": [SCHEMA_KEY], "additionalProperties": False}
        form = {"type": "json_schema", "json_schema": {"name": SCHEMA_KEY, "strict": True, "schema": schema}}
        return [{**room, "response_format": form}]
    return [room]


def read(mode: str, question: Question, answers: Sequence[Answer]) -> Read:
    """The row of a question; raises DataError if the server no longer sends what the mode needs."""
    if mode == "likelihood":
        row = np.array([option_likelihood(*option_and_answer) for option_and_answer in zip(question.options, answers, strict=True)])
        return Read(np.append(row, np.full(len(question.outcomes), FLOOR)), question.options[int(row.argmax())])
    answer = answers[0]
    text = _from_json(answer.text) if mode == "schema" else answer.text
    choice = None if answer.refused else chosen(question, text)
    if choice is None:
        return _instead(question, in_its_place(text, refused=answer.refused))
    if mode == "letter" and question.letters and answer.top:
        row, bounded = letter_chances(question, answer.top)
        row[choice] = row.max()  # it was written; spellings of another letter may together be more likely, but none alone
        return Read(np.append(row, np.full(len(question.outcomes), FLOOR)), question.options[choice], bounded)
    return _instead(question, question.options[choice], choice)


def option_likelihood(option: str, answer: Answer) -> float:
    """The mean log-likelihood of an option's tokens, the last ones of the prompt; raises DataError if they are missing.

    Examples
    --------
    >>> option_likelihood("a man", Answer(prompt=((">", -9.0), ("a", -1.0), (" man", -3.0))))
    -2.0
    """
    written = ""
    likelihoods: list[float] = []
    for token, value in reversed(answer.prompt):
        if written.strip() == option:
            break
        written, likelihoods = token.replace("▁", " ").replace("Ġ", " ") + written, [*likelihoods, value]
    if written.strip() != option or not likelihoods:
        why = f"its tokens end in {written[-80:]!r}" if written else "it gives no log-probabilities of what is sent to it"
        raise DataError(f"the server gives no likelihood of the option {option!r}", why=why, fix="another --answer-mode")
    return math.fsum(likelihoods) / len(likelihoods)


def letter_chances(question: Question, top: Sequence[tuple[str, float]]) -> tuple[Float64[np.ndarray, "k"], int]:
    """The log-probability of each option's letter, and how many are upper bounds.

    A letter that is not listed has at most the probability of the least likely listed token, and at most the remaining probability.

    Examples
    --------
    >>> asked = Question("Who?", ("woman", "man", "unclear"), letters=("A", "B", "C"))
    >>> row, bounded = letter_chances(asked, [("A", np.log(0.75)), ("B", np.log(0.15)), (" B", np.log(0.05))])
    >>> np.exp(row).round(2).tolist(), bounded
    ([0.75, 0.2, 0.05], 1)
    """
    listed: dict[str, list[float]] = {}
    for token, value in top:
        listed.setdefault(token.strip(_BLANKS).rstrip(_LETTER_ENDS).upper(), []).append(value)
    left = 1 - math.fsum(math.exp(value) for _, value in top)
    bound = min(*(value for _, value in top), math.log(left) if left > 0 else FLOOR)
    row = [np.logaddexp.reduce(listed[letter]) if letter in listed else bound for letter in question.letters]
    return np.maximum(np.array(row, float), FLOOR), sum(letter not in listed for letter in question.letters)


def _instead(question: Question, outcome: str, choice: int | None = None) -> Read:
    """The row of an answer about which nothing else is known."""
    row = np.full(question.width, FLOOR)
    row[len(question.options) + question.outcomes.index(outcome) if choice is None else choice] = 0.0
    return Read(row, outcome)


def _from_json(text: str) -> str:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    answer = content.get(SCHEMA_KEY) if isinstance(content, dict) else None
    return answer if isinstance(answer, str) else text
