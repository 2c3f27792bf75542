"""A plug-in of pytest that records which test runs which line: ``pytest -p tests.support.covered_lines``, with ``pip install coverage``.

`benchmarks.conclusions.mutants_anywhere` asks it which tests could notice a fault at a line. Lines that only a test's own processes run are
not recorded, and a fixture of a module counts for the test that needs it first.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("audit", "contrastive", "probes", "reports", "strictio", "verify")
FOLDER = ROOT / ".covered"


class CoveredLines:
    """Starts with the worker, and has a context for each test."""

    def __init__(self):
        import coverage

        FOLDER.mkdir(exist_ok=True)
        self.tests: dict[str, list] = {}
        self.name = os.environ.get("PYTEST_XDIST_WORKER", "alone")
        self.measured = coverage.Coverage(
            data_file=str(FOLDER / f"{self.name}.lines"), source=[str(ROOT / package) for package in PACKAGES], config_file=False
        )
        self.measured.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        self.measured.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report):
        known = self.tests.setdefault(report.nodeid, [0.0, "slow" in report.keywords])
        known[0] += report.duration

    def pytest_sessionfinish(self):
        self.measured.stop()
        self.measured.save()
        (FOLDER / f"{self.name}.json").write_text(json.dumps(self.tests))


def pytest_configure(config):
    if "PYTEST_XDIST_WORKER" in os.environ or not config.getoption("numprocesses", None):
        config.pluginmanager.register(CoveredLines(), "covered-lines")


def tests_by_line() -> dict[str, dict[int, set[str]]]:
    """Return the tests that run each line, by path from the root and number; a line that only imports run has none."""
    from coverage.numbits import numbits_to_nums

    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in sorted(FOLDER.glob("*.lines")):
        lines = "select path, context, numbits from line_bits join file on file.id = file_id join context on context.id = context_id"
        for path, test, bits in sqlite3.connect(file).execute(lines):
            for line in numbits_to_nums(bits) if test else ():
                found[Path(path).relative_to(ROOT).as_posix()][line].add(test)
    return found


def seconds_and_tiers() -> dict[str, tuple[float, bool]]:
    """Return for each recorded test how long it took and whether it is slow."""
    return {test: tuple(known) for file in sorted(FOLDER.glob("*.json")) for test, known in json.loads(file.read_text()).items()}
