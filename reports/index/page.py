"""The index of the finished audits below a folder, as `page.html` prints it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from audit.errors import AuditError
from audit.results import AuditResult, Finding, Results
from audit.version import __version__
from reports.environment import draw
from reports.provenance import About, written_date
from reports.read import RESULTS, read_results
from reports.section import Page
from reports.text import index as text
from reports.text import phrases
from reports.text.headline import headline_of, question
from reports.text.order import by_severity

SCRIPT = (files("reports.index") / "sort.js").read_text("utf-8")
HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""The page's content security policy allows exactly this script and no other."""
MARK = "vlm-audit-index"
"""The id of the table, which distinguishes our own page from other files."""
_DEEPEST = 4
"""How many levels below the folder are searched for audits."""


@dataclass(frozen=True)
class FoundAudit:
    """The directory of an audit, with its results."""

    directory: Path
    results: Results | None
    why: str = ""
    """Why it cannot be read; otherwise empty."""


@dataclass(frozen=True)
class SortKeys:
    """Sort keys of the columns that do not sort by their text."""

    verdict: str
    gap: str
    date: str


@dataclass(frozen=True)
class AuditRow:
    """One audit: one model under one probe."""

    model: str
    probe: str
    data: str
    images: int
    verdict: str
    word: str
    question: str
    gap: str
    interval: str
    level: str
    date: str
    day: str
    link: str
    """Link to the report, if any."""
    keys: SortKeys


@dataclass(frozen=True)
class BrokenAudit:
    """A directory whose audit cannot be read."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class IndexPage(Page):
    """The page of an index."""

    about: About
    deck: str
    columns: Sequence[str]
    rows: Sequence[AuditRow]
    broken: Sequence[BrokenAudit]
    mark: str
    """The id of the table."""


def found_audits(folder: Path) -> list[FoundAudit]:
    """Return the audits in a folder and some levels below it, sorted by path; unreadable ones with the reason."""
    return [_read(path) for path in sorted(_directories(folder))]


def _directories(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        depth = len(Path(directory).relative_to(folder).parts)
        folders[:] = [name for name in folders if not name.startswith(".") and depth < _DEEPEST]
        if RESULTS in names:
            yield Path(directory)


def _read(directory: Path) -> FoundAudit:
    try:
        return FoundAudit(directory, read_results(directory, pages=False))
    except AuditError as error:
        return FoundAudit(directory, None, error.what if error.why is None else f"{error.what}: {error.why}")


def index_page(entries: Sequence[FoundAudit], start: Path) -> str:
    """Return the index as HTML; links are relative to the folder `start`."""
    rows = [row for entry in entries if entry.results for row in _rows(entry, entry.results, start)]
    broken = [BrokenAudit(_name(entry, start), entry.why) for entry in entries if entry.results is None]
    page = IndexPage(
        what="index",
        script=HASH,
        about=About(title=text.TITLE, tool=f"vlm-audit {__version__}"),
        contents=[(text.TABLE, MARK, ""), *([(text.BROKEN, "broken", "")] if broken else [])],
        deck=text.deck(len(rows), len([entry for entry in entries if entry.results])),
        columns=text.COLUMNS,
        rows=rows,
        broken=broken,
        mark=MARK,
    )
    return draw("index/page.html", page=page, sort=text)


def _rows(entry: FoundAudit, results: Results, start: Path) -> Iterator[AuditRow]:
    for audit in results.audits:
        worst = min((finding for finding in audit.findings if finding.primary), key=by_severity, default=None)
        gap, interval = phrases.gap_and_interval(worst) if worst is not None and worst.verdict != "not estimable" else ("", "")
        yield AuditRow(
            model=audit.model.name, probe=audit.probe.name, data=audit.data.name, images=audit.data.used, verdict=audit.verdict,
            word=headline_of(audit, results.settings).word, question=question(worst, audit) if worst is not None else text.NONE_PLANNED,
            gap=gap, interval=interval, level=text.level(results.settings.alpha),
            date=written_date(results.timing.created), day=results.timing.created[:10],
            link=_link(entry.directory, start), keys=_keys(audit, worst, results),
        )  # fmt: skip


def _keys(audit: AuditResult, worst: Finding | None, results: Results) -> SortKeys:
    order = text.VERDICTS.index(audit.verdict) if audit.verdict in text.VERDICTS else len(text.VERDICTS)
    pair = phrases.leading_pair(worst) if worst is not None and worst.verdict != "not estimable" else None
    return SortKeys(str(order), gap=f"{pair.difference if pair else -1.0:.9f}", date=results.timing.created)


def _link(directory: Path, start: Path) -> str:
    """Return the relative URL of the report, if any."""
    report = directory / "report.html"
    return quote(Path(os.path.relpath(report, start)).as_posix()) if report.is_file() else ""


def _name(entry: FoundAudit, start: Path) -> str:
    return Path(os.path.relpath(entry.directory, start)).as_posix()
