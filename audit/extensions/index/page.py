"""The index of the finished audits below a folder, as `page.html` prints it.

Audits of the same images with the same probe share their questions: they are rows of one table, with a column per question. Every audit
is also a row of the table of all audits. The page's script sorts and filters both; without it, all rows are there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from audit.errors import AuditError
from audit.extensions.index import sentences as text
from audit.records.base import Verdict
from audit.results import AuditResult, Finding, Results
from audit.statistics.severity import by_severity, worst_first
from audit.version import __version__
from reports.charts.forest import Scale
from reports.charts.gaps import GapMark, gap_marks, gaps_axis
from reports.environment import draw
from reports.provenance import About, written_date
from reports.read import RESULTS, read_results
from reports.section import Page, script_hash
from reports.text import phrases, sentences
from reports.text.headline import captions, headline_of, question
from reports.text.several import by_task, fewest_places

HASH = script_hash("table.js", "audit.extensions.index")
MARK = "vlm-audit-index"
"""The id of the table of all audits, which distinguishes our own page from other files."""
_MOST_QUESTIONS = 8
"""How many questions a table of models and questions has; the others are in the reports."""
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
    verdict: Verdict
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
    worst: str
    """Verdict of that question; empty without one."""
    marks: GapMark | None
    text: str
    """What the filter searches."""


@dataclass(frozen=True)
class IndexCell:
    """One question of one audit; its gap and marks are empty if it cannot be estimated."""

    verdict: str
    gap: str
    interval: str
    key: str
    marks: GapMark | None


@dataclass(frozen=True)
class ModelRow:
    """One audit of several that share their questions; None stands for a question that it does not have."""

    model: str
    day: str
    date: str
    link: str
    verdict: str
    word: str
    verdict_key: str
    created: str
    text: str
    """What the filter searches."""
    cells: tuple[IndexCell | None, ...]


@dataclass(frozen=True)
class SharedQuestions:
    """Audits of the same images with the same probe: models as rows, planned questions as columns, worst first."""

    anchor: str
    title: str
    caption: str
    questions: tuple[str, ...]
    rows: tuple[ModelRow, ...]


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
    verdicts: Sequence[tuple[str, str]]
    """Code and word of the verdicts on this page, for the filter."""
    shared: Sequence[SharedQuestions]
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
    found = [_Found(entry.directory, entry.results, audit) for entry in entries if entry.results for audit in entry.results.audits]
    scale, _ = gaps_axis([worst for audit in found if (worst := audit.worst) is not None])
    rows = [_row(audit, start, scale) for audit in found]
    shared = _shared(found, start)
    verdicts = dict.fromkeys(sorted((row.verdict for row in rows), key=text.VERDICTS.index))
    broken = [BrokenAudit(_name(entry, start), entry.why) for entry in entries if entry.results is None]
    page = IndexPage(
        what="index",
        scripts=(HASH,),
        about=About(title=text.TITLE, tool=f"vlm-audit {__version__}"),
        contents=[
            *((table.title, table.anchor, "") for table in shared),
            (text.TABLE, MARK, ""),
            *([(text.BROKEN, "broken", "")] if broken else []),
        ],
        deck=text.index_deck(len(rows), len([entry for entry in entries if entry.results])),
        columns=text.COLUMNS,
        verdicts=[(verdict, sentences.VERDICTS[verdict].word) for verdict in verdicts],
        shared=shared,
        rows=rows,
        broken=broken,
        mark=MARK,
    )
    return draw("index/page.html", page=page, index=text)


@dataclass(frozen=True)
class _Found:
    """One audit of a directory."""

    directory: Path
    results: Results
    audit: AuditResult

    @property
    def planned(self) -> dict[str, Finding]:
        """The planned questions by id, worst first."""
        planned = worst_first(finding for finding in self.audit.findings if finding.primary)
        return {finding.id: finding for finding in planned}

    @property
    def worst(self) -> Finding | None:
        """The most severe planned question."""
        return next(iter(self.planned.values()), None)

    @property
    def word(self) -> str:
        """The verdict in words."""
        return headline_of(self.audit, self.results.settings).word

    @property
    def text(self) -> str:
        """Names by which a reader may look for it."""
        return f"{self.audit.model.name} {self.audit.probe.name} {self.audit.data.name} {self.results.timing.created[:10]}"


def _row(found: _Found, start: Path, scale: Scale) -> AuditRow:
    audit, worst, timing = found.audit, found.worst, found.results.timing
    cell = None if worst is None else _cell(worst, scale)
    asked = text.NONE_PLANNED if worst is None else question(worst, audit)
    return AuditRow(
        model=audit.model.name, probe=audit.probe.name, data=audit.data.name, images=audit.data.used, verdict=audit.verdict,
        word=found.word, question=asked, worst=worst.verdict if worst else "", text=f"{found.text} {asked}",
        gap=cell.gap if cell else "", interval=cell.interval if cell else "",
        level=text.level(found.results.settings.alpha) if worst and phrases.tested_bound(worst) is None else "",
        date=written_date(timing.created), day=timing.created[:10], link=_link(found.directory, start),
        keys=SortKeys(_verdict_key(audit.verdict), cell.key if cell else _NO_GAP, timing.created), marks=cell.marks if cell else None,
    )  # fmt: skip


_NO_GAP = "-1"
"""Sort key of a gap that cannot be estimated."""


def _cell(finding: Finding, scale: Scale, places: int | None = None) -> IndexCell:
    pair = phrases.leading_pair(finding) if finding.verdict != "not estimable" else None
    if pair is None:
        return IndexCell(finding.verdict, "", "", _NO_GAP, None)
    return IndexCell(finding.verdict, *phrases.gap_and_interval(finding, places), f"{pair.difference:.9f}", gap_marks(finding, scale))


def _verdict_key(verdict: str) -> str:
    return str(text.VERDICTS.index(verdict))


def _shared(found: Sequence[_Found], start: Path) -> list[SharedQuestions]:
    """Return a table for the audits of the same images with the same probe, if there are several."""
    alike: dict[tuple[str, str], list[_Found]] = {}
    for audit in found:
        if audit.planned:
            alike.setdefault((audit.audit.probe.name, audit.audit.data.fingerprint), []).append(audit)
    together = [audits for known in alike.values() for audits in by_task(known, lambda one: one.audit) if len(audits) > 1]
    tables = [_table(audits, f"questions-{number}", start) for number, audits in enumerate(together, 1)]
    titles = [table.title for table in tables]
    numbers = [titles[:position].count(title) + 1 for position, title in enumerate(titles)]
    return [
        table if number == 1 else replace(table, title=f"{table.title} ({number})") for table, number in zip(tables, numbers, strict=True)
    ]


def _table(audits: Sequence[_Found], anchor: str, start: Path) -> SharedQuestions:
    """Return the table of audits that share questions; a question that only one of them can ask has no column."""
    planned = [(finding, audit) for audit in audits for finding in audit.planned.values()]
    planned.sort(key=lambda pair: by_severity(pair[0]))
    counts = Counter(finding.id for finding, _ in planned)
    shared = [name for name in dict.fromkeys(finding.id for finding, _ in planned) if counts[name] > 1]
    columns = shared[:_MOST_QUESTIONS]
    titles = _titles([(finding, audit) for finding, audit in planned if finding.id in columns])
    scale, ticks = gaps_axis([finding for finding, _ in planned if finding.id in columns])
    places = {name: fewest_places([finding for finding, _ in planned if finding.id == name]) for name in columns}
    rows = [_model_row(audit, places, scale, start) for audit in audits]
    first = audits[0]
    levels = {text.level(audit.results.settings.alpha) for audit in audits}
    return SharedQuestions(
        anchor=anchor,
        title=text.shared_title(first.audit.probe.name, first.audit.data.name),
        caption=text.shared_caption(first.audit.data.used, ticks[-1][1], levels, len(shared) - len(columns)),
        questions=tuple(titles[name] for name in columns),
        rows=tuple(sorted(rows, key=lambda row: (row.verdict_key, *(-float(cell.key) for cell in row.cells[:1] if cell)))),
    )


def _titles(planned: Sequence[tuple[Finding, _Found]]) -> dict[str, str]:
    """Return the heading of each question by id: without its measurement, unless the headings of two questions were the same."""
    for title in (captions.groups_title, sentences.title):
        titles = {finding.id: title(finding, audit.audit) for finding, audit in reversed(planned)}
        if len({*titles.values()}) == len(titles):
            break
    return titles


def _model_row(audit: _Found, columns: Mapping[str, int], scale: Scale, start: Path) -> ModelRow:
    """Return a row; `columns` has the decimals of each question."""
    findings, created = audit.planned, audit.results.timing.created
    return ModelRow(
        model=audit.audit.model.name, day=created[:10], date=written_date(created), link=_link(audit.directory, start),
        verdict=audit.audit.verdict, word=audit.word, verdict_key=_verdict_key(audit.audit.verdict),
        created=created, text=audit.text,
        cells=tuple(_cell(findings[name], scale, places) if name in findings else None for name, places in columns.items()),
    )  # fmt: skip


def _link(directory: Path, start: Path) -> str:
    """Return the relative URL of the report, if any."""
    report = directory / "report.html"
    return quote(Path(os.path.relpath(report, start)).as_posix()) if report.is_file() else ""


def _name(entry: FoundAudit, start: Path) -> str:
    return Path(os.path.relpath(entry.directory, start)).as_posix()
