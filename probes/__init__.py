"""Probes: what to ask. One file a probe, in the folder of what it is about; its module name is its name, and it defines ``PROBE``."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from audit.errors import UsageError, nearest
from audit.types import Probe

FOLDERS = ("faces", "people", "counterfactual", "capability", "words")
"""Where probes are; the other folders hold what they share."""


def names() -> tuple[str, ...]:
    """Return the names of the probes that come with the program, sorted."""
    return tuple(sorted(_modules()))


def _modules() -> dict[str, str]:
    """Return the module of each probe."""
    folders = [(folder, str(Path(__file__).parent / folder)) for folder in FOLDERS]
    return {module.name: f"{__name__}.{folder}.{module.name}" for folder, path in folders for module in pkgutil.iter_modules([path])}


def get(name: str) -> Probe:
    """Return the probe called `name`, or the one defined in a Python file ``path/to/mine.py``.

    A file of your own is code that you chose to run. `UsageError` if the probe or file is not found; of a file with its line, if it cannot
    be run, defines no ``PROBE``, or one that cannot be asked.
    """
    if name.endswith(".py"):
        from audit.probe.file import read_probe  # what checks a probe takes a second to import, and most commands need none of it

        if not Path(name).is_file():
            fix = "give an existing Python file that defines PROBE, or one of: " + ", ".join(names())
            raise UsageError(f"no probe file {name!r}", fix=fix)
        return read_probe(Path(name))
    if name not in names():
        raise UsageError(f"no probe {name!r}", fix=nearest(name, names()) + "; or a file: --probe path/to/mine.py")
    probe = importlib.import_module(_modules()[name]).PROBE
    if not isinstance(probe, Probe):
        raise TypeError(f"{_modules()[name]} defines no PROBE")
    return probe
