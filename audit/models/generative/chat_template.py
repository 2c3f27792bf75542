"""How a model is spoken to: the words around a question, by its own chat template where it has one.

A chat template is a Jinja program by whoever made the model. It is applied by transformers, in its sandbox (which reaches no Python object,
file or socket), once when the model is loaded, with a mark in the place of the question; it never sees a label or an image. What the
sandbox does not bound is bounded here: time, memory and length.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from audit.errors import DataError, UnsafeError
from audit.types import Note

MARK = "QUESTION7f3a"
"""Stands for the question while the template is applied."""
REPAIR = "repair chat_template.jinja, or remove it: without one the model is asked plainly"
DEADLINE_S = 5.0
MAX_TEMPLATE, MAX_FRAME = 200_000, 20_000
"""Characters."""
HEADROOM = 512 * 1024**2
"""Bytes of address space that a template may add to what the process has."""


@dataclass(frozen=True)
class Frame:
    """The words before and after a question; the image's placeholder is among them."""

    before: str
    after: str
    own: bool
    """Whether the words are this project's, because the model has no chat template."""
    notes: tuple[Note, ...] = ()

    def around(self, question: str) -> str:
        """Return everything that the model reads as text."""
        return f"{self.before}{question}{self.after}"


def frames(processor: Any, where: str, plain: Sequence[str] = ()) -> tuple[Frame, ...]:
    """Return the frame of a model; where it has no chat template, those to try: `plain`, or else with and without a placeholder.

    `where` names the folder in errors: DataError if the template fails, loses the question or the image, or repeats the question;
    UnsafeError if it does not end within seconds, or needs more memory or length than any chat.
    """
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    # The text that stands for an image, or "" where the processor needs none.
    placeholder = str(getattr(processor, "boi_token", None) or getattr(processor, "image_token", None) or "")
    if not template:
        with_and_without = (f"{placeholder}\nQuestion: {MARK}\nAnswer:", f"Question: {MARK} Answer:")
        plain = plain or (with_and_without if placeholder else with_and_without[1:])
        return tuple(_split(words, where, own=True) for words in plain)
    text = template.get("default", next(iter(template.values()), "")) if isinstance(template, dict) else template
    if len(str(text)) > MAX_TEMPLATE:
        raise UnsafeError(f"the chat template has more than {MAX_TEMPLATE:,} characters", where=where)
    words = _rendered(processor, text, placeholder, where)
    notes = (Note("template_with_date"),) if "strftime_now" in text else ()
    return (_split(words, where, own=False, notes=notes),)


def _rendered(processor: Any, template: str, placeholder: str, where: str) -> str:
    """Apply the template to a question with an image; templates that know only text get the placeholder as text."""
    rich: list[dict[str, str]] = [{"type": "image"}, {"type": "text", "text": MARK}]
    reasons = []
    for content in (rich, f"{placeholder}\n{MARK}"):
        chat = [{"role": "user", "content": content}]
        try:
            words = _within_limits(partial(_apply, processor, template, chat), where)
        except UnsafeError:
            raise
        except Exception as error:  # whatever an untrusted template raises is a fault of the template
            reasons.append(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            continue
        lost = "type" in words and "'image'" in words  # the list itself was printed
        if words.count(MARK) == 1 and not lost and (content is rich or placeholder in words):
            return words
        reasons.append("it does not show the question exactly once")
    why = "; then, with plain text: ".join(reasons)
    raise DataError("the chat template cannot ask a question about an image", where=where, why=why, fix=REPAIR)


def _apply(processor: Any, template: str, chat: list[dict[str, Any]]) -> str:
    # Models that think aloud first would have to be read to the end of it: they are asked to answer at once, where the template can say so.
    options = {"add_generation_prompt": True, "tokenize": False, "enable_thinking": False}
    return str(processor.apply_chat_template(chat, chat_template=template, **options))


def _split(words: str, where: str, *, own: bool, notes: tuple[Note, ...] = ()) -> Frame:
    if len(words) > MAX_FRAME:
        raise UnsafeError(f"the chat template puts {len(words):,} characters around a question", where=where)
    before, _, after = words.partition(MARK)
    return Frame(before, after, own, notes)


def _within_limits(work: Callable[[], str], where: str) -> str:
    """Return what `work` returns, within bounds of time and memory."""
    answer: Future[str] = Future()

    def attempt() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # handed on to the caller's thread below
            answer.set_exception(error)

    # A daemon: a template that never ends does not keep the process from ending.
    thread = threading.Thread(target=attempt, name="chat template", daemon=True)
    with _limited_memory():
        thread.start()
        thread.join(DEADLINE_S)
    if thread.is_alive() or isinstance(answer.exception(), MemoryError | OverflowError):
        what = "the chat template does not end" if thread.is_alive() else "the chat template needs more memory than any chat"
        why = "it is a program by whoever made the model; it ran in a sandbox and reached nothing"
        raise UnsafeError(what, where=where, why=why, fix=REPAIR)
    return answer.result()


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Lower the process's limit of address space for a moment; where the system has no such limit, time alone is bounded."""
    try:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + HEADROOM
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
