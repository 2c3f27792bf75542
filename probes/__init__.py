"""Probes: what to ask. One file a probe; its module name is its name, and it defines ``PROBE``."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

from audit.errors import UsageError, nearest
from audit.types import Probe


def names() -> tuple[str, ...]:
    """Return the names of the probes that come with the program, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg))


def get(name: str) -> Probe:
    """Return the probe called `name`, or the one defined in a Python file ``path/to/mine.py``.

    A file of your own is code that you chose to run. `UsageError` if the probe or file is not found, or defines no ``PROBE``.
    """
    if name.endswith(".py"):
        return _probe_of(_module_from(Path(name)), name)
    if name not in names():
        raise UsageError(f"no probe {name!r}", fix=nearest(name, names()) + "; or a file: --probe path/to/mine.py")
    return _probe_of(importlib.import_module(f"probes.{name}"), name)


def _module_from(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"outside_probe_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(
            f"no probe file {str(path)!r}", fix="give an existing Python file that defines PROBE, or one of: " + ", ".join(names())
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _probe_of(module: ModuleType, name: str) -> Probe:
    probe = getattr(module, "PROBE", None)
    if not isinstance(probe, Probe):
        raise UsageError(f"{name!r} defines no PROBE", why="a probe file assigns an audit.types.Probe to the name PROBE")
    return probe
