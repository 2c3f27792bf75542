"""Counterfactual sets of an audit: a stereotyper moves one way, a noisy model moves and has no direction, and doubts are said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import Choice, CounterfactualSetsPlan
from audit.engine.answers import audit
from audit.errors import DataError, UsageError
from audit.extensions.counterfactual_sets import computation as counterfactual_sets
from audit.extensions.counterfactual_sets.harmless import HARMLESS, harmless
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, png
from audit.types import UNKNOWN, Dataset, Embeddings, LabelSet, Measurement, Probe, Settings
from reports.text.notes import sentence
from strictio.images.decode import decode

TEXTS = {"a boss": np.array([1.0, 0, 0]), "a helper": np.array([0, 1.0, 0])}
LABELS = LabelSet("job", ("boss", "helper"), {"boss": ("a boss",), "helper": ("a helper",)})
ASKED = Measurement("job", "Who is a boss?", LABELS, "test v1", (), outcomes={"boss": ("boss",)})
PLAN = CounterfactualSetsPlan("Who is a boss?", "gender", ("man", "woman"), ("scene",), "scene", "boss", measurement="job")
BOSS, HELPER = np.array([1.0, 0.9, 0]), np.array([0.9, 1.0, 0])


def dataset(sets=40, members=("man", "woman"), cluster=1):
    """One scene a set; `cluster` scenes of a place."""
    rows = [(f"s{i:03d}", member, f"p{i // cluster:03d}") for i in range(sets) for member in members]
    attributes = pd.DataFrame(rows, columns=["scene", "gender", "place"], index=[f"{a}/{b}.png" for a, b, _ in rows], dtype="str")
    levels = {name: tuple(sorted(set(attributes[name]))) for name in attributes.columns}
    images = [png((i % 250, 7 * i % 250, 40)) for i in range(len(rows))]
    return Dataset("scenes", images, attributes, levels, "5" * 64, "made by the test", "none")


def put_to(data, vectors, *plans, changed=None, settings=None, **more):
    """Return what is found in embeddings that are given; `changed` are those of the harmlessly changed images, by change."""
    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=plans or (PLAN,), **more)
    images = Embeddings(vectors, np.arange(len(vectors)), (), {}, 0)

    def embed(other):
        places = data.attributes.index.get_indexer(other.attributes.index).reshape(3, -1)
        seen = np.concatenate([turned[own] for turned, own in zip(changed or [vectors] * 3, places, strict=True)])
        return Embeddings(seen, np.arange(len(seen)), (), {}, 0)

    settings = settings or Settings(draws=999)
    inputs = AnalysisInputs(probe, data, data.attributes, FakeEncoder(), images, TEXTS, {}, settings, embed)
    return counterfactual_sets.analyse(probe.analyses, inputs)


def answers(*rows):
    """Embeddings from rows of b (boss) and h (helper), a letter a member."""
    return np.array([{"b": BOSS, "h": HELPER}[letter] for row in rows for letter in row])


def test_four_sets_by_hand():
    """bh, bh, bb, hb: three flip, the man alone is a boss twice, the woman once. One change turns four answers; of 24 in all."""
    vectors = answers("bh", "bh", "bb", "hb")
    crop = answers("hb", "hb", "bb", "hb")
    (found,) = put_to(dataset(4), vectors, changed=[crop, vectors, vectors], settings=Settings(draws=999, min_group_size=1))
    assert (found.sets, found.clusters, found.flips, found.flip_rate.value, found.differing.value) == (4, 4, 3, 0.75, 0.75)
    base = found.harmless
    assert [(change.name, change.images, change.changed) for change in base.changes] == [("crop", 8, 4), ("mirror", 8, 0), ("JPEG", 8, 0)]
    assert (base.rate.value, base.excess) == (pytest.approx(4 / 24), pytest.approx(0.75 - 4 / 24))
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.only_first, pair.only_second, pair.net.value) == ("man", "woman", 2, 1, 0.25)
    assert pair.net_p == 1.0  # of the 2^3 signs of three sets all reach |sum| = 1
    p_boss = 1 / (1 + np.exp(-100 * (1.0 - 0.9) / np.sqrt(1.81)))
    assert pair.shift == pytest.approx((2 * p_boss - 1) / 4, abs=1e-6)  # (+ + 0 -) / 4 of the same step
    assert found.members_differ is None
    assert sentence(found.reason).startswith("independent units: 4; fewer than 15")


def test_a_stereotyper_flips_in_one_direction():
    (found,) = put_to(dataset(), answers(*["bh"] * 30, *["bb"] * 10))
    (pair,) = found.pairs
    assert (found.harmless.verdict, pair.verdict, pair.net.value, found.flips) == ("signal", "signal", 0.75, 30)
    assert pair.net.low > 0.5
    assert found.tests == 3
    assert found.harmless.p_adjusted == pytest.approx(3 * found.harmless.p)  # the three p are alike


def test_a_noisy_model_flips_and_has_no_direction_and_no_excess():
    """Every look at an image is a coin: pairs differ half of the time, and so do changed images."""
    rng = np.random.default_rng(4)
    looks = [np.where(rng.random((80, 1)) < 0.5, BOSS, HELPER) for _ in range(4)]
    (found,) = put_to(dataset(), looks[0], changed=looks[1:])
    assert 0.3 < found.differing.value < 0.7
    assert 0.3 < found.harmless.rate.value < 0.7
    assert (found.harmless.verdict, found.pairs[0].verdict) == ("no signal", "no signal")


def test_flips_of_a_noisy_pair_are_not_excused_when_harmless_changes_turn_nothing():
    """Half of the pairs flip, either way: beyond harmless changes, and without a net."""
    (found,) = put_to(dataset(), answers(*["bh"] * 10, *["hb"] * 10, *["bb"] * 20))
    assert (found.harmless.verdict, found.pairs[0].verdict, found.pairs[0].net.value) == ("signal", "no signal", 0.0)


def test_three_members_have_a_test_of_all_and_one_a_pair():
    plan = replace(PLAN, members=("man", "person", "woman"))
    (found,) = put_to(dataset(40, plan.members), answers(*["bbh"] * 20, *["bbb"] * 20), plan)
    assert (round(found.members_differ.cochran_q, 9), found.members_differ.freedom, found.members_differ.verdict) == (40, 2, "signal")
    assert {(pair.first, pair.second): pair.verdict for pair in found.pairs} == {
        ("man", "person"): "no signal", ("man", "woman"): "signal", ("person", "woman"): "signal",
    }  # fmt: skip
    assert found.differing.value == pytest.approx(20 * 2 / 120)  # of three pairs of images two differ in half of the sets
    assert (found.flip_rate.value, found.tests) == (0.5, 1 + 2 + 6)


def test_a_missing_member_leaves_its_set_out_and_an_unknown_scene_is_in_none():
    data = dataset()
    kept = data.attributes.drop(index="s000/man.png")
    kept.loc["s001/man.png", "scene"] = UNKNOWN
    vectors = answers(*["bh"] * 40)[data.attributes.index.get_indexer(kept.index)]
    (found,) = put_to(replace(data, attributes=kept), vectors)
    assert (found.sets, found.incomplete) == (38, 2)


def test_one_set_or_none_is_shown_and_not_judged():
    (one,) = put_to(dataset(1), answers("bh"))
    assert (one.sets, one.flips, one.harmless.verdict, one.pairs[0].verdict, one.pairs[0].shift_low) == (1, 1, None, None, None)
    assert sentence(one.reason).startswith("complete sets: 1; fewer than 30 are shown and not judged")
    (none,) = put_to(dataset(3, ("man",)), answers("b", "b", "b"))
    assert (none.sets, none.incomplete, none.flip_rate, none.pairs, none.tests) == (0, 3, None, (), 0)


def test_few_clusters_and_weights_are_not_judged():
    few = replace(PLAN, cluster="place")
    (found,) = put_to(dataset(40, cluster=4), answers(*["bh"] * 40), few)
    assert (found.clusters, found.pairs[0].verdict) == (10, None)
    assert sentence(found.reason).startswith("independent units: 10; fewer than 15")
    (weighted,) = put_to(dataset(), answers(*["bh"] * 40), weights="place")
    assert sentence(weighted.reason).startswith("images count by “place”")


def test_sets_of_one_cluster_are_one_unit():
    """Sixty sets in fifteen places, which all flip in three places: by set 12 of 12 signs agree, by place 3 of 3."""
    data = dataset(60, cluster=4)
    by_place = put_to(data, answers(*["bh"] * 12, *["bb"] * 48), replace(PLAN, cluster="place"))[0].pairs[0]
    alone = put_to(data, answers(*["bh"] * 12, *["bb"] * 48))[0].pairs[0]
    assert (by_place.net_p, alone.net_p) == (0.25, 2 / 2**12)
    assert by_place.net.high - by_place.net.low > alone.net.high - alone.net.low


def test_names_and_order_of_the_table_change_nothing_but_names():
    data, vectors = dataset(), answers(*["bh"] * 12, *["bb"] * 20, *["hb"] * 8)
    (before,) = put_to(data, vectors)
    order = np.random.default_rng(5).permutation(80)
    shuffled = replace(data, attributes=data.attributes.iloc[order])
    assert put_to(shuffled, vectors[order]) == (before,)
    renamed = replace(data, attributes=data.attributes.replace({"gender": {"man": "x", "woman": "y"}}))
    (after,) = put_to(renamed, vectors, replace(PLAN, members=("x", "y")))
    assert (after.harmless, after.differing) == (before.harmless, before.differing)
    assert after.pairs[0].net == before.pairs[0].net
    assert put_to(replace(data, limited=True), answers(*["bh"] * 40))[0].pairs[0].verdict == "no signal"


def test_choices_by_case_ask_each_scene_its_own_and_leave_the_others_out():
    """In scene 0 a man is nearer to the first answer, in scene 1 the second answer is the man's: no net; scene 2 is not asked."""
    choices = {"s000": Choice(("a boss",), ("a helper",)), "s001": Choice(("a helper",), ("a boss",))}
    plan = replace(PLAN, measurement=None, case="scene", choices=choices, outcome="the first", preset="test v1")
    (found,) = put_to(dataset(3), answers("bh", "bh", "bh"), plan)
    assert (found.sets, found.incomplete, found.flips) == (2, 0, 2)
    assert (found.pairs[0].only_first, found.pairs[0].only_second, found.pairs[0].net.value) == (1, 1, 0.0)


def test_a_set_with_two_of_a_kind_or_in_two_clusters_is_refused():
    data = dataset()
    twice = data.attributes.assign(scene="s000")
    with pytest.raises(DataError, match="78 of 80 images are not the only one of a set with their gender"):
        put_to(replace(data, attributes=twice), answers(*["bh"] * 40))
    split = data.attributes.assign(place=[f"p{i}" for i in range(80)])
    with pytest.raises(DataError, match="the members of a set differ in 'place'"):
        put_to(replace(data, attributes=split), answers(*["bh"] * 40), replace(PLAN, cluster="place"))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"attribute": "gendre"}, "no attribute 'gendre'"),
        ({"members": ("man",)}, "a set has two members or more"),
        ({"measurement": None}, "the answers are those to a measurement, or to choices by case"),
        ({"measurement": "jobs"}, "no measurement 'jobs'"),
        ({"outcome": "bos"}, "no outcome 'bos'"),
    ],
)
def test_a_wrong_plan_is_refused_before_an_image_is_read(changes, what, fake_encoder):
    data = dataset(2)
    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=(replace(PLAN, **changes),))
    with pytest.raises(UsageError, match=what):
        audit(fake_encoder, probe, data, Settings())
    assert fake_encoder.calls == []


def test_harmless_changes_keep_the_person_and_change_the_bytes():
    data = replace(dataset(1), images=[png("red", (40, 20)), png("lime", (9, 9))])
    sizes = [decode(image).image.size for image in harmless(data, [0, 1]).images]
    assert sizes == [(38, 18), (9, 9), (40, 20), (9, 9), (40, 20), (9, 9)]  # 5 % of 40; a side of 8 is the smallest that is accepted
    assert list(HARMLESS) == ["crop", "mirror", "JPEG"]
    assert harmless(data, [1, 0]).images[5][:3] == b"\xff\xd8\xff"
    assert list(harmless(data, [1, 0]).attributes.index) == ["s000/woman.png", "s000/man.png"] * 3


def test_a_changed_image_that_cannot_be_read_takes_its_set_out_of_the_baseline():
    data, vectors = dataset(), answers(*["bh"] * 40)

    def embed(other):
        kept = np.delete(np.arange(240), 81)  # the mirrored woman of the first scene
        return Embeddings(np.tile(vectors, (3, 1))[kept], kept, (), {}, 0)

    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=(PLAN,))
    images = Embeddings(vectors, np.arange(80), (), {}, 0)
    inputs = AnalysisInputs(probe, data, data.attributes, FakeEncoder(), images, TEXTS, {}, Settings(draws=99), embed)
    (found,) = counterfactual_sets.analyse((PLAN,), inputs)
    assert (found.sets, found.harmless.sets, found.harmless.rate.value) == (40, 39, 0.0)


def test_of_many_sets_a_sample_of_clusters_is_changed(monkeypatch):
    monkeypatch.setattr(counterfactual_sets, "MOST_CHANGED", 24)
    (found,) = put_to(dataset(40, cluster=4), answers(*["bh"] * 40), replace(PLAN, cluster="place"))
    assert (found.sets, found.harmless.sets) == (40, 12)


def test_in_an_audit_changed_images_are_embedded_once_and_the_sets_travel_in_the_results(tmp_path):
    """Four images and their three changes; a mirrored plain picture is its own mirror image, and comes from the cache."""
    from tests.support.report_samples import results

    encoder, data = FakeEncoder({"boss": [1.0, 0, 0], "helper": [0, 1.0, 0]}), dataset(2)
    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=(PLAN, replace(PLAN, cluster="place")))
    result = audit(encoder, probe, data, Settings(draws=99, min_group_size=2), cache_root=tmp_path).result
    assert 12 <= sum(encoder.calls) <= 16  # not once more for the second plan
    assert [each.sets for each in result.analyses["counterfactual_sets"]] == [2, 2]
    made = results(result)
    text = to_json(made)
    assert from_json(text) == made
    start = text.index('   "counterfactual_sets": [')
    older = text[:start].rstrip().rstrip(",") + text[text.index("\n   ]", start) + len("\n   ]") :]
    assert from_json(older).audits[0].analyses["counterfactual_sets"] == ()
