"""Views: templates read frozen dataclasses, every template is drawn under `StrictUndefined`, and every field of a view is read by one."""

import pkgutil
from dataclasses import is_dataclass, replace
from importlib import import_module
from types import SimpleNamespace

import jinja2
import pytest

import reports
from audit.evidence.score_spread import GroupSpread, ScoreSpread
from audit.extension import accounts, facts_files, find
from audit.records.gates import GateCheck, GateResult
from audit.records.inputs import RowTexts, TextSet
from audit.types import Claim, Note
from reports import environment as environments
from reports.charts.forest import Mark, Scale
from reports.comparison.context import ComparisonContext
from reports.context import AuditContext
from reports.evidence.answers import Deviation
from reports.render import render, render_comparisons
from reports.section import Section
from tests.reports import test_effects
from tests.reports.text.test_replicates import replicated
from tests.support import comparison_samples, whole_page
from tests.support import report_samples as samples
from tests.support.extension_pages import extension_pages

WITHOUT_TEMPLATES = ("reports.text", "reports.exports", "reports.tidy")
PREPARE_VIEWS = {AuditContext, ComparisonContext, Deviation, Scale, Section}
"""Dataclasses that views are made from."""
MODELS = {"skewed": {"a": 1, "b": 60}, "plain": {"a": 2, "b": 6}}
"""Name -> how many answers are wrong in each group."""
SPREAD = ScoreSpread("role", None, ("race",), (GroupSpread(("Black",), 40, (0.1, 0.4, 0.6, 0.8, 0.9)),))


def many_groups():
    """Return an audit of one question by 30 groups, of which one is too small to be compared."""
    cells = {(f"place {i:02d}",): (30 + i, 100) for i in range(29)} | {("small",): (3, 5)}
    findings, verdict = samples.concluded([samples.finding("role", Claim("accuracy", ("place",)), "high", cells)])
    return samples.results(replace(samples.emoji(), findings=findings, verdict=verdict, paired=(), specifications=()))


def prompted(audit):
    """Return an audit with questions that differ by row, texts of prompt sensitivity, and a curve that cannot be estimated."""
    record = replace(audit.measurements[0], row_texts=RowTexts(10, 1, 2, False, ("yes", "no"), (("Is it?", "it is", "it is not"),)))
    curve = audit.specifications[0]
    unknown = dict.fromkeys(("difference", "low", "high", "p", "gap"))
    summary = dict.fromkeys(("median", "smallest", "largest", "share_same_sign", "share_detected", "shares", "joint_p"))
    nothing = replace(curve, points=tuple(replace(point, **unknown) for point in curve.points), **summary)
    return replace(
        audit,
        measurements=(record, *audit.measurements[1:]),
        specifications=(*audit.specifications, nothing),
        texts=("a face",),
        text_sets=(TextSet("prompt-sensitivity", (curve.question,), "plain", "faces", (0,)),),
    )


def every_analysis():
    """Yield each analysis with the name of its extension."""
    return ((extension.name, analysis) for extension in find().extensions for analysis in extension.analyses)


def analysed():
    """Return results of an audit with every kind of analysis and evidence."""
    audit = prompted(samples.with_evidence(samples.fairface(), odd=True))
    found = {}
    for extension, analysis in every_analysis():
        found[analysis.field] = import_module(f"tests.extensions.{extension}.test_section").records()
    audit = replace(audit, evidence=replace(audit.evidence, score_spread=(SPREAD,)), effects=test_effects.records())
    return samples.results(audit.with_analyses(found))


def unread():
    """Return results with the records of an analysis that no extension declares."""
    return samples.results(samples.emoji().with_analyses({"odd": ({"a": 1},)}))


def gated():
    """Return a comparison with a gate and a group that is too small to be compared."""
    rows = comparison_samples.attributes().iloc[110:]  # 10 images of a, 120 of b and of c
    audited = [(name, comparison_samples.result(comparison_samples.model(name), wrong, rows=rows)) for name, wrong in MODELS.items()]
    comparisons = comparison_samples.facts(*audited)
    comparison = comparisons.comparisons[0]
    check = GateCheck(comparison.after, comparison.probe, comparison.changes[0].id, "held", (Note.of("It holds."),))
    return replace(comparisons, gates=(GateResult("change[gap] > 0.1", "held", (check,)),))


def draw_pages():
    render(whole_page.whole())
    render(analysed())
    render(unread())
    render(many_groups())
    of_labels = samples.emoji()
    render(samples.results(replace(of_labels, model=replace(of_labels.model, labels=of_labels.measurements[0].labels))))
    render(comparison_samples.two_models())
    render(replicated())
    render_comparisons(gated())
    render_comparisons(comparison_samples.four_steps())
    render_comparisons(comparison_samples.three_models())
    render_comparisons(comparison_samples.forty_groups())
    for pages in extension_pages().values():
        for draw in pages.values():
            draw()


@pytest.fixture(scope="module")
def drawn():
    """Draw pages with a new environment; return it and every pair of a type and an attribute that templates read."""
    made, reads, read = environments.environment.__wrapped__(), set(), jinja2.Environment.getattr

    def noted(environment, value, attribute):
        reads.add((type(value), attribute))
        return read(environment, value, attribute)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "getattr", noted)
        patch.setattr(environments, "environment", lambda: made)
        draw_pages()
    return made, reads


def views():
    """Return the public dataclasses of the packages whose templates print them, but for those that prepare views."""
    names = {module.name for module in pkgutil.walk_packages(reports.__path__, "reports.")}
    for page in {file.render.partition(":")[0] for file in facts_files()}:
        names |= {page, *(module.name for module in pkgutil.iter_modules(getattr(import_module(page), "__path__", ()), f"{page}."))}
    names |= {one.section for one in (*(analysis for _, analysis in every_analysis()), *accounts())}
    names = {name for name in names if not name.startswith(WITHOUT_TEMPLATES)}
    classes = {value for name in names for value in vars(import_module(name)).values() if isinstance(value, type) and is_dataclass(value)}
    return {cls for cls in classes if cls.__module__ in names and cls.__name__[0] != "_"} - PREPARE_VIEWS


def test_every_template_is_drawn_and_a_missing_name_stops_it(drawn):
    environment, _ = drawn
    every = set(environment.list_templates(extensions=["html"]))

    assert len(every) > 50
    assert {name for _, name in environment.cache} >= every
    with pytest.raises(jinja2.UndefinedError, match="textt"):
        environment.from_string("{{ mark.textt }}").render(mark=Mark("1", "2", "three"))


@pytest.mark.extension("watch")
def test_every_field_of_every_view_is_read_by_a_template(drawn):
    _, reads = drawn
    every = views()

    assert len(every) > 60
    unread = {
        f"{cls.__module__}.{cls.__name__}.{field}"
        for cls in every
        for field in vars(cls).get("__annotations__", ())
        if not any(issubclass(of, cls) for of, attribute in reads if attribute == field)
    }
    assert sorted(unread) == []


def test_views_are_frozen_and_templates_read_no_namespaces(drawn):
    _, reads = drawn

    assert SimpleNamespace not in {cls for cls, _ in reads}
    assert not [cls.__name__ for cls in views() if not cls.__dataclass_params__.frozen]
