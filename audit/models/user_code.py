"""Runs code that the user named; errors name its file and line."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from audit.errors import AuditError, DataError, MachineError
from audit.models.runtime import out_of_memory

T = TypeVar("T")


def call_user_code(function: Callable[[], T], shown: str, doing: str, retried: bool = False) -> T:
    """Call a plug-in's code; if it fails, the error names the line.

    `shown` is the name of the plug-in and `doing` the step in errors. Raises DataError for any failure, including exit of the program;
    MachineError for a missing package or too little memory; with `retried` a memory error is re-raised unchanged.
    """
    try:
        return function()
    except AuditError:
        raise
    except ImportError as error:
        what, why = f"the plug-in {shown} needs a package that is not installed", f"{type(error).__name__}: {error}"
        raise MachineError(what, where=_place(error), why=why, fix="pip install it") from error
    except (Exception, SystemExit) as error:
        if out_of_memory(error) and retried:
            raise
        if out_of_memory(error):
            raise MachineError(f"memory does not suffice for the plug-in {shown}", why=str(error)[:200], fix="another --device") from error
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        fix = "fix that line; --debug shows the whole traceback"
        raise DataError(f"the plug-in {shown} failed: {doing}", where=_place(error), why=why, fix=fix) from error


def _place(error: BaseException) -> str | None:
    """File and line where an error came from, without local folders."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__ and "importlib" not in frame.filename]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else None


def run_file(file: Path, content: bytes) -> ModuleType:
    """Run a Python file as a module; files beside it can be imported, as when it is run as a program."""
    name = f"vlm_audit_plugin_{hashlib.sha256(content).hexdigest()[:16]}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(file))
    assert spec is not None  # noqa: S101 - a spec without a loader can always be created
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses look up their module
    beside = str(file.resolve().parent)
    sys.path.insert(0, beside)
    try:
        exec(compile(content, str(file), "exec"), vars(module))  # noqa: S102 - a file that the user named to be run
    finally:
        sys.path.remove(beside)
    return module


def classes_with(content: bytes, methods: Sequence[str]) -> list[str]:
    """The classes of a Python file that define all of `methods`, determined without running it."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return []
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node.name for node in classes if {part.name for part in node.body if isinstance(part, ast.FunctionDef)}.issuperset(methods)]
