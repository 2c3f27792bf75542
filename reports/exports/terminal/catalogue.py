"""The probes on a terminal: a list of all, or everything about one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from audit.cli.screen import Screen
from audit.probe.presence import Presence, presence
from audit.types import AnalysisPlan, Probe
from reports.exports.terminal.lines import lines_of

PRESENCE: dict[Presence, str] = {
    "own": "the data are included",
    "here": "the data are available",
    "missing packages": "the data come with packages that are not installed",
    "hub": "the data are downloaded in the first run, or set with --data",
    "given": "needs --data",
}


def catalogue_lines(groups: Mapping[str, Sequence[Probe]], screen: Screen) -> str:
    """Return two or three lines per probe, by group: question, data and licence, access, and whether the data are available."""
    lines: list[str] = []
    for title, probes in groups.items():
        lines += [*([""] * bool(lines)), *lines_of(title, screen), ""]
        for probe in probes:
            lines += [screen.paint(probe.name, "teal"), *lines_of(probe.question, screen, indent=2)]
            lines += lines_of(f"{probe.licence} · {gate(probe)} · {PRESENCE[presence(probe.data)]}", screen, indent=2)
    return "\n".join([*lines, "", "vlm-audit probes show NAME shows the questions, the layout of the data, and how to get them"])


def probe_lines(probe: Probe, screen: Screen) -> str:
    """Return everything that a user needs to know about a probe before running it."""
    return "\n".join(line for text, indent in _about(probe) for line in (lines_of(text, screen, indent=indent) if text else [""]))


def _about(probe: Probe) -> Iterator[tuple[str, int]]:
    yield f"{probe.name}: {probe.question}", 0
    yield from (("", 0), ("questions", 0))
    for measurement in probe.measurements:
        claims = [claim for claim in measurement.claims if claim.primary] or measurement.claims
        by = dict.fromkeys(" × ".join(claim.by) for claim in claims)
        planned = "" if any(claim.primary for claim in measurement.claims) else "; exploratory"
        yield f"{measurement.name}: {measurement.question} By {', '.join(by)}{planned}.", 2
    for plan in probe.analyses:
        yield f"{kind(plan)}: {plan.question} Exploratory.", 2
    yield from (("", 0), ("data", 0))
    if probe.data:
        yield f"{probe.data.name}: {probe.data.obtain}", 2
        if probe.data.layout:
            yield "--data contains:", 2
            yield from ((line, 4) for line in probe.data.layout)
    yield f"{gate(probe)}; {PRESENCE[presence(probe.data)]}", 2
    yield f"licence: {probe.licence}", 2
    yield f"source: {probe.source}", 2
    for title, texts in (("what it cannot tell", probe.limits), ("not tested", probe.not_tested)):
        yield from (("", 0), (title, 0), *((text, 2) for text in texts))
    yield from (("", 0), (f"vlm-audit run --model ckpt.pt --probe {probe.name}{_data_flag(probe)}", 0))


def _data_flag(probe: Probe) -> str:
    return " --data DIR" if presence(probe.data) in ("given", "hub") else ""


def gate(probe: Probe) -> str:
    """Say what must be done before the data may be used."""
    return f"gated: {probe.data.gate}" if probe.data and probe.data.gate else "open"


def kind(plan: AnalysisPlan) -> str:
    """Name the kind of a plan.

    Examples
    --------
    >>> from audit.analyses.plans import RankingPlan
    >>> kind(RankingPlan("?", {}, (), "v1"))
    'ranking'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(plan).__name__.removesuffix("Plan")).lower()
