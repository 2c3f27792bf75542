"""The sections of a report, listed in page order: results in, the page that `page.html` prints out.

A new section is a line in `OF_AUDIT` or `OF_PAGE`, a template, and a module of the same name with `view` if it takes more than the facts;
supporting evidence is found in `reports.sections.evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.results import AuditResult, Results, to_json
from reports.provenance import provenance
from reports.read import RESULTS
from reports.section import Section, contents, shown_sections
from reports.sections import evidence
from reports.sections.context import AuditContext, audit_contexts
from reports.sections.provenance import data, prompts, requirements, slicer
from reports.sections.results import details, paired, paired_models, prompt_sensitivity, published, replicates, verdict, what_if
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
    Section("Models compared", "sections/results/paired_models", paired_models.view),
    Section("Replicates", "sections/results/replicates", replicates.view),
    Section("Slice it yourself", "sections/provenance/slicer", slicer.slicer),
    Section("Method", "sections/provenance/method"),
    Section("Reproduce", "base/reproduce"),
    Section("Glossary", "sections/provenance/glossary"),
    Section("Requirements", "sections/provenance/requirements", requirements.view),
    Section("Sign-off", "base/sign_off", lambda results: results if results.audits else None),
)
"""Once a page, after the audits."""


def report_page(results: Results) -> SimpleNamespace:
    """Return everything that the templates print of `results`."""
    contexts, closing = audit_contexts(results), shown_sections(OF_PAGE, results)
    audits = [SimpleNamespace(context=each, sections=shown_sections(OF_AUDIT, each, each.key)) for each in contexts]
    several, data_of = len(audits) > 1, [audit.data for audit in results.audits]
    hashes = [audit.model.sha256 for audit in results.audits]
    pictures = any(audit.examples for audit in results.audits)
    return SimpleNamespace(
        what="report",
        about=provenance(results, audits_title(results), hashes, RESULTS, to_json(results), pictures=pictures),
        contents=contents(
            *((_name(each.context.audit) if several else "", each.context.key, each.sections) for each in audits),
            ("For all of them" if several else "", "", closing),
        ),
        results=results,
        audits=audits,
        closing=closing,
        # What the page's policy lets run; empty for nothing.
        script=slicer.HASH if any(section.name == "slicer" for section in closing) else "",
        has_clusters=any(each.clusters is not None for each in data_of),
        has_weights=any(each.weights is not None for each in data_of),
        has_independent_images=any(each.clusters is None and each.weights is None for each in data_of),
        # Name of a section -> the first of that name on the page.
        places={section.name: section for section in (*(audits[0].sections if audits else ()), *closing)},
    )


def _name(audit: AuditResult) -> str:
    return f"{audit.model.name} · {audit.probe.name}"
