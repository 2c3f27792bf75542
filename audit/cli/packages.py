"""Checks that the program's own packages are imported: ``python -m`` looks into the working directory first."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from audit.errors import UsageError

PACKAGES = ("probes", "reports", "contrastive", "strictio")
_HOME = Path(__file__).resolve().parents[2]


def refuse_namesakes() -> None:
    """Raise `UsageError` if a file or folder of the user is imported instead of a package of the program."""
    for name in PACKAGES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent == _HOME:
            continue
        own = origin.parent if origin.name == "__init__.py" else origin
        where = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
        what = f"{str(where)!r} hides a package of vlm-audit that is called {name!r} too"
        fix = "vlm-audit in place of python -m, or another folder"
        raise UsageError(what, why="python -m imports what lies in the working directory first", fix=fix)
