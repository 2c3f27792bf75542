"""What the installed versions are beside those of the lock: ``python -m tests.support.moved`` (the first lines of ``make latest``)."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

LOCK = Path(__file__).parents[2] / ".ci" / "requirements.txt"


def pinned(lock: str) -> dict[str, str]:
    """Return name -> version of what a lock file installs on this Python and system."""
    lines = [line.removesuffix(" \\") for line in lock.splitlines() if "==" in line and not line.startswith(("#", " "))]
    requirements = [requirement for requirement in map(Requirement, lines) if requirement.marker is None or requirement.marker.evaluate()]
    return {requirement.name: next(iter(requirement.specifier)).version for requirement in requirements}


def moved(lock: str) -> list[str]:
    """Return a line for each package whose installed version is not the one of the lock."""
    lines = []
    for name, locked in pinned(lock).items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if installed != locked:
            lines.append(f"{name} {locked} -> {installed}")
    return lines


def main() -> None:
    lines = moved(LOCK.read_text("utf-8"))
    print("\n".join([f"{len(lines)} packages have moved since the lock; torch {version('torch')}", *lines]))


if __name__ == "__main__":
    main()
