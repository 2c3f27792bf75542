"""How a model is spoken to: the words around a question, by its own chat template where it has one.

A chat template is a Jinja program by whoever made the model. It is rendered once, when the model is loaded, with a mark in place of the
question, by `template_sandbox`: in a process with limits, which gets the template, a chat of one question and the special tokens. It never
sees a label, an image, the model or the environment.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from audit.errors import DataError, MachineError, UnsafeError
from audit.models.generative import template_sandbox
from audit.types import Note

log = logging.getLogger("audit")
MARK = "QUESTION7f3a"
"""Stands for the question while the template is applied."""
REPAIR = "repair chat_template.jinja, or remove it: without one the model is asked plainly"
CPU_S, DEADLINE_S = 2, 20.0
"""Time that a template may compute; time that its process may take, also on a machine that is busy with something else."""
MAX_TEMPLATE, MAX_FRAME = 200_000, 20_000
"""Characters."""
_BOOTSTRAP = "import sys, runpy; sys.path += sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"
_PATHS = sorted({str(Path(module.__path__[0]).parent) for module in (jinja2, markupsafe)})
_INHERITED = ("TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""The environment of the process: a template may print the local time, and Python may need its libraries."""
_REFUSALS = {
    "size": "the chat template computes with larger numbers or texts than any chat",
    "length": f"the chat template puts more than {MAX_FRAME:,} characters around a question",
    "memory": "the chat template needs more memory than any chat",
    "time": "the chat template does not end",
}


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
    UnsafeError if it exceeds a limit of time, memory, length or arithmetic.
    """
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    # The text that stands for an image, or "" where the processor needs none.
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
    """Apply the template to a question with an image; templates that know only text get the placeholder as text."""
    rich: list[dict[str, str]] = [{"type": "image"}, {"type": "text", "text": MARK}]
    reasons = []
    for content in (rich, f"{placeholder}\n{MARK}"):
        outcome = _rendered(template, _variables(processor, content), where)
        words = outcome.get("words", "")
        lost = "type" in words and "'image'" in words  # the list itself was printed
        if words.count(MARK) == 1 and not lost and (content is rich or placeholder in words):
            return words
        reasons.append(outcome.get("failed", "it does not show the question exactly once"))
    why = "; then, with plain text: ".join(reasons)
    raise DataError("the chat template cannot ask a question about an image", where=where, why=why, fix=REPAIR)


def _variables(processor: Any, content: Any) -> dict[str, Any]:
    """Return what a template is rendered with by the processors of transformers."""
    chat = [{"role": "user", "content": content}]
    # Models that think aloud first would have to be read to the end of it: they are asked to answer at once, where the template can say so.
    options = {"messages": chat, "tools": None, "documents": None, "add_generation_prompt": True, "enable_thinking": False}
    return {**getattr(processor.tokenizer, "special_tokens_map", {}), **options}


def _split(words: str, where: str, *, own: bool, notes: tuple[Note, ...] = ()) -> Frame:
    if len(words) > MAX_FRAME:
        raise UnsafeError(f"the placeholder of an image has {len(words):,} characters", where=where)
    before, _, after = words.partition(MARK)
    return Frame(before, after, own, notes)


def _rendered(template: str, variables: Mapping[str, Any], where: str) -> Mapping[str, str]:
    """Return ``words``, or why there are none as ``failed``; UnsafeError if the template passes a bound or ends its process."""
    request = {"template": template, "variables": variables, "most": MAX_FRAME, "cpu_s": CPU_S}
    code, reply = _run(json.dumps(request, default=str).encode())
    try:
        outcome: dict[str, str] = json.loads(reply)
    except ValueError:
        ended = code is None or -code in (signal.SIGKILL, signal.SIGXCPU)
        outcome = {"refused": "time"} if ended else {"refused": "crash"}
    if "unlimited" in outcome:
        _say_unlimited()
    if "refused" in outcome:
        what = _REFUSALS.get(outcome["refused"], "the chat template ends the process that renders it")
        why = "it is a program by whoever made the model; it ran in a sandbox, in a process without files and network"
        raise UnsafeError(what, where=where, why=why, fix=REPAIR)
    return outcome


@cache
def _say_unlimited() -> None:
    log.warning("chat templates are rendered without a limit of memory: this system does not hold a process to one (Linux does)")


def _run(request: bytes) -> tuple[int | None, bytes]:
    """Return the exit code of the sandbox (None: it was ended after `DEADLINE_S`) and what it replied."""
    command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, template_sandbox.__file__, *_PATHS]
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        with tempfile.TemporaryFile() as reply:  # a file, because the system bounds its size
            pipes: dict[str, Any] = {"input": request, "stdout": reply, "stderr": subprocess.DEVNULL}
            try:
                # In a process group of its own: Ctrl-C reaches this process alone, which then ends it.
                done = subprocess.run(command, env=environment, process_group=0, timeout=DEADLINE_S, **pipes)  # noqa: S603, PLW1510
            except subprocess.TimeoutExpired:
                return None, b""
            reply.seek(0)
            return done.returncode, reply.read(template_sandbox.MOST_REPLY)
    except (OSError, TypeError) as error:  # TypeError: an embedded interpreter has no executable
        what = "no process to render a chat template can be started"
        raise MachineError(
            what, why=str(error), fix="allow this user more processes (ulimit -u), and make room for temporary files"
        ) from error
