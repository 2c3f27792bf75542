"""Page blocks generated from the code: ``<!-- generated: NAME -->`` is replaced by the result of ``BLOCKS[NAME]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import probes
from audit.extensions.mitigate.options import MitigateRequest
from audit.extensions.watch.options import WatchRequest
from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest
from audit.statistics.metrics import METRICS
from audit.types import Probe
from docs.tools import command_line
from reports.exports.terminal import catalogue

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"<!-- generated: ([\w -]+?) -->")
TERMINAL = re.compile(r"(<!-- terminal: (.*?) -->\n```text\n)(.*?)(\n```\n<!-- end -->)", re.DOTALL)
"""The terminal output in the README: mark, command, lines, mark."""
_TERM = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>")
_COUNTED = {
    "all": "all images",
    "positive": "images whose true answer is in the outcome",
    "negative": "images whose true answer is not in the outcome",
    "selected": "images whose answer is in the outcome",
    "answered": "images not answered “unclear”",
}
_EVENTS = {
    "correct": "the answer is right",
    "selected": "the answer is in the outcome",
    "missed": "the answer is not in the outcome",
    "positive": "the true answer is in the outcome",
}
_BETTER = {"high": "higher", "low": "lower", "neither": "neither"}


def filled(markdown: str) -> str:
    """Replace the marks in a page by their blocks; KeyError for an unknown name."""
    return MARK.sub(lambda match: BLOCKS[match[1]](), markdown)


def _probes() -> str:
    """The question of each probe, by tier; only two columns, so that the tables fit between the navigation bars."""
    return "\n\n".join("\n".join([f"**{title}**", "", *_questions(group)]) for title, group in probes.by_tier().items())


def _questions(names: Sequence[str]) -> list[str]:
    rows = (f"| [`{name}`](probes.md#{name}) | {probes.question_of(name)} |" for name in names)
    return ["| `--probe` | question |", "|---|---|", *rows]


def _catalogue() -> str:
    groups = probes.by_tier().items()
    return "\n\n".join(text for title, group in groups for text in (f"## {title}", *(_about(probes.get(name)) for name in group)))


def _about(probe: Probe) -> str:
    """The catalogue entry of a probe: a heading and a list, because a table would be too wide."""
    claimed = dict.fromkeys(claim.metric.replace("_", " ") for measurement in probe.measurements for claim in measurement.claims)
    metrics = (*claimed, *dict.fromkeys(map(catalogue.kind, probe.analyses)), *(["counterfactual pairs"] if probe.paired else []))
    said = {
        "Data": f"{probe.data.name if probe.data else 'its own'} ({catalogue.gate(probe)})",
        "Licence": probe.licence,
        "Metrics": ", ".join(metrics),
        "Published numbers, in the report beside ours": ", ".join(table.name for table in probe.published),
        "Source": probe.source,
    }
    lines = (f"* {name}: {text}" for name, text in said.items() if text)
    return "\n".join([f"### `{probe.name}` {{ #{probe.name} }}", "", f"**{probe.question}**", "", *lines])


def _metrics() -> str:
    lines = [
        f"| [`{name}`]({each.source}) | {_EVENTS[each.event]} | {_COUNTED[each.denominator]} | {_BETTER[each.better]} |"
        for name, each in METRICS.items()
    ]
    return "\n".join(["| metric | an image is an event where | out of | better |", "|---|---|---|---|", *lines])


def _glossary() -> str:
    """The glossary of the report, one heading per term, so that each can be linked and searched."""
    html = (ROOT / "reports" / "sections" / "provenance" / "glossary.html").read_text("utf-8")
    terms = sorted(_TERM.findall(html), key=lambda term: term[0].casefold())
    return "\n\n".join(f"## {term}\n\n{meaning}" for term, meaning in terms)


def _terminal() -> str:
    found = TERMINAL.search((ROOT / "README.md").read_text("utf-8"))
    assert found is not None, "the README shows no run"
    return f"```text\n{found[3]}\n```"


BLOCKS: Mapping[str, Callable[[], str]] = {
    "audit options": partial(command_line.fields, AuditRequest),
    "catalogue": _catalogue,
    "command line": command_line.page,
    "compare options": partial(command_line.fields, CompareRequest),
    "glossary": _glossary,
    "metrics": _metrics,
    "mitigate options": partial(command_line.fields, MitigateRequest),
    "probes": _probes,
    "terminal": _terminal,
    "watch options": partial(command_line.fields, WatchRequest),
}
