"""The house in figures: modules per folder, public names defined twice, import cycles, longest files, lines per package.

``python -m tests.support.house`` prints them and exits with 1 on a name defined twice or an import cycle, of modules or of rooms.
Every import counts: inside functions and for type checkers too.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGES = ("audit", "probes", "reports", "contrastive", "strictio", "verify")
INTERCHANGEABLE = {
    "audit", "check", "compare", "get", "load", "main", "names", "parser", "predict", "read", "render", "run", "view", "write",
}  # fmt: skip
"""Functions whose module says whose they are."""
ROOT = Path(__file__).parents[2]


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.Module, modules: set[str]) -> set[str]:
    """Return the modules of the project that a module imports anywhere."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (full & modules) | ({node.module} if not full <= modules else set())
    return names & modules


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """Return modules of which each imports the next, and the last is the first again; empty where no such cycle is."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def room(module: str) -> str:
    """Return the folder or module of a package that a module belongs to: what `docs/architecture.md` maps."""
    return ".".join(module.split(".")[:2])


def between_rooms(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return which rooms a room imports. If they form no cycle, rooms stand one above the other, and no import goes up."""
    rooms = defaultdict(set)
    for module, others in edges.items():
        rooms[room(module)] |= {room(other) for other in others} - {room(module)}
    return rooms


OF_ANALYSES = ("beside.py", "computation.py", "section.py", "sentences.py")
IMPLEMENT = {"extensions", "effects"}
"""Folders whose modules of these names implement the interface of analyses, so they share its names with it and with each other."""


def defined_twice(trees: dict[Path, ast.Module]) -> list[str]:
    """Name the public classes of several modules, and the public functions of several folders, within one program."""
    places = defaultdict(set)
    for path, tree in trees.items():
        side = path.parts[0] if path.parts[0] in ("contrastive", "strictio", "verify") else "audit"
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and node.name not in INTERCHANGEABLE:
                folder = Path("audit/analyses") if path.name in OF_ANALYSES and IMPLEMENT & set(path.parts) else path.parent
                place = module_name(path) if isinstance(node, ast.ClassDef) else str(folder)
                places[side, node.name].add(place)
    return [f"{name}: {', '.join(sorted(where))}" for (_, name), where in sorted(places.items()) if len(where) > 1]


def main() -> int:
    files = sorted(path for package in PACKAGES for path in Path(package).rglob("*.py"))
    trees = {path: ast.parse(path.read_text("utf-8")) for path in files}
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in files}
    modules = {module_name(path) for path in files}
    folders = Counter(str(path.parent) for path in files if path.name != "__init__.py")
    longest = sorted(lines, key=lambda path: -lines[path])[:3]
    twice = defined_twice(trees)
    edges = {module_name(path): imported(tree, modules) for path, tree in trees.items()}
    circle = cycle(edges) or cycle(between_rooms(edges))
    per_folder = Counter()
    for path, count in lines.items():
        per_folder["/".join(path.parts[: min(len(path.parts) - 1, 2)])] += count
    tests = sum(len(path.read_text("utf-8").splitlines()) for path in Path("tests").rglob("*.py"))
    print("most modules:", ", ".join(f"{folder} {count}" for folder, count in folders.most_common(3)))
    print("longest files:", ", ".join(f"{path} {lines[path]}" for path in longest))
    print(f"import cycles: {' -> '.join(circle) or 'none'}")
    print("public names defined twice:", *(twice or ["none"]), sep="\n  ")
    print("lines:", *(f"{folder} {count:,}" for folder, count in sorted(per_folder.items())), sep="\n  ")
    print(f"source {sum(lines.values()):,} lines, tests {tests:,}")
    return bool(circle or twice)


if __name__ == "__main__":
    sys.exit(main())
