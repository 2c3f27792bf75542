"""The text around a question for a model, from its own chat template if it has one.

A chat template is a Jinja program from the model's author. It is rendered once, when the model is loaded, with a marker instead of the
question, by `strictio.templates.run`: in a process with limits, which gets the template, a chat with one question and the special tokens.
It never sees a label, an image, the model or the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import DataError, UnsafeError
from audit.types import Note
from strictio.templates.run import REPAIR, run_template

MARK = "QUESTION7f3a"
"""Marker for the question while the template is rendered."""
MAX_TEMPLATE, MAX_FRAME = 200_000, 20_000
"""In characters."""


@dataclass(frozen=True)
class Frame:
    """The text before and after a question, including the image's placeholder."""

    before: str
    after: str
    own: bool
    """Whether the text is this project's, because the model has no chat template."""
    notes: tuple[Note, ...] = ()

    def around(self, question: str) -> str:
        return f"{self.before}{question}{self.after}"


def frames(processor: Any, where: str, plain: Sequence[str] = ()) -> tuple[Frame, ...]:
    """The frame of a model; without a chat template, those to try: `plain`, or else with and without a placeholder.

    `where` names the folder in errors. Raises DataError if the template fails, drops the question or the image, or repeats the question;
    UnsafeError if it exceeds a limit of time, memory, length or arithmetic.
    """
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    # The text that represents the image, or "" if the processor needs none.
    placeholder = str(getattr(processor, "boi_token", None) or getattr(processor, "image_token", None) or "")
    if not template:
        with_and_without = (f"{placeholder}\nQuestion: {MARK}\nAnswer:", f"Question: {MARK} Answer:")
        plain = plain or (with_and_without if placeholder else with_and_without[1:])
        return tuple(_split(words, where, own=True) for words in plain)
    text = template.get("default", next(iter(template.values()), "")) if isinstance(template, dict) else template
    if not isinstance(text, str):
        raise DataError("the chat template is not a text", where=where, fix=REPAIR)
    if len(text) > MAX_TEMPLATE:
        raise UnsafeError(f"the chat template has more than {MAX_TEMPLATE:,} characters", where=where)
    words = _asking(processor, text, placeholder, where)
    notes = (Note("template_with_date"),) if "strftime_now" in text else ()
    return (_split(words, where, own=False, notes=notes),)


def _asking(processor: Any, template: str, placeholder: str, where: str) -> str:
    """Apply the template to a question with an image; text-only templates get the placeholder as text."""
    rich: list[dict[str, str]] = [{"type": "image"}, {"type": "text", "text": MARK}]
    reasons = []
    for content in (rich, f"{placeholder}\n{MARK}"):
        outcome = run_template(template, _variables(processor, content), where, MAX_FRAME)
        words = outcome.get("words", "")
        lost = "type" in words and "'image'" in words  # the list itself was printed
        if words.count(MARK) == 1 and not lost and (content is rich or placeholder in words):
            return words
        reasons.append(outcome.get("failed", "it does not show the question exactly once"))
    why = "; then, with plain text: ".join(reasons)
    raise DataError("the chat template cannot ask a question about an image", where=where, why=why, fix=REPAIR)


def _variables(processor: Any, content: Any) -> dict[str, Any]:
    """The variables with which the processors of transformers render a template."""
    chat = [{"role": "user", "content": content}]
    # Reasoning models would have to finish their reasoning first: they are told to answer directly, if the template supports it.
    options = {"messages": chat, "tools": None, "documents": None, "add_generation_prompt": True, "enable_thinking": False}
    return {**getattr(processor.tokenizer, "special_tokens_map", {}), **options}


def _split(words: str, where: str, *, own: bool, notes: tuple[Note, ...] = ()) -> Frame:
    if len(words) > MAX_FRAME:
        raise UnsafeError(f"the placeholder of an image has {len(words):,} characters", where=where)
    before, _, after = words.partition(MARK)
    return Frame(before, after, own, notes)
