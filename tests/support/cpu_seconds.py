"""A plug-in of pytest that prints where the CPU seconds of the tests go: ``pytest -p tests.support.cpu_seconds``, or ``make test-profile``.

Seconds of the processor, not of the clock: they hardly depend on what else the machine does. Those of a test's processes count once these
have ended, with the test that waits for them; a browser or a server that outlives its test counts with a later one.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SLOWEST = 40


def spent() -> tuple[float, float]:
    """Return the CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime


@dataclass(eq=False)
class CpuSeconds:
    """Measures each phase of each test (in the workers), and adds them up (in the process that prints)."""

    before: tuple[float, float] = (0.0, 0.0)
    tests: Counter = field(default_factory=Counter)
    own: Counter = field(default_factory=Counter)
    children: Counter = field(default_factory=Counter)
    collected: Counter = field(default_factory=Counter)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        now = spent()
        report.cpu_s = [after - before for after, before in zip(now, self.before, strict=True)]
        self.before = now
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session):
        self.before = spent()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["collected_cpu_s"] = self.before[0]
        else:
            self.collected["alone"] = self.before[0]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.collected[node.gateway.id] = getattr(node, "workeroutput", {}).get("collected_cpu_s", 0.0)

    def pytest_runtest_logreport(self, report):
        own, children = getattr(report, "cpu_s", (0.0, 0.0))
        path = report.nodeid.partition("::")[0]
        self.own[path] += own
        self.children[path] += children
        self.tests[report.nodeid] += own + children

    def pytest_terminal_summary(self, terminalreporter):
        write = terminalreporter.write_line
        terminalreporter.section("CPU seconds")
        write(f"collection: {sum(self.collected.values()):.0f} s in {len(self.collected)} processes")
        folders: Counter = Counter()
        for path, seconds in (self.own + self.children).items():
            folders["/".join(Path(path).parts[:-1][:3])] += seconds
        _table(write, "folder", folders)
        _table(write, "file (of these in its processes)", self.own + self.children, self.children)
        _table(write, "test", self.tests)
        write(f"tests: {sum(self.tests.values()):.0f} s, {sum(self.children.values()):.0f} of them in their processes")


def _table(write, title, seconds, children=None):
    write(f"\n{title}")
    for name, total in seconds.most_common(SLOWEST):
        write(f"{total:8.1f}{f' ({children[name]:.1f})' if children else ''} {name}")


def pytest_configure(config):
    config.pluginmanager.register(CpuSeconds(), "cpu-seconds")
