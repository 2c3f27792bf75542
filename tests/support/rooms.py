"""Takes extensions away: a copy of the packages without the folders of some, in which the rest must do as before.

``python -m tests.support.rooms`` runs the core's tests in a copy without any extension (``make rooms``).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTENSIONS = sorted(folder.parent.name for folder in (ROOT / "audit" / "extensions").glob("*/__init__.py"))
PACKAGES = ("audit", "probes", "reports", "contrastive", "strictio", "verify")
OF_EVERYTHING = ("extensions", "acceptance", "docs", "fuzz", "test_rooms.py", "test_notebooks.py")
"""Tests of extensions, and of the whole program with them."""


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


def main():
    """Run the core's tests where no extension is."""
    with tempfile.TemporaryDirectory(prefix="rooms-") as place:
        folder = without(EXTENSIONS, Path(place), more=("tests", "docs", "notebooks", "benchmarks", "pyproject.toml", "README.md"))
        for name in OF_EVERYTHING:
            path = folder / "tests" / name
            path.unlink() if path.is_file() else shutil.rmtree(path)
        return subprocess.run([sys.executable, "-m", "pytest", "-q", *sys.argv[1:]], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
