"""Probes: the questions of an audit. Each probe is one file of the same name, in a folder by subject, that defines ``PROBE``."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from audit.errors import UsageError, nearest
from audit.types import Probe

FOLDERS = ("faces", "people", "counterfactual", "capability", "words")
"""Folders with probes; the other folders hold what probes share."""


SUITES = {"people": ("fairface", "moderation", "occupations", "taxonomy", "traits")}
"""Suite -> probes that ask about the people of one data set (FairFace's layout), so that its images are embedded once."""


def names() -> tuple[str, ...]:
    """Return the sorted names of the probes that come with the program."""
    return tuple(sorted(_modules()))


def _modules() -> dict[str, str]:
    """Map each probe to its module."""
    folders = [(folder, str(Path(__file__).parent / folder)) for folder in FOLDERS]
    return {module.name: f"{__name__}.{folder}.{module.name}" for folder, path in folders for module in pkgutil.iter_modules([path])}


def source(name: str) -> Path:
    """Return the Python file of a probe that comes with the program, or of a custom one."""
    if name.endswith(".py"):
        return Path(name)
    folder, module = _modules()[name].split(".")[1:]
    return Path(__file__).parent / folder / f"{module}.py"


def get(name: str) -> Probe:
    """Return the probe called `name`, or the one defined in a Python file ``path/to/mine.py``.

    A probe file is code that the user chose to run. Raises `UsageError` if the probe or file is not found, and, with the line, if a file
    cannot be run, does not define ``PROBE`` or defines an invalid one.
    """
    if name.endswith(".py"):
        from audit.probe.file import read_probe  # the checks take a second to import, and most commands do not need them

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
