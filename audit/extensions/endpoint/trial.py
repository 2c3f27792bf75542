"""Determines which mode a server supports: probed with two synthetic images before the first image is sent, never assumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from PIL import Image

from audit.errors import DataError
from audit.extensions.endpoint.answer_log import Answer
from audit.extensions.endpoint.complaints import RefusedError, final
from audit.extensions.endpoint.image_payload import Picture
from audit.extensions.endpoint.modes import Body, option_likelihood, requests
from audit.extensions.endpoint.settings import AUTO, MODES
from audit.types import Note, Question

QUESTION = Question("Is this picture mostly A. light or B. dark? Reply with the letter only.", ("light", "dark"), letters=("A", "B"))
TOPS = (20, 5)
"""How many likely tokens to request: no service returns more than 20, some fewer."""
_ROOM = re.compile(r"max_(completion_)?tokens")


@dataclass(frozen=True)
class Terms:
    """A server's capabilities."""

    mode: str = "text"
    room: str = "max_tokens"
    """Its name of the parameter for the maximum number of tokens."""
    temperature: bool = True
    """Whether it accepts a temperature of 0."""
    top: int = TOPS[0]
    notes: tuple[Note, ...] = ()
    """Why no more informative mode was chosen."""


Try = Callable[[Terms, Picture, Question, Body], Answer | RefusedError]


def trial_pictures() -> tuple[Picture, Picture]:
    """Two synthetic images, colour gradients in both directions, light and dark."""
    rows, columns = np.mgrid[0:112, 0:112]
    colours = np.stack([rows, columns, (rows + columns) // 2], axis=2)
    return Picture(Image.fromarray((143 + colours).astype(np.uint8))), Picture(Image.fromarray(colours.astype(np.uint8)))


def choose_terms(wanted: str, send: Try) -> Terms:
    """The first mode that works, or the requested one; raises DataError if that does not work, or the model accepts no question at all.

    Problems with key, model or address are raised by the first request, which asks only for text.
    """
    terms = _plain_terms(send)
    reasons: list[Note] = []
    for mode in MODES if wanted == AUTO else (wanted,):
        outcome = _TRIALS[mode](replace(terms, mode=mode), send)
        if isinstance(outcome, Terms):
            return replace(outcome, notes=(*terms.notes, *reasons))
        if wanted != AUTO:
            what = f"the server does not serve the mode {mode!r}"
            raise DataError(what, where="--answer-mode", why=outcome, fix="leave --answer-mode out, or give another")
        reasons.append(Note("mode_not_served", {"mode": mode, "why": outcome}))
    raise AssertionError("text is always served")


def _plain_terms(send: Try) -> Terms:
    """Ask for text, without the parameters that the server rejects by name."""
    terms = Terms()
    while True:
        answer = send(terms, trial_pictures()[0], QUESTION, requests("text", QUESTION)[0])
        if not isinstance(answer, RefusedError):
            return terms
        if terms.room == "max_tokens" and _ROOM.search(answer.why):
            terms = replace(terms, room="max_completion_tokens")
        elif terms.temperature and "temperature" in answer.why:
            terms = replace(terms, temperature=False, notes=(*terms.notes, Note("no_temperature")))
        else:
            raise final(answer)


def _try_likelihood(terms: Terms, send: Try) -> Terms | str:
    """Check that likelihoods are returned and depend on the image: some servers compute them for the prompt without it."""
    body = requests("likelihood", QUESTION)[0]
    values = []
    for picture in trial_pictures():
        answer = send(terms, picture, QUESTION, body)
        if isinstance(answer, RefusedError):
            return answer.why
        try:
            values.append(option_likelihood(QUESTION.options[0], answer))
        except DataError as error:
            return str(error.why)
    return terms if values[0] != values[1] else "two different images gave one likelihood"


def _try_letter(terms: Terms, send: Try) -> Terms | str:
    why = ""
    for top in TOPS:
        answer = send(replace(terms, top=top), trial_pictures()[0], QUESTION, requests("letter", QUESTION, top)[0])
        if isinstance(answer, Answer):
            return replace(terms, top=top) if answer.top else "it lists no likely tokens"
        why = answer.why
    return why


def _try_schema(terms: Terms, send: Try) -> Terms | str:
    answer = send(terms, trial_pictures()[0], QUESTION, requests("schema", QUESTION)[0])
    if isinstance(answer, RefusedError):
        return answer.why
    return terms if answer.text.lstrip().startswith("{") else "it does not answer by the schema"


def _try_text(terms: Terms, send: Try) -> Terms | str:
    return terms


_TRIALS: Mapping[str, Callable[[Terms, Try], Terms | str]] = MappingProxyType(
    {"likelihood": _try_likelihood, "letter": _try_letter, "schema": _try_schema, "text": _try_text}
)
