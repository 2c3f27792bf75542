"""transformers while it reads files of strangers: it fetches nothing, asks nothing, runs nothing of theirs and prints nothing.

What the configurations name is checked before (`strictio.model_folders.configurations`). This is the second wall: a way to code or to a
pickle that the check does not know ends here. ``make compat`` says where a new release has such ways.
"""

from __future__ import annotations

import builtins
import inspect
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from audit.errors import UnsafeError

CODE_LOADERS = ("resolve_trust_remote_code", "get_class_from_dynamic_module", "get_class_in_module", "get_cached_module_file")
"""Functions of `transformers.dynamic_module_utils`: all code of a model's author comes in through them, whichever module calls them."""
NEVER_NEEDED = ((builtins, "input"), (torch, "load"), (torch.serialization, "load"), (torch.jit, "load"))
"""What no loading here needs: an answer from the keyboard, a pickle that our own reader did not read."""
_Replacements = list[tuple[Any, str, Any]]
_refusals: ContextVar[list[UnsafeError] | None] = ContextVar("refusals", default=None)


@contextmanager
def sealed() -> Iterator[None]:
    """Seal transformers for the time of loading; UnsafeError where it tried what is refused, even if it went on in another way."""
    refusals: list[UnsafeError] = []
    token = _refusals.set(refusals)
    try:
        with _SEAL:
            yield
    except UnsafeError:
        raise
    except BaseException as error:
        if refusals:
            raise refusals[0] from error
        raise
    finally:
        _refusals.reset(token)
    if refusals:
        raise refusals[0]


class _Seal:
    """What is changed in other libraries, by the first who enters, and changed back by the last who leaves."""

    def __init__(self) -> None:
        self._lock, self._inside, self._undo = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                with ExitStack() as steps:
                    for step in (_offline, _quiet, _no_answers, _no_code):
                        steps.enter_context(step())
                    self._undo = steps.pop_all()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()


_SEAL = _Seal()


@contextmanager
def _offline() -> Iterator[None]:
    """Forbid every request of huggingface_hub."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own bars and reports off the terminal; what they report is checked here and raised."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _no_answers() -> Iterator[None]:
    """Let nothing read the keyboard or a pipe: standard input is empty."""
    before, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before


@contextmanager
def _no_code() -> Iterator[None]:
    """Replace what leads to code or pickles by refusals, wherever transformers has imported it to."""
    from transformers import dynamic_module_utils

    loaders = {name: original for name in CODE_LOADERS if (original := getattr(dynamic_module_utils, name, None)) is not None}
    refusing = {name: _refusing(name, original) for name, original in loaders.items()}
    elsewhere = [(owner, name, getattr(owner, name)) for owner, name in NEVER_NEEDED]
    try:
        for owner, name, original in elsewhere:
            setattr(owner, name, _refusing(f"{owner.__name__}.{name}", original))
        _replace(loaders, refusing)
        yield
    finally:
        _replace(refusing, loaders)
        for owner, name, original in elsewhere:
            setattr(owner, name, original)


def _replace(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Rebind names in all modules of transformers, those included that were imported in the meantime."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "transformers":
            for attribute, value in before.items():
                if vars(module).get(attribute) is value:
                    setattr(module, attribute, after[attribute])


def _refusing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> bool:
        if name == "resolve_trust_remote_code":  # called whether or not there is code to run
            arguments = inspect.signature(original).bind_partial(*args, **kwargs).arguments
            if not arguments.get("has_remote_code", True):
                return False
        what = "loading this model would run code or read a pickle of its author"
        error = UnsafeError(what, why=f"transformers called {name}", fix="leave this model out; no option changes that")
        if (refusals := _refusals.get()) is not None:
            refusals.append(error)
        raise error

    return refuse
