"""Do the tests notice a wrong conclusion? A hundred faults planted in the syntax tree, one at a time, and the tests run against each.

A fault is one operator at one place: a comparison turned or made strict, plus for minus, `min` for `max`, `and` for `or`, a number or a
word changed, an `abs` or a `not` left out. It is named by module, function, operator and how many of its kind precede it, so that it
stays the same fault when lines move. Faults are chosen by the hash of their names, so many for each area. Prints which test file killed
each; exits with 1 if one survives that is not in `EQUIVALENT`. Before the faults of an area its tests must pass without one.
"""

import argparse
import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 900
"""Time limit for the tests of one fault: a fault may be an endless loop."""
STATISTICS = ("tests/audit/statistics", "tests/audit/evidence")
PAGES = ("tests/reports/text/test_headline.py", "tests/reports/text", "tests/reports/exports", "tests/audit/test_coherence.py")
AREAS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "verdict": (("audit/statistics/verdict.py",), ("tests/audit/statistics/test_verdict.py", *STATISTICS), 14),
    "findings": (
        ("audit/statistics/findings.py", "audit/statistics/contrasts.py", "audit/statistics/null.py"),
        ("tests/audit/statistics/test_findings.py", "tests/audit/statistics/test_null.py", *STATISTICS),
        20,
    ),
    "intervals": (
        ("audit/statistics/intervals.py", "audit/statistics/equivalence.py", "audit/statistics/power.py"),
        ("tests/audit/statistics/test_intervals.py", "tests/audit/statistics/test_equivalence.py", *STATISTICS),
        16,
    ),
    "units": (
        ("audit/statistics/units",),
        ("tests/audit/statistics/units/test_units.py", "tests/audit/statistics/units/test_cluster_null.py",
         "tests/audit/statistics/units/test_within_clusters.py", "tests/audit/statistics/units", *STATISTICS), 16,
    ),
    "comparison": (
        ("audit/comparison", "audit/statistics/paired/changes.py", "audit/analyses/conditions.py", "audit/extensions/natural_shift"),
        ("tests/audit/comparison/test_engine.py", "tests/audit/comparison", "tests/audit/statistics/paired", "tests/audit/analyses",
         "tests/extensions/natural_shift/test_natural_shift.py"), 12,
    ),
    "gates": (
        ("audit/gates",),
        ("tests/audit/gates/test_gates.py", "tests/audit/gates/test_changes.py", "tests/audit/gates", "tests/audit/test_run_gates.py"), 12,
    ),
    "headline": (("reports/text/headline",), PAGES, 10),
}  # fmt: skip
"""Area -> the modules that are changed, the tests that must notice, the quickest first, and how many faults."""
LIBRARIES = ("fairlearn.metrics", "hypothesis", "jinja2", "pandas", "pyarrow.parquet", "pydantic", "pytest", "scipy.special", "scipy.stats")
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning")
EQUIVALENT: dict[str, str] = {
    "audit/statistics/units/cluster_null.py:_normal_statistics 1 #1": "how many rows are held at once; every row is its own",
    "audit/statistics/units/cluster_null.py:into 1 #2": "NumPy takes any negative length, not only -1, as the unknown one",
    "reports/text/headline/audits.py:_undecided 1.0 #0": "no detectable difference is above 1, so 1.6 comes last as well",
    "audit/extensions/natural_shift/computation.py:_largest 1 #4": "NumPy takes any negative length, not only -1, as the unknown one",
    "audit/statistics/findings.py:_check_estimates sum #1": "numbers of images are never negative: the largest is above 0 where the sum is",
}
"""Why no test can distinguish a fault from the current code; no test is run against it."""


# ---- faults --------------------------------------------------------------------------------------------------------------------------

_TURNED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_EXCHANGED: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_OTHER_NAMES = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any", "less": "less_equal",
    "less_equal": "less", "argmax": "argmin", "argmin": "argmax", "fmax": "fmin", "sum": "max",
}  # fmt: skip
_OTHER_WORDS = {
    "disparity": "equivalent", "equivalent": "disparity", "inconclusive": "equivalent", "not estimable": "inconclusive",
    "signal": "no signal", "high": "low",
    "low": "high", "more": "less", "less": "more", "breached": "held", "held": "breached", "grew": "shrank",
}  # fmt: skip


def _variants(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """Yield each way to make a node wrong: its name, and what does it to a node of that shape."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED:
        yield type(node.ops[0]).__name__, lambda it: it.ops.__setitem__(0, _TURNED[type(it.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in _EXCHANGED and not isinstance(node.left, ast.Constant | ast.JoinedStr):
        yield type(node.op).__name__, lambda it: setattr(it, "op", _EXCHANGED[type(it.op)]())
    if isinstance(node, ast.BoolOp):
        yield type(node.op).__name__, lambda it: setattr(it, "op", ast.Or() if isinstance(it.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield type(node.op).__name__, lambda it: setattr(it, "op", ast.UAdd() if isinstance(it.op, ast.USub) else _Nothing())
    if isinstance(node, ast.Call) and (name := _called(node)) in _OTHER_NAMES:
        yield name, lambda it: _rename(it, _OTHER_NAMES[_called(it)])
    if isinstance(node, ast.Call) and _called(node) in ("abs", "sqrt") and len(node.args) == 1:
        yield _called(node), _without_call
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _OTHER_WORDS:
        yield repr(node.value), lambda it: setattr(it, "value", _OTHER_WORDS[it.value])
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield repr(node.value), lambda it: setattr(it, "value", it.value + 1 if isinstance(it.value, int) else it.value * 1.5 + 0.1)


class _Nothing(ast.Not):
    """Marks a `not` that is left out."""


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _rename(node: ast.Call, name: str) -> None:
    if isinstance(node.func, ast.Name):
        node.func.id = name
    else:
        node.func.attr = name


def _without_call(node: ast.Call) -> None:
    node.func = ast.Name("float", ast.Load()) if isinstance(node.args[0], ast.Constant) else ast.Lambda(
        ast.arguments([], [ast.arg("value")], None, [], [], None, []), ast.Name("value", ast.Load())
    )  # fmt: skip


class _LeaveOutNot(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.op, _Nothing) else node


@dataclass(frozen=True)
class Fault:
    """One wrong operator."""

    path: str
    function: str
    operator: str
    number: int
    """How many of its kind precede it in the function."""

    def __str__(self) -> str:
        return f"{self.path}:{self.function} {self.operator} #{self.number}"

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")

    def source(self) -> ast.Module:
        """Return the module with the fault."""
        tree = ast.parse((ROOT / self.path).read_text("utf-8"))
        for fault, node, spoil in places_in(self.path, tree):
            if fault == self:
                spoil(node)
                return ast.fix_missing_locations(_LeaveOutNot().visit(tree))
        raise LookupError(f"no such place: {self}")


def places_in(path: str, tree: ast.Module) -> Iterator[tuple[Fault, ast.AST, Callable[[ast.AST], None]]]:
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        numbers: Counter[str] = Counter()
        for statement in function.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            for node in _computing(statement):
                for operator, spoil in _variants(node):
                    yield Fault(path, function.name, operator, numbers[operator]), node, spoil
                    numbers[operator] += 1


def _computing(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those below it, without annotations: nothing is computed from these."""
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in ("annotation", "returns"):
                yield from _computing(child)


def faults(area: str) -> list[Fault]:
    """Return the faults of an area, chosen by the hash of their names."""
    modules, _, many = AREAS[area]
    files = [file for name in modules for file in (sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / name])]
    every = []
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        every += list(dict.fromkeys(fault for fault, _, _ in places_in(path, ast.parse(file.read_text("utf-8")))))
    return sorted(every, key=lambda fault: hashlib.sha256(str(fault).encode()).hexdigest())[:many]


# ---- the tests against a fault -------------------------------------------------------------------------------------------------------


class _Spoiled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with its fault."""

    def __init__(self, fault: Fault):
        self._fault, self._tree = fault, fault.source()

    def find_spec(self, name, path=None, target=None):
        if name != self._fault.module:
            return None
        return importlib.util.spec_from_file_location(name, ROOT / self._fault.path, loader=self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self._tree, self._fault.path, "exec"), module.__dict__)


class _FirstFailure:
    """A plug-in of pytest that remembers which test failed first."""

    test = ""

    def pytest_runtest_logreport(self, report):
        if report.failed and not self.test:
            self.test = report.nodeid

    def pytest_collectreport(self, report):
        if report.failed and not self.test:
            self.test = f"{report.nodeid} (cannot be imported)"


def killer(fault: Fault | None, stages: Sequence[list[str]]) -> str:
    """Return the test that notices a fault, or fails without one; empty where none does. Every fault has a process of its own."""
    (reading, writing), errors = os.pipe(), os.dup(2)
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        try:
            os.write(writing, _run(fault, stages).encode())
        except BaseException:
            traceback.print_exc(file=os.fdopen(errors, "w"))
            os._exit(1)
        os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + LIMIT_S
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"no end within {LIMIT_S} s"
        time.sleep(0.1)
    if ended[1]:
        raise SystemExit(f"the tests of {fault or 'no fault'} did not run: status {ended[1]}")
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode()


def _run(fault: Fault | None, stages: Sequence[list[str]]) -> str:
    """Run the files or tests of one stage after those of another; return the first test that fails."""
    import pytest

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if fault is not None:
        sys.meta_path.insert(0, _Spoiled(fault))
        try:
            importlib.import_module(fault.module)  # so that the doctests of the module are those of the fault
        except Exception as error:
            return f"{fault.path} (not imported: {type(error).__name__})"
    for files in stages:
        first = _FirstFailure()
        ended: object = None
        try:
            ended = pytest.main([*files, *OPTIONS], plugins=[first])
        except Exception:  # as of a folder that a collection stopped by a failure left open
            if not first.test:
                raise
        if first.test:
            return first.test
        if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise RuntimeError(f"the tests did not run: exit {ended}")
    return ""


def stages_of(fault: Fault, tests: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the files to run first (the module's doctests, the test file of its name, single files of the area), and all others."""
    every = list(dict.fromkeys(file for name in tests for file in _files(name)))
    of_the_name = [file for file in every if Path(file).name == f"test_{Path(fault.path).name}"]
    first = list(dict.fromkeys([fault.path, *of_the_name, *(name for name in tests if name.endswith(".py"))]))
    return first, [file for file in every if file not in first]


def _files(name: str) -> list[str]:
    place = ROOT / name
    return [str(file.relative_to(ROOT)) for file in sorted(place.rglob("test_*.py"))] if place.is_dir() else [name]


def run_area(area: str, passed: set[str], *, quick: bool) -> Iterator[tuple[Fault, str, float]]:
    """Yield each fault of an area with what killed it and the CPU seconds; `passed` collects the tests that pass without a fault."""
    stages = {fault: stages_of(fault, AREAS[area][1])[: 1 if quick else 2] for fault in faults(area)}
    fresh = dict.fromkeys(file for files in stages.values() for stage in files for file in stage if file not in passed)
    if fresh and (failing := killer(None, [list(fresh)])):
        raise SystemExit(f"{failing} fails without a fault")
    passed.update(fresh)
    for fault, files in stages.items():
        before = os.times().children_user
        found = "" if str(fault) in EQUIVALENT else killer(fault, files).partition("::")[0]
        yield fault, found, os.times().children_user - before


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--area", choices=AREAS, action="append")
    parse.add_argument("--list", action="store_true", help="name the faults, and run nothing")
    parse.add_argument("--quick", action="store_true", help="run only the likeliest tests of each fault, not those of its whole area")
    arguments = parse.parse_args()
    os.chdir(ROOT)
    areas = arguments.area or list(AREAS)
    if arguments.list:
        print(*(f"{area:<10} {fault}" for area in areas for fault in faults(area)), sep="\n")
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for library in LIBRARIES:  # once, for every child
        importlib.import_module(library)
    counted, passed = Counter(), set()
    for area in areas:
        for fault, found, seconds in run_area(area, passed, quick=arguments.quick):
            why = EQUIVALENT.get(str(fault), "")
            word = found or (f"equivalent: {why}" if why else "SURVIVES")
            print(f"{area:<10} {fault!s:<85} {seconds:5.1f} CPU s  {word}", flush=True)
            counted["killed" if found else "equivalent" if why else "survived"] += 1
    print(", ".join(f"{count} {what}" for what, count in counted.most_common()))
    return int(counted["survived"] > 0)


if __name__ == "__main__":
    sys.exit(main())
