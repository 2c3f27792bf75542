"""The sections of a report, listed in page order: results in, the page that `page.html` prints out.

A new section is a line in `OF_AUDIT` or `OF_PAGE`, a template, and a module of the same name with `view` if it takes more than the facts;
supporting evidence is found in `reports.sections.evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.results import Results, to_json
from reports.provenance import Provenance, provenance
from reports.read import RESULTS
from reports.section import Link, Section, ShownSection, links, shown_sections
from reports.sections import evidence
from reports.sections.context import AuditContext, audit_contexts
from reports.sections.provenance import data, prompts, requirements, slicer
from reports.sections.results import details, paired, prompt_sensitivity, published, verdict, what_if
from reports.text.sentences import audits_title

OF_AUDIT: Sequence[Section[AuditContext]] = (
    Section("Verdict", "sections/results/verdict", verdict.view),
    Section("Scope and limits", "sections/provenance/scope"),
    Section("All findings", "sections/results/findings"),
    Section("In detail", "sections/results/details", details.view),
    *evidence.sections(),
    Section("Published numbers", "sections/results/published", published.view),
    Section("Counterfactual pairs", "sections/results/paired", paired.view),
    Section("Prompt sensitivity", "sections/results/prompt_sensitivity", prompt_sensitivity.view),
    Section("What if …", "sections/results/what_if", what_if.view),
    Section("Data", "sections/provenance/data", data.view),
    Section("Exact prompts", "sections/provenance/prompts", prompts.view),
    Section("Model", "sections/provenance/model"),
)
"""Once an audit."""
OF_PAGE: Sequence[Section[Results]] = (
    Section("Slice it yourself", "sections/provenance/slicer", slicer.slicer),
    Section("Method", "sections/provenance/method"),
    Section("Reproduce", "base/reproduce"),
    Section("Glossary", "sections/provenance/glossary"),
    Section("Requirements", "sections/provenance/requirements", requirements.view),
    Section("Sign-off", "base/sign_off", lambda results: results if results.audits else None),
)
"""Once a page, after the audits."""


@dataclass(frozen=True)
class ShownAudit:
    """An audit with its sections."""

    context: AuditContext
    sections: tuple[ShownSection, ...]


@dataclass(frozen=True)
class ReportPage:
    """Everything that the templates print."""

    what = "report"
    about: Provenance
    results: Results
    audits: tuple[ShownAudit, ...]
    closing: tuple[ShownSection, ...]

    @property
    def contents(self) -> list[Link]:
        """The lines of the contents."""
        several = len(self.audits) > 1
        lines: list[Link] = []
        for each in self.audits:
            audit = each.context.audit
            lines += [Link(f"{audit.model.name} · {audit.probe.name}", each.context.key, "contents-audit")] if several else []
            lines += links(each.sections)
        return [*lines, *([Link("For all of them", kind="contents-audit")] if several else []), *links(self.closing)]

    @property
    def script(self) -> str:
        """What the page's policy lets run; empty for nothing."""
        return next((section.view.hash for section in self.closing if isinstance(section.view, slicer.Slicer)), "")

    @property
    def has_clusters(self) -> bool:
        """Whether the images of any audit come in clusters."""
        return any(audit.data.clusters is not None for audit in self.results.audits)

    @property
    def has_independent_images(self) -> bool:
        """Whether the sampling unit of any audit is the image."""
        return any(audit.data.clusters is None for audit in self.results.audits)

    @property
    def places(self) -> dict[str, ShownSection]:
        """Name of a section -> the first of that name on the page."""
        first = self.audits[0].sections if self.audits else ()
        return {section.name: section for section in (*first, *self.closing)}


def report_page(results: Results) -> ReportPage:
    """Return the page of `results`."""
    hashes = [audit.model.sha256 for audit in results.audits]
    pictures = any(audit.examples for audit in results.audits)
    return ReportPage(
        about=provenance(results, audits_title(results), hashes, RESULTS, to_json(results), pictures=pictures),
        results=results,
        audits=tuple(ShownAudit(context, shown_sections(OF_AUDIT, context, context.key)) for context in audit_contexts(results)),
        closing=shown_sections(OF_PAGE, results),
    )
