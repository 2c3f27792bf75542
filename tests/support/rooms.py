"""Takes extensions away: a copy of the packages without the folders of some, in which the rest must do as before.

``python -m tests.support.rooms`` runs the core's tests in a copy without any extension (``make rooms``).
"""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from audit.extension import GROUP, find

ROOT = Path(__file__).parents[2]
EXTENSIONS = sorted(folder.parent.name for folder in (ROOT / "audit" / "extensions").glob("*/__init__.py"))
PACKAGES = ("audit", "probes", "reports", "contrastive", "strictio", "verify")
OF_EVERYTHING = ("extensions", "acceptance", "docs", "fuzz", "test_rooms.py", "test_notebooks.py", "test_security.py")
"""Tests of extensions, and of the whole program with them. Others that are about one, or with one, are marked: `--no-extensions`."""
MORE = (
    "tests", "docs", "notebooks", "benchmarks", ".ci", ".github", "pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md",
    "SECURITY.md", "CITATION.cff", "Makefile",
)  # fmt: skip
"""What the tests read besides the packages."""


def without(names, to: Path, *, more=()) -> Path:
    """Copy the packages, and what else is named, without the folders of the extensions; return the copy."""
    for package in (*PACKAGES, *more):
        if (ROOT / package).is_dir():
            shutil.copytree(ROOT / package, to / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / package, to / package)
    for name in names:
        shutil.rmtree(to / "audit" / "extensions" / name)
    return to


@contextmanager
def left_out(name):
    """In this process, let an extension be one that cannot be imported; yields the line that says so."""
    entry_points = importlib.metadata.entry_points
    points = [EntryPoint(point.name, f"{'gone.' * (point.name == name)}{point.value}", GROUP) for point in entry_points(group=GROUP)]
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(importlib.metadata, "entry_points", lambda group: points if group == GROUP else entry_points(group=group))
            find.cache_clear()
            yield f"the extension {name!r} is left out: ModuleNotFoundError: No module named 'gone'"
    finally:
        find.cache_clear()


def main():
    """Run the core's tests where no extension is."""
    with tempfile.TemporaryDirectory(prefix="rooms-") as place:
        folder = without(EXTENSIONS, Path(place), more=MORE)
        for name in OF_EVERYTHING:
            path = folder / "tests" / name
            path.unlink() if path.is_file() else shutil.rmtree(path)
        return subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-extensions", *sys.argv[1:]], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
