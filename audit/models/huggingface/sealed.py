"""Restricts transformers while it reads untrusted files: no downloads, no prompts, no foreign code, no output.

What the configurations name was checked before (`strictio.model_folders.configurations`). This is the second line of defence: it stops
paths to code or pickles that the check does not know. ``make compat`` reports such paths in a new release.
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
"""Functions of `transformers.dynamic_module_utils` through which all code of a model's author would be loaded, from any module."""
NEVER_NEEDED = ((builtins, "input"), (torch, "load"), (torch.serialization, "load"), (torch.jit, "load"))
"""Functions that loading never needs: keyboard input, and reading a pickle other than with our own reader."""
_Replacements = list[tuple[Any, str, Any]]
_refusals: ContextVar[list[UnsafeError] | None] = ContextVar("refusals", default=None)


@contextmanager
def sealed() -> Iterator[None]:
    """Restrict transformers while loading; raises UnsafeError if it tried something forbidden, even if it recovered."""
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
    """Patches of other libraries, applied by the first thread that enters and reverted by the last that leaves."""

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
    """Hide transformers' own progress bars and reports; the content of the reports is checked here and raised."""
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
    """Make standard input empty, so that nothing reads the keyboard or a pipe."""
    before, sys.stdin = sys.stdin, io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before


@contextmanager
def _no_code() -> Iterator[None]:
    """Replace functions that lead to code or pickles, in all modules of transformers that imported them."""
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
    """Rebind names in all modules of transformers, including those imported in the meantime."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "transformers":
            for attribute, value in before.items():
                if vars(module).get(attribute) is value:
                    setattr(module, attribute, after[attribute])


def _refusing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> bool:
        if name == "resolve_trust_remote_code":  # called even if there is no code to run
            arguments = inspect.signature(original).bind_partial(*args, **kwargs).arguments
            if not arguments.get("has_remote_code", True):
                return False
        what = "loading this model would run code or read a pickle of its author"
        error = UnsafeError(what, why=f"transformers called {name}", fix="leave this model out; no option changes that")
        if (refusals := _refusals.get()) is not None:
            refusals.append(error)
        raise error

    return refuse
