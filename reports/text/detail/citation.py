"""How to cite a finding: as a sentence and as BibTeX."""

from __future__ import annotations

import hashlib
from typing import Protocol

from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases
from reports.text.detail.found import found_title
from reports.text.headline import interval_level
from reports.text.numbers import count, end, points, short_hash

_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", **{char: f"\\{char}" for char in "%&#$_"}, "~": r"\~{}", "^": r"\^{}"}
)


class Source(Protocol):
    """The tool that made a page, the date, and the hash of results.json."""

    tool: str
    created: str
    sha256: str


def cite_sentence(finding: Finding, audit: AuditResult, settings: Settings, source: Source) -> str:
    """Return a finding as a sentence to quote, with n, interval, and the hash of the file that has every number."""
    return (
        f"{found_title(finding, audit)} ({_numbers(finding, settings)}). {_source(audit, source)}; sha256 of results.json {source.sha256}."
    )


def bibtex(finding: Finding, audit: AuditResult, settings: Settings, source: Source) -> str:
    """Return the same for BibTeX; the key is unique for every finding of every audit on a page."""
    fields = {
        "title": found_title(finding, audit),
        "howpublished": _source(audit, source),
        "year": source.created.partition(",")[0].rpartition(" ")[2],
        "note": f"{_numbers(finding, settings)}; finding {finding.id}; sha256 of results.json {source.sha256}",
    }
    which = hashlib.sha256("\0".join([audit.model.name, audit.probe.name, finding.id]).encode("utf-8", "surrogatepass")).hexdigest()
    key = f"vlm-audit-{short_hash(source.sha256)}-{which[:8]}"
    return "\n".join([f"@misc{{{key},", *(f"  {name} = {{{_latex(value)}}}," for name, value in fields.items()), "}"])


def _numbers(finding: Finding, settings: Settings) -> str:
    pair, n = phrases.leading_pair(finding), f"n = {count(finding.overall.n)}"
    if pair is None:
        return f"not estimable, {n}"
    what = "widest gap" if finding.diffuse else "gap"
    if finding.verdict not in ("disparity", "signal") and phrases.number_compared(finding) > 2:
        what = " and ".join(phrases.group(group) for group in phrases.leading_groups(finding)) + ": gap"
    places = phrases.gap_places(finding)
    interval = f"{interval_level(settings)} % interval {end(pair.low, places)} to {end(pair.high, places)}"
    return f"{what} {points(pair.difference, places)}, {interval}, {n}"


def _source(audit: AuditResult, source: Source) -> str:
    probe = "" if audit.probe.name == "predictions" else f" with the {audit.probe.name} probe"
    return f"Audit of {audit.model.name} (sha256 {short_hash(audit.model.sha256)}){probe}, {source.tool}, {source.created}"


def _latex(text: str) -> str:
    r"""Escape a text so that BibTeX prints it unchanged.

    Examples
    --------
    >>> _latex("50 % of a_b {c}")
    '50 \\% of a\\_b \\{c\\}'
    """
    return text.translate(_LATEX)
