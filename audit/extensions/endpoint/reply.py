"""Parses a free-text reply to a question with options: which option it names, or what it is instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audit.answers import is_refusal
from audit.types import REFUSAL, UNPARSED, Question

READING = 2
"""Part of the key of parsed answers, not of questions: to be increased if the same text would be parsed differently."""
_MARKS = " \t\n\r\"'`*_#-–—:.,;!()[]{}<>“”‘’„«»"
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
"""The reasoning that a model writes before its answer."""
_ARTICLES = ("a", "an", "the")
_LEAD = re.compile(r"(?:the |my )?(?:best |correct |final )?(?:answer|option|choice)(?: is|:)?\s+", re.IGNORECASE)


def chosen(question: Question, text: str) -> int | None:
    """The index of the option that a text names; None if it names none. Parts of a text are not used to guess.

    The text, its first line or its first sentence must be the option, its letter, or both; an article or the words with which all options
    start may precede it, and quotes or marks may surround it. A model's reasoning (``<think>…</think>``) is skipped.

    Examples
    --------
    >>> asked = Question("Who?", ("woman", "man"), stem="a photo of a")
    >>> chosen(asked, "**Man**"), chosen(asked, "A photo of a woman. She smiles."), chosen(asked, "not a woman")
    (1, 0, None)
    >>> chosen(asked, "<think>Short hair.</think> A man."), chosen(Question("Who?", ("woman", "man"), letters=("B", "A")), "A) man")
    (1, 1)
    """
    forms: dict[str, int] = {}
    for position, option in enumerate(question.options):
        forms.setdefault(_plain(option), position)  # an option's own text has priority over alternative names of others
    for position, option in enumerate(question.options):
        for form in _forms(question, position, option):
            forms.setdefault(form, position)
    return next((forms[plain] for plain in map(_plain, _parts(_answer(text))) if plain in forms), None)


def in_its_place(text: str, *, refused: bool = False) -> str:
    """The outcome of a text that names no option."""
    return REFUSAL if refused or is_refusal(_answer(text)) else UNPARSED


def _answer(text: str) -> str:
    return _THOUGHT.sub("", text, count=1)


def _forms(question: Question, position: int, option: str) -> Iterator[str]:
    yield from (f"{article} {_plain(option)}" for article in _ARTICLES)
    if question.stem:
        yield _plain(f"{question.stem} {option}")
    if question.letters:
        letter = question.letters[position]
        yield _plain(letter)
        yield from (_plain(f"{letter}{mark} {option}") for mark in (".", ")", ":"))


def _parts(text: str) -> Iterator[str]:
    yield text
    yield text.strip().partition("\n")[0]
    yield text.strip().partition(". ")[0]


def _plain(text: str) -> str:
    """A text without case, outer marks, repeated spaces and the words "the answer is"."""
    plain = " ".join(text.casefold().replace("’", "'").split()).strip(_MARKS)
    return _LEAD.sub("", plain, count=1).strip(_MARKS) if _LEAD.match(plain) else plain
