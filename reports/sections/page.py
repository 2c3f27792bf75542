"""The sections of a report, listed in page order, and the page that `page.html` prints.

To add a section, add a line to one of the lists, a template, and (if it needs more than the records) a module of the same name with
`view`. Analyses and accounts are in extensions, supporting evidence in `reports.evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.inputs import DataRecord
from audit.results import Results
from reports import evidence
from reports.context import AuditContext, audit_contexts
from reports.provenance import Provenance, provenance
from reports.read import RESULTS
from reports.section import (
    PRINTING,
    Article,
    Page,
    Section,
    ShownSection,
    account_sections,
    analysis_sections,
    appendix_parts,
    contents,
    sections_in,
    shown_sections,
)
from reports.sections.overview import Overview, overview
from reports.sections.provenance import data, labels, limits, prompts, requirements, slicer
from reports.sections.results import (
    answer,
    details,
    exploratory,
    gates,
    paired,
    paired_models,
    prompt_sensitivity,
    published,
    questions,
    replicates,
    signals,
    trust,
)
from reports.text import phrases
from reports.text.analyses import unread
from reports.text.detail.found import appendix_note
from reports.text.sentences import audits_title

OF_MODELS: Sequence[Section[Results]] = (
    Section("Models compared", "sections/results/paired_models", paired_models.view),
    Section("Replicates", "sections/results/replicates", replicates.view),
)
"""Sections about several audits together, before the individual ones."""
BEFORE_ANALYSES: Sequence[Section[AuditContext]] = (
    Section("The answer", "sections/results/answer", answer.view),
    Section("Questions", "sections/results/questions", questions.view),
    Section("Not planned", "sections/results/signals", signals.view),
)
"""Once per audit, before the sections of analyses."""
AFTER_ANALYSES: Sequence[Section[AuditContext]] = (
    Section("Not shown", "sections/results/unread", lambda context: unread(context.audit) or None),
    Section("Findings in detail", "sections/results/details", details.view),
    Section("Can it be trusted?", "sections/results/trust", trust.view),
)
"""Once per audit, after them, and before those of accounts."""
OF_PAGE: Sequence[Section[Results]] = (
    Section("What this cannot tell", "sections/provenance/limits", limits.view),
    Section("Slice it yourself", "sections/provenance/slicer", slicer.slicer),
)
"""Once per page, after the audits."""
APPENDIX_BEFORE_ANALYSES: Sequence[Section[AuditContext]] = (
    Section("Gates", "sections/results/gates", gates.view),
    Section("Exploratory comparisons", "sections/results/exploratory", exploratory.view),
    *sections_in(evidence),
    Section("Counterfactual pairs", "sections/results/paired", paired.view),
    Section("Prompt sensitivity", "sections/results/prompt_sensitivity", prompt_sensitivity.view),
    Section("Published numbers", "sections/results/published", published.view),
)
"""Collapsed, once per audit, before those of the analyses in the appendix."""
APPENDIX_AFTER_ANALYSES: Sequence[Section[AuditContext]] = (
    Section("Data", "sections/provenance/data", data.view),
    Section("Exact prompts", "sections/provenance/prompts", prompts.view),
    Section("Labels of the classifier", "sections/provenance/labels", labels.view),
    Section("Model", "sections/provenance/model"),
)
"""Collapsed, once per audit, after them."""
APPENDIX: Sequence[Section[Results]] = (
    Section("Method", "sections/provenance/method"),
    Section("Reproduce", "base/reproduce"),
    Section("Glossary", "sections/provenance/glossary"),
    Section("Requirements", "sections/provenance/requirements", requirements.view),
)
"""Collapsed, once per page."""
_SIGN_OFF = ShownSection("sign-off", "sign-off", "Sign-off", "base/sign_off.html", None)


@dataclass(frozen=True, kw_only=True)
class ReportPage(Page):
    """The page of one or several audits."""

    about: Provenance
    results: Results
    audits: Sequence[Article[AuditContext]]
    overview: Overview | None
    folded: bool
    """Whether the audits are collapsed, because the page is about several models."""
    together: tuple[ShownSection, ...]
    """Sections about several audits together."""
    anchors: Mapping[str, str]
    """The anchors of the appendix's sections, by anchor and by name."""
    places: Mapping[str, ShownSection]
    """The first section with each name on the page."""
    has_clusters: bool
    has_weights: bool
    has_independent_images: bool


def report_page(results: Results, facts: str) -> ReportPage:
    """Return everything that the templates print about `results`; `facts` is their JSON."""
    contexts, closing = audit_contexts(results), shown_sections(OF_PAGE, results)
    of_audit = (*BEFORE_ANALYSES, *analysis_sections(), *AFTER_ANALYSES, *account_sections())
    several, hashes = len(contexts) > 1, [audit.model.sha256 for audit in results.audits]
    glance = overview(contexts) if several else None
    folded = glance is not None and glance.chart is not None
    own = [_own_appendix(context, named=several and not folded) for context in contexts]
    audits = [
        Article(
            context,
            shown_sections(of_audit, context, context.key),
            parts if folded else (),
        )
        for context, parts in zip(contexts, own, strict=True)
    ]
    shared, together = appendix_parts(("", None, shown_sections(APPENDIX, results))), shown_sections(OF_MODELS, results)
    appendix = (*(part for parts in own for part in parts), *shared)
    return ReportPage(
        what="report",
        about=provenance(
            results,
            audits_title(results),
            hashes,
            RESULTS,
            facts,
            pictures=any(audit.examples or audit.pictures for audit in results.audits),
            examples=any(audit.examples for audit in results.audits),
        ),
        contents=contents(
            ("", "", together),
            *(
                (phrases.audit_name(part.context.audit) if several else "", part.context.key, () if folded else part.sections)
                for part in audits
            ),
            ("For all audits" if several else "", "", closing),
        ),
        results=results,
        audits=audits,
        overview=glance,
        folded=folded,
        together=together,
        closing=closing,
        appendix=shared if folded else appendix,
        appendix_note=appendix_note(RESULTS, has_tables=True),
        signed=bool(results.audits),
        scripts=(PRINTING, *(slicer.HASH for section in closing if section.name == "slicer")),
        anchors={name: section.anchor for section in (*appendix, *together) for name in (section.anchor, section.name)},
        **_units([audit.data for audit in results.audits]),
        places={section.name: section for section in reversed((*(audits[0].sections if audits else ()), *closing, *appendix, _SIGN_OFF))},
    )


def _own_appendix(context: AuditContext, *, named: bool) -> tuple[ShownSection, ...]:
    """Return the appendix of one audit; `named` says whether its titles name the audit."""
    name = phrases.audit_name(context.audit) if named else ""
    of_audit = (*APPENDIX_BEFORE_ANALYSES, *analysis_sections(appendix=True), *APPENDIX_AFTER_ANALYSES)
    return appendix_parts((name, context, shown_sections(of_audit, context, context.key)))


def _units(data: Sequence[DataRecord]) -> dict[str, bool]:
    """Return which sampling units the page has; the method leaves out entries about others."""
    return {
        "has_clusters": any(record.clusters is not None for record in data),
        "has_weights": any(record.weights is not None for record in data),
        "has_independent_images": any(record.clusters is None and record.weights is None for record in data),
    }
