"""Probes: the questions of an audit. Each probe is one file of the same name, in a folder by subject, that defines ``PROBE``.

Extensions declare more of them.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from audit.errors import UsageError, nearest
from audit.extension import DeclaredProbe, Tier, declared_probes, find, import_declared
from audit.types import Probe

FOLDERS: Mapping[str, Tier] = {"faces": "core", "people": "people", "counterfactual": "core", "words": "core"}
"""Folder of probes -> what they ask about; the other folders hold what probes share."""
TIERS: Mapping[Tier, str] = {
    "core": "Whom does a model treat differently?",
    "people": "People in other tasks and data sets",
    "capability": "How well does a model do a task, and for whom?",
}
"""What lists call them, in this order."""
SUITES = {"people": ("fairface", "moderation", "occupations", "taxonomy", "traits")}
"""Suite -> probes that ask about the people of one data set (FairFace's layout), so that its images are embedded once."""


def names() -> tuple[str, ...]:
    """Return the sorted names of the probes that are installed: of the program, and of its extensions."""
    return tuple(sorted({*_modules(), *declared_probes()}))


def _modules() -> dict[str, str]:
    """Map each probe of the core to its module."""
    folders = [(folder, str(Path(__file__).parent / folder)) for folder in FOLDERS]
    return {module.name: f"{__name__}.{folder}.{module.name}" for folder, path in folders for module in pkgutil.iter_modules([path])}


def _module(name: str) -> str:
    return _modules().get(name) or declared_probes()[name].module


def by_tier() -> dict[str, tuple[str, ...]]:
    """Return the names of the installed probes under the title of their tier."""
    tiers = {name: FOLDERS[module.split(".")[1]] for name, module in _modules().items()}
    tiers = {name: declared.tier for name, declared in declared_probes().items()} | tiers
    groups = {title: tuple(name for name in names() if tiers[name] == tier) for tier, title in TIERS.items()}
    return {title: group for title, group in groups.items() if group}


def question_of(name: str) -> str:
    """Return the question of an installed probe; no extension is imported for it."""
    return get(name).question if name in _modules() else declared_probes()[name].question


def source(name: str) -> Path:
    """Return the Python file of an installed probe, or of a custom one."""
    if name.endswith(".py"):
        return Path(name)
    spec = importlib.util.find_spec(_module(name))
    if spec is None or spec.origin is None:
        raise TypeError(f"{_module(name)} has no file")
    return Path(spec.origin)


def is_ours(name: str) -> bool:
    """Whether a probe comes with the program: it is neither a custom file nor one of another package."""
    return not name.endswith(".py") and _module(name).startswith((f"{__name__}.", "audit.extensions."))


def get(name: str) -> Probe:
    """Return the probe called `name`, or the one defined in a Python file ``path/to/mine.py``.

    A probe file is code that the user chose to run. Raises `UsageError` if the probe or file is not found, and, with the line, if a file
    cannot be run, does not define ``PROBE`` or defines an invalid one; or if what an extension declares is not a probe.
    """
    if name.endswith(".py"):
        from audit.probe.file import read_probe  # the checks take a second to import, and most commands do not need them

        if not Path(name).is_file():
            fix = "give an existing Python file that defines PROBE, or one of: " + ", ".join(names())
            raise UsageError(f"no probe file {name!r}", fix=fix)
        return read_probe(Path(name))
    if name not in names():
        fix = "; ".join([nearest(name, names()), "or a file: --probe path/to/mine.py", *find().left_out])
        raise UsageError(f"no probe {name!r}", fix=fix)
    if name not in _modules():
        return _declared(declared_probes()[name])
    probe = import_module(_module(name)).PROBE
    if not isinstance(probe, Probe):
        raise TypeError(f"{_module(name)} defines no PROBE")
    return probe


def _declared(declared: DeclaredProbe) -> Probe:
    try:
        probe = import_declared(f"{declared.module}:PROBE")
        if not isinstance(probe, Probe) or probe.name != declared.name:
            raise TypeError(f"PROBE is not a probe called {declared.name!r}")
        if not is_ours(declared.name):
            from audit.probe.check import mistakes

            for mistake in mistakes(probe):
                raise mistake.error(declared.module)
    except UsageError:
        raise
    except Exception as error:
        why, fix = f"{type(error).__name__}: {str(error)[:200]}", "install its extension again, or take another probe"
        raise UsageError(f"the probe {declared.name!r} cannot be used", where=declared.module, why=why, fix=fix) from error
    return probe
