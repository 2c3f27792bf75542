"""What summary, terminal, headline and page say about the analyses of an audit: those of extensions, and of scores and trends."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

from audit.extension import Analysis, accounts, analyses
from audit.results import AuditResult, Results
from audit.types import Settings
from reports.text import phrases
from reports.text.phrases import NOT_PLANNED

EFFECTS = Analysis(
    "effects",
    field="effects",
    title="Scores and trends",
    place=5,
    template="effects/effects",
    record="audit.records.effect:EffectResult",
    plan="",
    computation="",
    section="reports.effects.section",
    sentences="reports.effects.sentences",
)
"""Of the core: claims about scores and trends, which may be planned, have a section like those of analyses."""


class SectionModule(Protocol):
    """The section and the table of an analysis; both are asked for only if there are records."""

    @staticmethod
    def view(context: Any) -> object | None:
        """Return what the template prints about an `AuditContext`; None if there is nothing to show."""
        ...

    @staticmethod
    def table(results: Results) -> Any:
        """Return its CSV table, a `reports.tidy.TidyTable`."""
        ...


class ExportsModule(Protocol):
    """The data frame and the plot of an analysis."""

    @staticmethod
    def data_frame(results: Results) -> Any:
        """Return a `pandas.DataFrame` of all audits; without records it is empty and has its columns."""
        ...

    @staticmethod
    def plot(audit: AuditResult, question: int | str, ax: Any) -> Any:
        """Plot a question, named by an index or a part of its text, on matplotlib Axes or, if None, a new figure; raises UsageError."""
        ...


class SentencesModule(Protocol):
    """The sentences about an analysis that has records.

    It may also have ``similarities_differ(audit)``, whether groups differ beyond chance in similarities to words, and
    ``not_understood(audit)``, which says why no question is answered.
    """

    WHERE: str
    """Its name in a list of analyses with differences beyond chance: ``"labels"``."""

    @staticmethod
    def line(audit: AuditResult, settings: Settings) -> str:
        """Return a sentence or two for summary and terminal; may be empty. In the appendix: a line that says so, for the terminal alone."""
        ...


def all_analyses() -> tuple[Analysis, ...]:
    """Return every analysis that can have a section, sorted by name."""
    return tuple(sorted((EFFECTS, *analyses()), key=lambda analysis: analysis.name))


def has_records(audit: AuditResult, analysis: Analysis) -> bool:
    """Whether an audit has records of an analysis."""
    return bool(audit.effects if analysis is EFFECTS else audit.analyses[analysis.field])


def lines(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return what summary and terminal say about the analyses of an audit: at most a sentence or two per analysis."""
    return (*(line for _, line in _lines(audit, settings)), *filter(None, (unread(audit),)))


def appendix_lines(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return what the terminal says about the analyses in the appendix."""
    return tuple(line for _, line in _lines(audit, settings, appendix=True))


def unread(audit: AuditResult) -> str:
    """Name what results have of analyses and accounts that no installed extension declares; empty if there is nothing."""
    known = {*(analysis.field for analysis in analyses()), *(account.field for account in accounts())}
    found = {**audit.analyses, **audit.accounts}
    named = phrases.some([f"‘{field}’" for field, records in found.items() if records and field not in known])
    return f"The results also have {named}, which no extension that is installed reads: kept, and not shown." if named else ""


def beyond_chance(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Name the analyses that find a difference beyond chance: ``("labels", "rankings")``."""
    return tuple(sentences.WHERE for sentences, line in _lines(audit, settings) if line.startswith(NOT_PLANNED))


def any_similarity_differs(audit: AuditResult) -> bool:
    """Whether an analysis of similarities to words finds a difference between groups beyond chance."""
    return any(sentences.similarities_differ(audit) for sentences in _sentences(audit) if hasattr(sentences, "similarities_differ"))


def withheld(audit: AuditResult) -> str:
    """Say why no question of an audit is answered, if a precondition is not met; empty otherwise."""
    said = (sentences.not_understood(audit) for sentences in _sentences(audit) if hasattr(sentences, "not_understood"))
    return next(filter(None, said), "")


def _sentences(audit: AuditResult, *, appendix: bool = False) -> Iterator[Any]:
    shown = (analysis for analysis in all_analyses() if analysis.appendix == appendix and has_records(audit, analysis))
    return (import_module(analysis.sentences) for analysis in shown)


def _lines(audit: AuditResult, settings: Settings, *, appendix: bool = False) -> Iterator[tuple[Any, str]]:
    for sentences in _sentences(audit, appendix=appendix):
        if line := sentences.line(audit, settings):
            yield sentences, line
