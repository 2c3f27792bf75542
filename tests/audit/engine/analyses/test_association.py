"""Associations of an audit: a planted one is found with its direction, shuffled ones as rarely as promised, and doubts are said."""

from dataclasses import replace

import numpy as np
import pytest

from audit.engine.analyses import association
from audit.engine.probe_audit import audit
from audit.errors import UsageError
from audit.measure.association import c_asc
from audit.measure.zero_shot import cosine_scores
from audit.plans import AssociationPlan
from audit.records.results import from_json, to_json
from audit.testing import FakeEncoder, gender_probe
from audit.types import Probe, Settings
from reports.text.notes import sentence
from tests.audit.engine.analyses.test_ranking import gallery, noise, pictures
from tests.support.analyses import analysed

WORDS = {"career": ("an office", "a desk"), "family": ("a home",)}
PLAN = AssociationPlan("Who is near to career?", WORDS, ("gender", "race"), "test v1")
TEXTS = {"an office": np.array([1.0, 0, 0, 0]), "a desk": np.array([1.0, 0.2, 0, 0]), "a home": np.array([0, 0, 1.0, 0])}


def put_to(dataset, vectors, plan=PLAN, settings=None, **more):
    return analysed(association, [plan], dataset, vectors, TEXTS, settings, **more)


def test_a_planted_association_is_found_with_its_direction():
    """Men have 1.5 more on the axis of career; of two genders the first is shown, so that its d is below 0. Of race there are three."""
    dataset, vectors = gallery(), noise()
    vectors[dataset.attributes["gender"] == "Male", 0] += 1.5
    by_gender, by_race = put_to(dataset, vectors)
    (women,) = by_gender.groups
    assert (by_gender.first, by_gender.second, women.group, women.n, women.verdict) == ("career", "family", "Female", 200, "signal")
    assert women.effect_size < -0.8
    assert women.chance.low < 0 < women.chance.high < 0.3
    assert women.p == pytest.approx(1 / 1000)
    assert women.p_adjusted == pytest.approx(4 / 1000)  # of four associations
    assert [group.group for group in by_race.groups] == ["a", "b", "c"]
    assert {group.verdict for group in by_race.groups} == {"no signal"}


CONCEPTS = replace(PLAN, words={"office": ("an office",), "desk": ("an office", "a desk"), "home": ("a home",)}, single=True)


def test_a_concept_that_is_planted_for_a_group_is_found_by_c_asc():
    """Of "c" all images are nearer to a home; men and women are as near. Three words, one gender and three races: 12 associations."""
    dataset, vectors = gallery(), noise()
    mine = (dataset.attributes["race"] == "c").to_numpy()
    vectors[mine, 2] += 1.5
    found = put_to(dataset, vectors, CONCEPTS)
    assert [(each.attribute, each.first, each.second) for each in found] == [
        (attribute, word, "") for attribute in ("gender", "race") for word in ("office", "desk", "home")
    ]
    signals = {(each.first, group.group) for each in found for group in each.groups if group.verdict == "signal"}
    assert {("home", "c"), ("home", "a"), ("home", "b")} <= signals
    assert not [each for each in found[:3] for group in each.groups if group.verdict == "signal"]
    home = found[5].groups[2]
    assert home.p_adjusted == pytest.approx(12 * home.p / sum(each.p <= home.p for test in found for each in test.groups))
    scores = cosine_scores(np.stack([TEXTS["a home"]]), vectors)[0]
    assert home.effect_size == pytest.approx(float(c_asc(scores, mine)), abs=1e-12)
    assert home.effect_size > 0.8
    assert home.difference == pytest.approx(scores[mine].mean() - scores[~mine].mean())
    order = np.random.default_rng(5).permutation(400)
    assert put_to(replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order], CONCEPTS) == found


def test_concepts_of_shuffled_groups_signal_as_seldom_as_promised_and_a_flat_model_has_no_c_asc():
    settings = Settings(draws=199, min_group_size=20)
    found = [put_to(gallery(120), noise(120, seed), CONCEPTS, settings) for seed in range(60)]
    assert sum(any(group.verdict == "signal" for test in each for group in test.groups) for each in found) <= 8  # P(more) is under 1 %
    assert 0.42 < np.mean([group.p for each in found for test in each for group in test.groups]) < 0.58
    flat = put_to(gallery(), np.ones((400, 4)), CONCEPTS, Settings(draws=99))
    assert {(group.effect_size, group.verdict) for test in flat for group in test.groups} == {(None, "no signal")}
    assert {sentence(each.reason) for each in put_to(gallery(), noise(), CONCEPTS, Settings(min_group_size=250)) if each.reason}


def test_shuffled_groups_signal_as_seldom_as_promised():
    dataset, settings = gallery(120), Settings(draws=199, min_group_size=20)
    found = [put_to(dataset, noise(120, seed), PLAN, settings) for seed in range(200)]
    alarms = sum(any(group.verdict == "signal" for test in each for group in test.groups) for each in found)
    assert alarms <= 18  # P(more than 18 of 200 at 5 %) is under 1 %
    assert 0.45 < np.mean([group.p for each in found for test in each for group in test.groups]) < 0.56


def test_the_order_of_the_table_changes_nothing_and_a_limited_run_signals_nothing():
    dataset, vectors = gallery(), noise()
    vectors[:200, 0] += 2
    order = np.random.default_rng(5).permutation(400)
    assert put_to(replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order]) == put_to(dataset, vectors)
    assert {group.verdict for test in put_to(replace(dataset, limited=True), vectors) for group in test.groups} == {"no signal"}


def test_a_model_that_tells_nothing_apart_has_no_effect_size():
    (women,) = put_to(gallery(), np.ones((400, 4)))[0].groups
    assert (women.effect_size, women.chance, women.p, women.verdict) == (None, None, 1.0, "no signal")


@pytest.mark.parametrize(
    ("more", "settings", "why"),
    [({"cluster": "race"}, {}, "images count by “race”"), ({}, {"min_group_size": 250}, "fewer than two groups have at least 250 images")],
)
def test_what_is_not_estimable_says_why(more, settings, why):
    for each in put_to(gallery(), noise(), PLAN, Settings(draws=99, **settings), **more):
        assert each.groups == ()
        assert sentence(each.reason).startswith(why)


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (replace(PLAN, by=("gendre",)), "is asked by 'gendre', which the data do not have"),
        (replace(PLAN, words={"career": ("an office",)}), "does not compare two lists of words"),
        (replace(PLAN, words={**WORDS, "family": ()}), "does not compare two lists of words"),
        (replace(CONCEPTS, words={}), "has no concepts, or one without prompts"),
        (replace(CONCEPTS, words={"office": ()}), "has no concepts, or one without prompts"),
    ],
)
def test_a_wrong_plan_is_refused_before_an_image_is_read(plan, what, fake_encoder):
    probe = Probe("p", "?", lambda options: gallery(), (), "ours", "none", (), (), analyses=(plan,))
    with pytest.raises(UsageError, match=what):
        audit(fake_encoder, probe, gallery(), Settings())
    assert fake_encoder.calls == []


def test_associations_use_the_embeddings_that_are_there_and_travel_in_the_results(tmp_path):
    """One pass; a man is greener, and an office is green. Files without associations are read too."""
    from tests.support.report_samples import results

    encoder, dataset = FakeEncoder({"office": [0, 1.0, 0], "desk": [0.1, 1.0, 0], "home": [1.0, 0, 0], "": [0.5, 0.5, 0.1]}), pictures()
    probe = replace(gender_probe(dataset), analyses=(PLAN,))
    result = audit(encoder, probe, dataset, Settings(draws=999), cache_root=tmp_path).result
    assert sum(encoder.calls) == 120
    (women,) = result.associations[0].groups
    assert (women.group, women.verdict, women.effect_size < -1) == ("Female", "signal", True)
    assert [(each.use, [result.texts[i] for i in each.texts]) for each in result.text_sets] == [
        ("association", ["an office", "a desk", "a home"])
    ]
    made = results(result)
    text = to_json(made)
    assert from_json(text) == made
    older = text.replace(text[text.index('   "associations": [') : text.index('   "counts": [')], "")
    assert from_json(older).audits[0].associations == ()
