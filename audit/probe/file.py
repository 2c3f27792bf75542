"""Runs a custom Python file: returns its probe, or the line of a mistake."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from audit.errors import AuditError, UsageError
from audit.models.user_code import run_file
from audit.probe.check import Mistake, mistakes
from audit.types import Probe
from strictio.files import read_bytes
from strictio.limits import MOST_TEXT

T = TypeVar("T")
_MOST_LETTERS = 300
EXAMPLE = "a probe file assigns an audit.types.Probe to the name PROBE"


def read_probe(path: Path) -> Probe:
    """Run a file and return its probe. Raises `UsageError` with file and line if it cannot be run, has no probe, or one with a mistake.

    A file that has not changed is run only once.
    """
    try:
        content = read_bytes(path, MOST_TEXT)
    except OSError as error:
        raise UsageError(f"cannot read the probe file {str(path)!r}", why=error.strerror, fix="name another file") from error
    return _probe_of(path, content)


@lru_cache(maxsize=8)
def _probe_of(path: Path, content: bytes) -> Probe:
    module = call_own(lambda: run_file(path, content), [path], "it cannot be run")
    twice = _assignments(content)
    if len(twice) > 1:
        why = f"PROBE is assigned in lines {' and '.join(map(str, twice))}, and only the last would be asked"
        raise UsageError(f"{path.name} has two probes", where=f"{path.name}, line {twice[-1]}", why=why, fix="use one file per probe")
    probe = getattr(module, "PROBE", None)
    if not isinstance(probe, Probe):
        raise _no_probe(path, content, vars(module))
    for mistake in mistakes(probe):
        raise mistake.error(_place(path, content, mistake))
    return probe


def place_of(value: object, specs: Sequence[object]) -> str | None:
    """File and line of the custom probe file among `specs` in which a value occurs; None if it does not occur."""
    for path in own_files(specs):
        line = _line_of(ast.parse(read_bytes(path, MOST_TEXT)), value)
        if line is not None:
            return f"{path.name}, line {line}"
    return None


def own_files(specs: Sequence[object]) -> list[Path]:
    """The files among probe specs."""
    return [Path(spec) for spec in specs if isinstance(spec, str) and spec.endswith(".py")]


def call_own(function: Callable[[], T], paths: Sequence[Path], doing: str) -> T:
    """Call code of these files; raises `UsageError` with the line in them at which it fails. Errors from elsewhere are re-raised."""
    try:
        return function()
    except AuditError:
        raise
    except (Exception, SystemExit) as error:
        own = {str(path): path for path in paths}
        lines = [(own[frame.filename], frame.lineno) for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own]
        if isinstance(error, SyntaxError) and error.filename in own:
            lines = [(own[error.filename], error.lineno)]
        if not lines:
            raise
        path, line = lines[-1]
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_LETTERS]}"
        what, fix = f"the probe file {path.name} failed: {doing}", "correct that line; --debug shows the whole traceback"
        raise UsageError(what, where=f"{path.name}, line {line}", why=why, fix=fix) from error


# ---- lines ---------------------------------------------------------------------------------------------------------------------------


def _no_probe(path: Path, content: bytes, names: dict[str, Any]) -> UsageError:
    probe_names = [name for name, value in names.items() if isinstance(value, Probe)]
    lines = _assignments(content)
    where = f"{path.name}, line {lines[-1]}" if lines else path.name
    if "PROBE" not in names:
        fix = f"PROBE = {probe_names[0]}" if probe_names else EXAMPLE
        return UsageError(f"{path.name} defines no PROBE", where=where, why=EXAMPLE, fix=fix)
    value = names["PROBE"]
    several = isinstance(value, list | tuple) and all(isinstance(element, Probe) for element in value)
    what = f"PROBE in {path.name} holds {len(value)} probes" if several else f"PROBE in {path.name} is of type {type(value).__name__}"
    return UsageError(what, where=where, why=EXAMPLE, fix="use one file per probe" if several else "PROBE = Probe(…)")


def _assignments(content: bytes) -> list[int]:
    """The lines in which PROBE gets a value that does not depend on its previous one."""
    lines = []
    for node in ast.parse(content).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "PROBE" for target in targets):
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if value is not None and not any(isinstance(child, ast.Name) and child.id == "PROBE" for child in ast.walk(value)):
                lines.append(node.lineno)
    return lines


def _place(path: Path, content: bytes, mistake: Mistake) -> str:
    tree = ast.parse(content)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == mistake.made_by]
    value_lines = (line for node in (*calls, tree) if (line := _line_of(node, mistake.value)) is not None)
    lines = [*value_lines, *(node.lineno for node in calls), *_assignments(content)]
    return f"{path.name}, line {lines[0]}" if lines else path.name


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _line_of(tree: ast.AST, value: object) -> int | None:
    """The first line in which a value is written as a literal."""
    return min(_lines_of(tree, value), default=None)


def _lines_of(tree: ast.AST, value: object) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set):
            try:
                same = ast.literal_eval(node)
            except (ValueError, TypeError):
                continue
            if type(same) is type(value) and same == value:
                yield node.lineno
