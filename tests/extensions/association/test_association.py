"""Associations of an audit: a planted one is found with its direction, shuffled ones as rarely as promised, and doubts are said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.plans import AssociationPlan
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.extensions.association import computation as association
from audit.extensions.association.sentences import asked_sentence, association_title, method_sentence
from audit.measure.association import weat
from audit.measure.zero_shot import cosine_scores
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, gender_probe
from audit.types import Dataset, Probe, Settings
from reports.text.notes import sentence
from tests.support.analyses import analysed, gallery, noise, pictures, probe_of

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
    assert home.effect_size == pytest.approx((scores[mine].mean() - scores[~mine].mean()) / scores.std(ddof=1), abs=1e-12)
    assert home.effect_size > 0.8
    assert home.difference == pytest.approx(scores[mine].mean() - scores[~mine].mean())
    order = np.random.default_rng(5).permutation(400)
    assert put_to(replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order], CONCEPTS) == found


@pytest.mark.slow
def test_concepts_of_shuffled_groups_signal_as_seldom_as_promised_and_a_flat_model_has_no_c_asc():
    settings = Settings(draws=199, min_group_size=20)
    found = [put_to(gallery(120), noise(120, seed), CONCEPTS, settings) for seed in range(60)]
    assert sum(any(group.verdict == "signal" for test in each for group in test.groups) for each in found) <= 8  # P(more) is under 1 %
    assert 0.42 < np.mean([group.p for each in found for test in each for group in test.groups]) < 0.58
    flat = put_to(gallery(), np.ones((400, 4)), CONCEPTS, Settings(draws=99))
    assert {(group.effect_size, group.verdict) for test in flat for group in test.groups} == {(None, "no signal")}
    assert {sentence(each.reason) for each in put_to(gallery(), noise(), CONCEPTS, Settings(min_group_size=250)) if each.reason}


@pytest.mark.slow
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
        (replace(PLAN, by=("gendre",)), "compares by 'gendre', which the data do not have"),
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
    (women,) = result.analyses["associations"][0].groups
    assert (women.group, women.verdict, women.effect_size < -1) == ("Female", "signal", True)
    assert [(text_set.use, [result.texts[i] for i in text_set.texts]) for text_set in result.text_sets] == [
        ("association", ["an office", "a desk", "a home"])
    ]
    made = results(result)
    text = to_json(made)
    assert from_json(text) == made
    older = text.replace(text[text.index('   "associations": [') : text.index('   "counts": [')], "")
    assert from_json(older).audits[0].analyses["associations"] == ()


# ---- images with images (iEAT) -------------------------------------------------------------------------------------------------------


def drawn(n, seed=0):
    """Return n women and n men of no place, and two images each of offices and homes."""
    rows = pd.DataFrame(
        {"gender": ["Female"] * n + ["Male"] * n + ["unknown"] * 4, "place": ["unknown"] * 2 * n + ["office"] * 2 + ["home"] * 2}
    )
    levels = {"gender": ("Female", "Male"), "place": ("office", "home")}
    dataset = Dataset("made up", [b""] * len(rows), rows.set_index(rows.index.map("i{}".format)), levels, "2" * 64, "the test", "none")
    return dataset, np.random.default_rng(seed).normal(size=(len(rows), 4))


PLACES = AssociationPlan("Whose images look like an office?", {}, ("gender",), "test v1", images={
    "office": {"place": ("office",)}, "home": {"place": ("home",)},
})  # fmt: skip
FEW = Settings(draws=99, min_group_size=2)


def test_images_with_images_by_hand_with_the_exact_p_of_few():
    """Two women lie on the axis of homes, two men on that of offices: s = -1, -1, 1, 1; d = -2 / sd = -2 / (2 / √3) = -√3.

    Of six arrangements this one and its reverse are as extreme: p = 2 / 6.
    """
    dataset, vectors = drawn(2)
    office, home = np.eye(4)[:2]
    vectors[:] = [home, home, office, office, office, office, home, home]
    (found,) = analysed(association, [PLACES], dataset, vectors, {}, FEW)
    (women,) = found.groups
    assert (found.first, found.second, found.images, found.exact, found.draws) == ("office", "home", (2, 2), True, 6)
    assert (women.group, women.n, women.difference) == ("Female", 2, pytest.approx(-2.0))
    assert women.effect_size == pytest.approx(-np.sqrt(3))
    assert women.p == pytest.approx(1 / 3)


def test_images_with_images_is_weat_of_the_embeddings_and_no_attribute_image_is_a_target():
    dataset, vectors = drawn(40)
    vectors[40:80] += 2 * vectors[80:82].mean(axis=0)
    (found,) = analysed(association, [PLACES], dataset, vectors, {}, Settings(draws=999, min_group_size=30))
    (women,) = found.groups
    expected = weat(vectors[:40], vectors[40:80], (vectors[80:82], vectors[82:]), np.random.default_rng(0), draws=999)
    assert women.effect_size == pytest.approx(expected.effect_size)
    assert (found.exact, found.draws, women.n, women.verdict, found.left_out) == (False, 999, 40, "signal", ())
    order = np.random.default_rng(5).permutation(84)
    assert analysed(
        association, [PLACES], replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order], {},
        Settings(draws=999, min_group_size=30),
    ) == (found,)  # fmt: skip


@pytest.mark.parametrize(
    ("images", "what"),
    [
        ({"office": {"place": ("office",)}}, "does not compare two sets of images"),
        ({"office": {"palce": ("office",)}, "home": {"place": ("home",)}}, "are named by 'palce', which the data do not have"),
        ({"office": {"place": ("ofice",)}, "home": {"place": ("home",)}}, "no image of 'office' has the place 'ofice'"),
        ({"office": {"place": ("office", "home")}, "home": {"place": ("home",)}}, "an image belongs to both 'office' and 'home'"),
    ],
)
def test_a_plan_of_images_that_are_not_there_is_refused(images, what):
    dataset, _ = drawn(40)
    with pytest.raises(UsageError, match=what):
        association.check([replace(PLACES, images=images)], probe_of(dataset, []), dataset, FEW)


def test_the_page_says_that_images_are_compared_with_images():
    dataset, vectors = drawn(2)
    (found,) = analysed(association, [PLACES], dataset, vectors, {}, FEW)
    assert asked_sentence([found]).startswith("Every image is compared with two sets of images (iEAT).")
    assert "exact, over all arrangements" in method_sentence([found])
    assert association_title(found) == "By gender: ‘office’ against ‘home’ (images: 2 and 2)"
