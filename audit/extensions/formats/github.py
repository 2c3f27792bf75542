"""GitHub Actions: annotations on the gates, and the summary of the step.

A workflow command is a line of standard output that starts with ``::``; of a kind at most ten are shown per step.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.gates.policy import GatePolicy
from audit.results import Results
from reports.text.gates import check_reason
from reports.text.numbers import clean

MOST = 10
"""Annotations of a kind that GitHub shows per step."""
MOST_SUMMARY = 2**20
"""Bytes of a step's summary; more ends the upload of it."""


def gate_annotations(results: Results) -> Iterator[str]:
    """Yield a line per gate check that did not hold: an error if it fails the build, else a warning; what exceeds `MOST` is counted."""
    policy = GatePolicy.of(results.command)
    lines: dict[str, list[str]] = {"error": [], "warning": []}
    for gate in results.gates:
        for check in gate.checks:
            if check.outcome != "held":
                title = f"{gate.expression} · {check.finding or 'the whole audit'}"
                what = f"{check.outcome} for {check.model} ({check.probe}): {check_reason(check, results)}"
                lines["error" if policy.fails(check) else "warning"].append(_line(title, what))
    for kind, bodies in lines.items():
        shown = bodies if len(bodies) <= MOST else bodies[: MOST - 1]
        yield from (f"::{kind} {body}" for body in shown)
        if len(shown) < len(bodies):
            yield f"::{kind} {_line('more gates', f'{len(bodies) - len(shown)} more gate checks ended so; see the report')}"


def _line(title: str, message: str) -> str:
    named = _escaped(clean(title)).replace(":", "%3A").replace(",", "%2C")
    return f"title={named}::{_escaped(clean(message))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
