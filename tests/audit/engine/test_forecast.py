"""What a forecast counts before an audit: groups of analyses, and the pictures that conditions change."""

from dataclasses import replace

import pytest

from audit.analyses.plans import AssociationPlan, AttackPlan, ImageConditionsPlan
from audit.cli.screen import Screen
from audit.engine.forecast import AuditForecast, ModelForecast, forecast_probe, shared_images
from audit.engine.plan import ProbePlan
from audit.measure.asked.likelihood import PLAIN
from audit.testing import four_faces, gender_probe
from audit.types import Manner, Settings
from reports.exports.terminal.forecast import _time, forecast_lines
from tests.support.analyses import gallery, probe_of

WORDS = {"career": ("an office", "a desk"), "family": ("a home",)}
PLAN = AssociationPlan("Who is near to career?", WORDS, ("gender", "race"), "test v1")


def test_a_probe_of_analyses_alone_names_its_groups():
    planned = forecast_probe(ProbePlan(probe_of(gallery(), [PLAN]), gallery(), Settings()))
    assert (planned.planned, planned.exploratory, planned.changed, planned.attacked) == (0, 0, 0, 0)
    assert planned.groups["gender"] == {"Female": 200, "Male": 200}
    assert set(planned.groups) == {"gender", "race"}


def test_questions_are_counted_as_each_model_is_asked_them():
    """Accuracy, and an exploratory rate. Asked in words: three ways without an answer; another order and another instruction."""
    dataset = gallery()
    sent = Manner(outcomes=("refusal", "unparsed"), instructions=True)
    counts = {1: (None, None), 2: (PLAIN, None), 4: (sent, PLAIN, None)}
    found = {first: forecast_probe(ProbePlan(gender_probe(dataset), dataset, Settings()), manners) for first, manners in counts.items()}
    assert {first: (each.planned, each.exploratory) for first, each in found.items()} == {1: (1, 1), 2: (2, 2), 4: (4, 3)}
    assert [each.otherwise for each in found.values()] == [(), ((1, 1),), ((2, 2), (1, 1))]
    model = ModelForecast("a", "?", 1, (), None)
    lines = forecast_lines(AuditForecast((model,), (found[2],), (), None, False, None), Screen(200))
    assert "2 planned questions, 2 exploratory comparisons; 1 and 1 of a model that is prompted in another way" in lines


@pytest.mark.extension("conditions")
def test_changed_pictures_count_as_pictures_to_embed_but_not_of_a_model_that_is_asked():
    """500 images, of which 400 are changed: two corruptions at five strengths, one size and one printed word are 12 each."""
    dataset = gallery(500)
    shown = dict(question="?", measurement="gender", by=("race",))
    plans = (ImageConditionsPlan(**shown, corruptions=("JPEG", "contrast"), words={"a": "b"}), AttackPlan(**shown))
    planned = forecast_probe(ProbePlan(replace(gender_probe(dataset), analyses=plans), dataset, Settings()))
    assert (planned.changed, planned.attacked) == (400 * 12, 400)
    embeds, cached, asked = (
        ModelForecast(name, "?", 1, found, pace) for name, found, pace in (("a", (0,), 0.1), ("b", (500,), None), ("c", (), None))
    )
    of = {model.name: AuditForecast((model,), (planned,), (), None, False, None) for model in (embeds, cached, asked)}
    assert {name: plan.to_embed for name, plan in of.items()} == {"a": 5300, "b": 4800, "c": 500}
    assert (of["a"].seconds, of["b"].seconds, of["c"].seconds) == (530.0, None, None)
    assert (_time(of["b"]), _time(of["c"])) == (
        "unknown: 4,800 images are embedded",
        "unknown: 500 images are sent to a model with questions",
    )
    lines = {name: forecast_lines(plan, Screen(100)) for name, plan in of.items()}
    assert "0 images in the cache for a" in lines["a"]
    assert "in the cache" not in lines["c"]


def test_images_of_several_probes_are_counted_once():
    """48 faces; the second probe reads another column of them, the third a half, the fourth other images of the same names."""
    faces = four_faces(12)
    column = replace(faces, attributes=faces.attributes[["race"]].iloc[::-1], images=faces.images[::-1], fingerprint="another table")
    half = replace(faces, attributes=faces.attributes.iloc[:24], images=faces.images[:24], fingerprint="a part")
    datasets = [faces, column, half, replace(faces, images=[bytes([1, *content]) for content in faces.images])]
    assert shared_images(datasets) == (0, 48, 24, 0)
    assert shared_images(datasets[2:3] + datasets[:1]) == (0, 24)
    probes = [forecast_probe(ProbePlan(gender_probe(faces), faces, Settings()))] * 2
    probes = (probes[0], replace(probes[1], shared=24))
    model = ModelForecast("m", "CLIP", 1, (12, 12), 1.0)
    plan = AuditForecast((model,), probes, (), None, False, None)
    assert plan.to_embed == 36 + 18  # a quarter of the images of each is cached
    lines = forecast_lines(plan, Screen(200))
    assert "24 of the images of earlier probes: they are embedded once" in lines
    assert AuditForecast((replace(model, cached=()),), probes, (), None, False, None).to_embed == 48 + 24
