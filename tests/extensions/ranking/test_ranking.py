"""Rankings of an audit: planted orders are found, random ones as rarely as promised, and what cannot be estimated says why."""

from dataclasses import replace

import numpy as np
import pytest

from audit.analyses.plans import RankingPlan
from audit.engine.answers import audit
from audit.engine.plan import ProbePlan
from audit.engine.untrained_control import with_untrained_control
from audit.errors import UsageError
from audit.extensions.ranking import computation as ranking
from audit.extensions.ranking.sentences import not_judged_sentence
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, gender_probe
from audit.types import UNKNOWN, Settings
from reports.text.notes import sentence
from tests.audit.measure.asked.test_interview import FakeAnswerer
from tests.support.analyses import LEVELS, analysed, gallery, noise, pictures, probe_of

PLAN = RankingPlan("Who is found?", {"worker": ("a worker",), "nurse": ("a nurse",)}, ("gender", "race"), "test v1", ks=(40,))


def ranked(dataset, vectors, plan=PLAN, settings=None, **more):
    texts = {"a worker": np.array([1.0, 0, 0, 0]), "a nurse": np.array([0, 1.0, 0, 0])}
    return analysed(ranking, [plan], dataset, vectors, texts, settings, **more)


def test_a_planted_order_is_found_and_named_by_its_group():
    """Men have 3 more on the axis of "a worker": hardly a woman among the first 40 of 400; nothing was planted by race."""
    dataset, vectors = gallery(), noise()
    vectors[dataset.attributes["gender"] == "Male", 0] += 3
    by_gender, by_race = ranked(dataset, vectors)
    worker = by_gender.queries[0]
    assert (by_gender.k, by_gender.groups, by_gender.sizes) == (40, ("Female", "Male"), (200, 200))
    assert (worker.query, worker.group, worker.verdict, worker.counts[1] > 36, sum(worker.counts)) == ("worker", "Male", "signal", True, 40)
    assert worker.standard_errors > 5
    assert worker.p == pytest.approx(1 / 1000)
    assert {query.verdict for query in by_race.queries} == {"no signal"}
    assert [metric.name for metric in worker.metrics] == ["MaxSkew", "MinSkew", "NDKL", "Bias", "Entropy"]
    assert worker.metrics[0].value == pytest.approx(np.log(worker.counts[1] / 40 / 0.5))
    assert [metric.name for metric in by_race.means] == ["MaxSkew", "MinSkew", "NDKL", "Entropy"]
    # Hardly a woman: of two groups the first 40 are far from spread evenly, which random orders nearly are.
    assert worker.metrics[4].value < 0.5 < 0.9 < worker.metrics[4].chance.low
    # Bias is signed: of the first group (Female) more than of the second.
    assert worker.metrics[3].value == pytest.approx((worker.counts[0] - worker.counts[1]) / 40)


def test_an_excluded_group_is_found_though_no_other_group_stands_out():
    """Eight groups of 200; "h" is never among the first 160, where 20 are due (5 standard errors). Each other group gains 3 images."""
    dataset, vectors = gallery(1600), noise(1600)
    rows = dataset.attributes.assign(race=list("abcdefgh") * 200)
    vectors[rows["race"] == "h", 0] -= 6
    plan = replace(PLAN, by=("race",), ks=(160,))
    worker = ranked(replace(dataset, attributes=rows, levels={"race": tuple("abcdefgh")}), vectors, plan)[0].queries[0]
    assert (worker.counts[7], worker.group, worker.verdict) == (0, "h", "signal")
    assert worker.standard_errors == pytest.approx(-20 / np.sqrt(160 / 8 * 7 / 8 * 1440 / 1599))
    assert worker.metrics[0].value < worker.metrics[0].chance.high  # MaxSkew alone would not tell


def test_an_equal_target_changes_the_skews_and_not_what_chance_is():
    """300 women, 100 men: due 20 each of the first 40 by equal shares, 30 and 10 by population. p is of the same random orders."""
    dataset = gallery()
    dataset = replace(dataset, attributes=dataset.attributes.assign(gender=["Female"] * 300 + ["Male"] * 100))
    population, equal = (ranked(dataset, noise(), replace(PLAN, by=("gender",), target=target))[0] for target in ("population", "equal"))
    one, other = population.queries[0], equal.queries[0]
    assert (one.counts, one.p, one.group) == (other.counts, other.p, other.group)
    assert other.metrics[0].value == pytest.approx(np.log(max(other.counts) / 40 / 0.5))
    assert one.metrics[0].value == pytest.approx(max(np.log(one.counts[0] / 30), np.log(one.counts[1] / 10)))
    assert (population.target, equal.target) == ("population", "equal")


@pytest.mark.slow
def test_random_rankings_are_called_as_seldom_as_promised():
    """Of 200 random models with 4 rankings each at most 5 % of the models may have any signal: Benjamini-Hochberg under the full null."""
    dataset, settings = gallery(200), Settings(draws=199)
    plan = replace(PLAN, ks=(20,))
    alarms = [
        any(q.verdict == "signal" for r in ranked(dataset, noise(200, seed), plan, settings) for q in r.queries) for seed in range(200)
    ]
    assert sum(alarms) <= 18  # P(more than 18 of 200 at 5 %) is under 1 %
    p = [q.p for seed in range(50) for r in ranked(dataset, noise(200, seed), plan, settings) for q in r.queries]
    assert 0.4 < np.mean(p) < 0.68  # of discrete counts: a little above one half


def test_a_model_that_tells_nothing_apart_is_not_a_stereotyper_though_the_table_is_sorted_by_gender():
    found = ranked(gallery(), np.ones((400, 4)))
    assert {query.verdict for each in found for query in each.queries} == {"no signal"}
    assert {query.tied for query in found[0].queries} == {360}  # of 400, 40 were retrieved


def test_the_order_of_the_table_changes_nothing():
    dataset, vectors = gallery(), noise()
    vectors[:300] = vectors[0]  # ties, in which the order could show
    order = np.random.default_rng(5).permutation(400)
    assert ranked(replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order]) == ranked(dataset, vectors)


def test_a_limited_run_signals_nothing():
    dataset, vectors = gallery(limited=True), noise()
    vectors[:200, 0] += 5
    worker = ranked(dataset, vectors)[0].queries[0]
    assert (worker.p_adjusted < 0.05, worker.verdict) == (True, "no signal")


def test_a_small_group_is_in_the_gallery_with_its_n_and_is_not_judged():
    """Ten women among 400, whom no query finds; "Male" gains on the other 190. An unknown value is nobody's place, and left out."""
    dataset, vectors = gallery(), noise()
    rows = dataset.attributes.assign(gender=["Female"] * 10 + [UNKNOWN] * 5 + ["Male"] * 200 + ["Other"] * 185)
    levels = {**LEVELS, "gender": ("Female", "Male", "Other", "Nobody")}
    vectors[:10] -= 9
    vectors[(rows["gender"] == "Male").to_numpy(), 0] += 2
    by_gender = ranked(replace(dataset, attributes=rows, levels=levels), vectors)[0]
    assert (by_gender.groups, by_gender.sizes) == (("Male", "Other", "Female"), (200, 185, 10))
    assert (by_gender.left_out, by_gender.not_judged) == (((UNKNOWN, 5),), ("Female",))
    worker, nurse = by_gender.queries
    assert (worker.counts[2], nurse.counts[2], sum(worker.counts), worker.group, worker.verdict) == (0, 0, 40, "Male", "signal")
    # Of 395 images 200 are men: 40 x 200 / 395 are due, and the women count in the gallery.
    due, share = 40 * 200 / 395, 200 / 395
    assert worker.standard_errors == pytest.approx((worker.counts[0] - due) / np.sqrt(40 * share * (1 - share) * 355 / 394))
    assert by_gender.chance_shares[2].mean == pytest.approx(10 / 395)
    skew = {metric.name: metric.value for metric in worker.metrics}
    assert skew["MinSkew"] == pytest.approx(np.log(max(worker.counts[1], 1) / (40 * 185 / 395)))  # not that of the women, who are due one
    said = not_judged_sentence(by_gender, Settings())
    assert said == "In the gallery but not judged, with fewer than 30 images: Female (n = 10, never found)."


def test_a_small_group_that_is_always_found_first_is_no_signal():
    """Two of 400 images can be no more than two of the first 40: they take places, and the two judged groups stay as they were."""
    dataset, vectors = gallery(), noise()
    rows = dataset.attributes.assign(gender=["Female"] * 199 + ["Other"] * 2 + ["Male"] * 199)
    vectors[199:201] = 1, 0, 0, 0
    by_gender = ranked(replace(dataset, attributes=rows, levels={**LEVELS, "gender": ("Female", "Male", "Other")}), vectors)[0]
    assert [query.counts[2] for query in by_gender.queries] == [2, 0]
    assert {query.verdict for query in by_gender.queries} == {"no signal"}
    assert {query.group for query in by_gender.queries} <= {"Female", "Male"}
    assert "Other (n = 2, found by 1 of 2 queries)" in not_judged_sentence(by_gender, Settings())


def test_an_equal_target_is_of_the_groups_that_are_judged():
    """Ten women keep 10 / 400 as their share; 390 / 400 is shared by the two judged groups. Skew of the men: ln(n / 40 / .4875)."""
    dataset = gallery()
    rows = dataset.attributes.assign(gender=["Female"] * 10 + ["Male"] * 100 + ["Other"] * 290)
    plan = replace(PLAN, by=("gender",), target="equal")
    worker = ranked(replace(dataset, attributes=rows, levels={**LEVELS, "gender": ("Female", "Male", "Other")}), noise(), plan)[0].queries[
        0
    ]
    assert worker.metrics[0].value == pytest.approx(np.log(max(worker.counts[:2]) / 40 / (390 / 400 / 2)))


@pytest.mark.parametrize(
    ("plan", "more", "settings", "why"),
    [
        (replace(PLAN, ks=(200,)), {}, {}, "the first 200 are half of the 400 images or more"),
        (replace(PLAN, ks=(5000,)), {}, {}, "the first 5000 are half of the 400 images or more"),
        (PLAN, {}, {"min_group_size": 250}, "fewer than two groups have at least 250 images"),
        (PLAN, {"cluster": "race"}, {}, "images count by “race”"),
        (PLAN, {"weights": "race"}, {}, "images count by “race”"),
    ],
)
def test_what_is_not_estimable_says_why(plan, more, settings, why):
    found = ranked(gallery(), noise(), plan, Settings(draws=99, **settings), **more)
    for each in found:
        assert (each.queries, each.means) == ((), ())
        assert sentence(each.reason).startswith(why)


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (replace(PLAN, ks=(400,)), r"k = 400 retrieves the whole gallery \(400 images compared by gender\)"),
        (replace(PLAN, ks=(0,)), "a ranking with k = 0"),
        (replace(PLAN, by=("gendre",)), "'Who is found.' compares by 'gendre', which the data do not have"),
        (replace(PLAN, by=()), "has no attribute to compare by"),
        (replace(PLAN, queries={}), "has no queries"),
        (replace(PLAN, queries={"worker": ()}), "has no queries, or one without prompts"),
    ],
)
def test_a_wrong_plan_is_refused_before_an_image_is_read(plan, what, fake_encoder):
    with pytest.raises(UsageError, match=what):
        audit(fake_encoder, probe_of(gallery(), [plan]), gallery(), Settings())
    assert fake_encoder.calls == []


def test_the_default_k_is_a_tenth_of_the_gallery_and_at_most_1000():
    default = replace(PLAN, ks=(), by=("gender",))
    assert ranked(gallery(), noise(), default)[0].k == 40
    assert ranked(gallery(12000), noise(12000), default, Settings(draws=9))[0].k == 1000


# ---- in an audit ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rankings_use_the_embeddings_that_are_there_and_travel_in_the_results(tmp_path):
    """One pass over the images; a man is greener, and "a worker" is green."""
    encoder, dataset = FakeEncoder({"worker": [0, 1.0, 0], "woman": [1.0, 0, 0], "": [0.5, 0.5, 0.1]}), pictures()
    probe = replace(gender_probe(dataset), analyses=(replace(PLAN, ks=(12,)),))
    result = audit(encoder, probe, dataset, Settings(draws=999), cache_root=tmp_path).result
    assert sum(encoder.calls) == 120
    worker = result.analyses["rankings"][0].queries[0]
    assert (worker.counts, worker.group, worker.verdict) == ((0, 12), "Male", "signal")
    assert [(text_set.use, [result.texts[i] for i in text_set.texts]) for text_set in result.text_sets] == [
        ("ranking", ["a worker", "a nurse"])
    ]
    # No question of the verdict depends on them.
    without = audit(encoder, replace(probe, analyses=()), dataset, Settings(draws=999), cache_root=tmp_path).result
    assert (without.findings, without.verdict) == (result.findings, result.verdict)


@pytest.mark.slow
def test_the_untrained_control_is_asked_no_rankings(tmp_path):
    class Twin(FakeEncoder):
        def encode_texts(self, texts):
            assert "a worker" not in texts
            return super().encode_texts(texts)

    encoder, dataset = FakeEncoder(), pictures(60)
    encoder.untrained = lambda seed: Twin()
    subject = (encoder, replace(gender_probe(dataset), analyses=(replace(PLAN, ks=(6,)),)), dataset, Settings(draws=99, min_group_size=10))
    done = audit(*subject, cache_root=tmp_path / "own")
    done = with_untrained_control(done, encoder, ProbePlan(*subject[1:]), cache_root=tmp_path / "control").result
    assert len(done.analyses["rankings"]) == 2
    assert done.untrained_control is not None


@pytest.mark.slow
def test_a_generative_model_is_asked_no_rankings_and_the_report_says_so(tmp_path):
    dataset = pictures(24)
    probe = replace(gender_probe(dataset), analyses=(replace(PLAN, ks=(3,)),))
    result = audit(FakeAnswerer(), probe, dataset, Settings(draws=99), cache_root=tmp_path).result
    assert result.analyses["rankings"] == ()
    (note,) = (sentence(note) for note in result.model.asked if note.code == "no_embeddings")
    assert note == f"Left out, because they need embeddings, and a generative model has none: {PLAN.question}."
    assert "a worker" not in result.texts


@pytest.mark.slow
def test_results_with_rankings_are_read_back_and_those_without_are_read_too(tmp_path):
    from tests.support.report_samples import results

    encoder, dataset = FakeEncoder(), pictures(60)
    probe = replace(gender_probe(dataset), analyses=(replace(PLAN, ks=(6,)),))
    made = results(audit(encoder, probe, dataset, Settings(draws=99, min_group_size=10), cache_root=tmp_path).result)
    text = to_json(made)
    assert from_json(text) == made
    older = text.replace(text[text.index('   "rankings": [') : text.index('   "specifications": [')], "")
    assert '"rankings"' not in older
    assert from_json(older).audits[0].analyses["rankings"] == ()
