"""What somebody wrote in the place of one of several options: which option that is, or what it is instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audit.answers import is_refusal
from audit.types import REFUSAL, UNPARSED, Question

READING = 2
"""Part of the key of what was read from answers, not of what was asked: to be raised whenever the same text would be read otherwise."""
_MARKS = " \t\n\r\"'`*_#-–—:.,;!()[]{}<>“”‘’„«»"
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
"""What a reasoning model writes before it answers."""
_ARTICLES = ("a", "an", "the")
_LEAD = re.compile(r"(?:the |my )?(?:best |correct |final )?(?:answer|option|choice)(?: is|:)?\s+", re.IGNORECASE)


def chosen(question: Question, text: str) -> int | None:
    """Return the place of the option that a text names; None where it names none. Nothing is guessed from a part of the text.

    The text, its first line or its first sentence must be the option, its letter, or both; an article or words that all options begin with
    may stand before it, and quotes or marks around it. What a reasoning model writes first (``<think>…</think>``) is passed over.

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
        forms.setdefault(_plain(option), position)  # what an option is itself goes before what another may be called
    for position, option in enumerate(question.options):
        for form in _forms(question, position, option):
            forms.setdefault(form, position)
    return next((forms[plain] for plain in map(_plain, _parts(_answer(text))) if plain in forms), None)


def in_its_place(text: str, *, refused: bool = False) -> str:
    """Return what a text is that names no option."""
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
    """Return a text without case, outer marks, doubled blanks and the words "the answer is"."""
    plain = " ".join(text.casefold().replace("’", "'").split()).strip(_MARKS)
    return _LEAD.sub("", plain, count=1).strip(_MARKS) if _LEAD.match(plain) else plain
