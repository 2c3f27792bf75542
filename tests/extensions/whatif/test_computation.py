"""One plan from start to end on planted embeddings: halves, every method beside its formula, judges, controls, what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.kinds import chosen_methods
from audit.errors import DataError, UsageError
from audit.extensions.whatif import EXTENSION, methods
from audit.extensions.whatif import computation as exploring
from audit.extensions.whatif.computation import WhatIfInputs, explore
from audit.extensions.whatif.labels import aggregate, neutral_label
from audit.extensions.whatif.methods import METHODS, FitContext, Shown
from audit.extensions.whatif.projection import drop_dimensions, mutual_information, project
from audit.extensions.whatif.reranking import FOUND, ndcg, rerank
from audit.linear_maps import calibrated_projection, contrast, orthogonal_projection
from audit.measure.embedded import AskedMeasurement, fit_half
from audit.measure.zero_shot import cosine_scores
from audit.plans import Direction, RightAnswer, WhatIfPlan
from audit.types import NOT_ANSWERED, UNKNOWN, Claim, LabelSet, Measurement, ModelRecord, Note, Settings
from reports.text.notes import sentence

RECORD = ModelRecord("m", "k", "f", "s", 0, 6, "float32", "softmax", 10.0, None, "a", "p", "t")
LEVELS = {"race": ("A", "B"), "gender": ("Female", "Male"), "age": ("young", "old")}
CLAIMS = (Claim("accuracy", ("race",)), Claim("accuracy", ("age",)), Claim("accuracy", ("race", "age"), primary=False))
LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
GENDER = Measurement("gender", "?", LABELS, "p v1", CLAIMS, truth="gender")
AXES = np.eye(6)
GENDER_AXIS, RACE_AXIS, PERSON, CHILD = AXES[:4]
ALL = tuple(EXTENSION.analyses[0].methods)
PLAN = WhatIfPlan(
    "Gender accuracy by race",
    "gender/accuracy/race",
    neutral={"child": ("a child",), "person": ("a person",)},
    combined={(answer, race): (f"{race} {answer}",) for answer in ("Female", "Male") for race in "AB"},
    direction=Direction((("A person", "B person"),), (("A Female", "B Female"), ("A Male", "B Male"))),
    query="Female",
)


def material(bias=0.6, n=800, seed=0, plan_texts=True, **settings):
    """Gender, race and age drawn independently, most are women; 'a woman' leans towards race A by `bias`: B's women are missed."""
    source = np.random.default_rng(seed)
    shares = {"gender": (0.85, 0.15)}
    rows = pd.DataFrame({name: source.choice(levels, n, p=shares.get(name)) for name, levels in LEVELS.items()}, dtype="str")
    sign = {name: np.where(rows[name] == levels[0], 1.0, -1.0) for name, levels in LEVELS.items()}
    images = np.outer(sign["gender"], GENDER_AXIS) + np.outer(sign["race"], RACE_AXIS) + 2 * PERSON + 0.6 * source.normal(size=(n, 6))
    texts = {"a woman": PERSON + GENDER_AXIS + bias * RACE_AXIS, "a man": PERSON - GENDER_AXIS - bias * RACE_AXIS}
    if plan_texts:
        texts |= {"a child": PERSON + CHILD, "a person": 1.2 * PERSON}
        for race, way in (("A", 1), ("B", -1)):
            texts[f"{race} person"] = PERSON + 0.7 * way * RACE_AXIS
            for answer, other in (("Female", 1), ("Male", -1)):
                texts[f"{race} {answer}"] = PERSON + other * GENDER_AXIS + 0.7 * way * RACE_AXIS
    contents = [f"{seed}-{row}" for row in range(n)]
    return WhatIfInputs((GENDER,), RECORD, images.astype(np.float32), contents, rows, LEVELS, texts, Settings(**{"draws": 499, **settings}))


@pytest.fixture(autouse=True)
def _few_controls(monkeypatch):
    monkeypatch.setattr(exploring, "CONTROLS", 25)


def shop_of(given, plan=PLAN):
    half = fit_half(given.contents, 0)
    texts = {prompt: given.texts[prompt] for prompt in ("a woman", "a man")}
    asked = AskedMeasurement(GENDER, RECORD, given.image_embeddings, texts, given.attributes)
    fit, shown = asked.of(half), asked.of(~half)
    return FitContext(plan, fit, fit.answers(), "race", given.texts, LEVELS["race"], given.settings), Shown(shown, shown.answers())


def gap(answers, by="race"):
    right = pd.Series(answers.y_pred == answers.y_true).groupby(answers.attributes[by].to_numpy()).mean()
    return right.max() - right.min()


def settings_of(name, context):
    found = list(next(each for each in METHODS if each.name == name).candidates(context))
    assert sum(each.default for each in found) == 1  # one setting was chosen beforehand
    return found


def test_neutral_labels_and_combined_prompts():
    context, shown = shop_of(material())
    first, second = settings_of("neutral-label", context)
    assert first.default
    for candidate, label in ((first, "child"), (second, "person")):
        expected = neutral_label(shown.asked, label, {f"a {label}": context.texts[f"a {label}"]}).answers()
        assert candidate.change(shown).y_pred.tolist() == expected.y_pred.tolist()
        assert label in candidate.setting
    assert (second.change(shown).y_pred == "person").any()
    (candidate,) = settings_of("combined-prompts", context)
    expected = aggregate(shown.asked, PLAN.combined, context.texts).answers()
    assert candidate.change(shown).y_pred.tolist() == expected.y_pred.tolist()
    assert "scale 10" in candidate.setting  # the sum depends on it
    assert gap(candidate.change(shown)) < gap(shown.before)


def test_silence_is_chosen_on_the_fitted_half_and_controlled_by_random_silence():
    context, shown = shop_of(material())
    for candidate, coverage in zip(settings_of("abstention", context), methods.COVERAGES, strict=True):
        answered = candidate.change(shown).y_pred != NOT_ANSWERED
        margin = np.sort(context.fitted.margin)[int(np.floor((1 - coverage) * len(context.fitted.margin) + 1e-9)) - 1]
        assert answered.tolist() == (shown.before.margin > margin).tolist()
        random = candidate.control(shown, np.random.default_rng(0)).y_pred != NOT_ANSWERED
        assert random.sum() == answered.sum()
        assert random.tolist() != answered.tolist()


def test_projections_of_prompts_and_of_both_and_calibrated_ones():
    given = material()
    context, shown = shop_of(given)
    directions = contrast(given.texts["A person"][None], given.texts["B person"][None])
    np.testing.assert_allclose(np.abs(directions[0]) > 1e-9, RACE_AXIS.astype(bool))
    for candidate, images in zip(settings_of("projection", context), (False, True), strict=True):
        expected = project(shown.asked, orthogonal_projection(directions), directions, images=images).answers()
        assert candidate.change(shown).y_pred.tolist() == expected.y_pred.tolist()
        assert gap(candidate.change(shown)) < 0.06 < 0.2 < gap(shown.before)
    random = settings_of("projection", context)[0].control(shown, np.random.default_rng(3))
    chance = orthogonal_projection(np.random.default_rng(3).standard_normal((1, 6)))
    scores = cosine_scores(shown.asked.image_embeddings, np.stack([given.texts[each] for each in ("a woman", "a man")]) @ chance.matrix)
    assert random.y_pred.tolist() == np.array(LABELS.labels)[scores.argmax(axis=1)].tolist()
    # Calibrated, from prompts that should mean the same.
    first, second = (np.stack([given.texts[f"{race} {each}"] for each in ("Female", "Male")]) for race in "AB")
    for candidate, strength in zip(settings_of("calibrated-projection", context), (0.0, 10.0, 100.0, 1000.0), strict=True):
        matrix = calibrated_projection(directions, first, second, strength)
        assert candidate.change(shown).y_pred.tolist() == project(shown.asked, matrix, directions).answers().y_pred.tolist()
        assert candidate.default == (strength == 1000)


def test_dropped_dimensions():
    given = material()
    context, shown = shop_of(given)
    (found,) = settings_of("dropped-dimensions", context)
    assert found.setting == "1 of 6 coordinates"
    # Race lies along the second coordinate and nowhere else.
    assert found.change(shown).y_pred.tolist() == drop_dimensions(shown.asked, [1]).answers().y_pred.tolist()
    assert gap(found.change(shown)) < 0.06
    assert np.mean([gap(found.control(shown, np.random.default_rng(seed))) for seed in range(30)]) > 0.1


@pytest.mark.slow
def test_the_length_of_an_embedding_says_nothing():
    """Race A eight times as long: of raw coordinates 'person' would tell the group best. By powers of two nothing is rounded otherwise."""
    given = material(n=400, draws=99)
    images = given.image_embeddings * np.where(given.attributes["race"] == "A", np.float32(8), np.float32(1))[:, None]
    codes = (given.attributes["race"] == "B").to_numpy().astype(int)
    assert [mutual_information(each, codes).argmax() for each in (given.image_embeddings, images)] == [1, 2]
    texts = {text: vector * 2.0 ** (place % 5) for place, (text, vector) in enumerate(given.texts.items())}
    assert explore(PLAN, replace(given, image_embeddings=images, texts=texts), ALL) == explore(PLAN, given, ALL)


def test_thresholds_for_each_group():
    given = material(n=3000)
    context, shown = shop_of(given)
    odds, parity = settings_of("group-thresholds", context)
    assert (odds.setting, odds.control is None, parity.control is None) == ("equalized odds", False, True)
    assert "unlawful" in " ".join(map(sentence, odds.needs))
    assert gap(odds.change(shown)) < 0.05 < 0.1 < gap(shown.before)
    shuffled = odds.control(shown, np.random.default_rng(0))
    assert gap(shuffled) > 0.06
    chosen = pd.Series(parity.change(shown).y_pred == "Female").groupby(shown.before.attributes["race"].to_numpy()).mean()
    assert abs(chosen["A"] - chosen["B"]) < 0.06


def test_small_and_unknown_groups_keep_their_answers():
    given = material(n=1500)
    rows = given.attributes.assign(race=np.where(np.arange(1500) < 30, UNKNOWN, given.attributes["race"]))
    context, shown = shop_of(replace(given, attributes=rows))
    after = next(METHODS[-1].candidates(context)).change(shown)
    unknown = (shown.before.attributes["race"] == UNKNOWN).to_numpy()
    assert unknown.any()
    assert after.y_pred[unknown].tolist() == shown.before.y_pred[unknown].tolist()
    assert after.y_pred.tolist() != shown.before.y_pred.tolist()


def orders(scores, codes, shares):
    """Return the first tenth by score, and with every group's share at every place."""
    k = round(0.1 * len(scores))
    return np.argsort(-scores, kind="stable")[:k], rerank(scores, codes, shares, k)


def test_a_search_with_its_order_changed():
    given = material(n=1200)
    (found,) = explore(PLAN, given, ["re-ranking"])
    half = fit_half(given.contents, 0)
    scores = cosine_scores(given.image_embeddings[~half], given.texts["a woman"][None])[:, 0]
    race, sought = (given.attributes[name].to_numpy()[~half] for name in ("race", "gender"))
    codes = (race == "B").astype(int)
    shares = np.bincount((given.attributes["race"].to_numpy()[half] == "B").astype(int)) / half.sum()
    first, fair = orders(scores, codes, shares)
    default = found.target.points[0].what_if
    assert default.default
    gaps = [np.ptp([(codes[order] == g).sum() / (codes == g).sum() for g in (0, 1)]) for order in (first, fair)]
    assert (default.gap_before.value, default.gap.value) == pytest.approx(gaps)
    recall = [(sought[order] == "Female").sum() / (sought == "Female").sum() for order in (first, fair)]
    assert (default.utility.before, default.utility.after) == pytest.approx(recall)
    assert default.gap.value < default.gap_before.value
    assert "bound that no system reaches" in " ".join(map(sentence, default.needs))
    assert (found.cost.code, FOUND) == ("recall", "found")


def test_a_search_shows_the_quality_of_both_orders():
    """Few are men, and the query leans to race B, whose women it finds: an order that holds B back has the men earlier."""
    given = material(n=1200)
    (found,) = explore(replace(PLAN, query="Male"), given, ["re-ranking"])
    half = fit_half(given.contents, 0)
    scores = cosine_scores(given.image_embeddings[~half], given.texts["a man"][None])[:, 0]
    race, sought = (given.attributes[name].to_numpy() for name in ("race", "gender"))
    gains, shares = (sought[~half] == "Male").astype(float), np.array([(race[half] == each).mean() for each in "AB"])
    expected = tuple(ndcg(order, gains) for order in orders(scores, (race[~half] == "B").astype(int), shares))
    assert found.target.points[0].what_if.ndcg == pytest.approx(expected)
    assert expected[1] > expected[0] + 0.01


def test_what_is_planted_is_taken_away_and_nothing_is_hidden():
    (found,) = explore(PLAN, material(draws=1999), [each.name for each in METHODS])
    projections = [point.what_if for point in found.target.points if point.what_if.method == "projection"]
    assert {projection.outcome for projection in projections} <= {"smaller", "indistinguishable"}
    assert all(projection.beats_random > 0.9 for projection in projections)
    assert all(point.what_if.ndcg is None for point in found.target.points)  # no order is changed
    tried = [(point.what_if.method, point.what_if.setting) for point in found.target.points]
    assert len(tried) == len(set(tried)) == 2 + 1 + 5 + 2 + 4 + 1 + 2
    # The same settings by every other attribute, in the same order; what moved there is seen.
    assert [other_attribute.finding for other_attribute in found.other_attributes] == ["gender/accuracy/age", "gender/accuracy/race x age"]
    for other in found.other_attributes:
        assert [(point.what_if.method, point.what_if.setting) for point in other.points] == tried
        assert all(point.what_if.beats_random is None for point in other.points)
    first = found.target.points[0].what_if
    assert first.change_p_adjusted >= first.change_p
    assert (found.target.fitted_on, found.target.shown_on, found.unit) == (400, 400, "image content")
    assert found.refused == ()


@pytest.mark.slow
def test_where_nothing_is_planted_nothing_is_improved():
    """Of 12 seeds without bias, hardly any setting of projection or dropped dimensions claims an improvement."""
    claims = [
        point.what_if.outcome
        for seed in range(12)
        for found in explore(PLAN, material(bias=0.0, n=400, seed=seed, draws=199), ["projection", "dropped-dimensions"])
        for point in found.target.points
    ]
    assert np.mean([claim in ("smaller", "levelled down", "indistinguishable") for claim in claims]) <= 0.05


@pytest.mark.slow
def test_equal_seeds_give_equal_results_whatever_the_order_of_the_images():
    given = material(n=300)
    order = np.random.default_rng(9).permutation(300)
    contents, rows = [given.contents[i] for i in order], given.attributes.iloc[order]
    shuffled = replace(given, image_embeddings=given.image_embeddings[order], contents=contents, attributes=rows)
    assert explore(PLAN, given, ["neutral-label", "projection"]) == explore(PLAN, shuffled, ["neutral-label", "projection"])


@pytest.mark.slow
def test_what_comes_in_clusters_is_counted_by_them_and_parted_by_them():
    """400 images of 100 people, 50 of them shown; their races are their own, so every group is in at most 50 clusters and at least 15."""
    given = material(n=400)
    person = np.arange(400) // 4
    race = given.attributes["race"].to_numpy()[4 * person]
    given = replace(given, attributes=given.attributes.assign(person=[f"p{each}" for each in person], race=race))
    by_image, by_person = (explore(replace(PLAN, cluster=each), given, ["neutral-label"])[0] for each in (None, "person"))
    of = [[group.clusters for group in each.target.points[0].what_if.by_group] for each in (by_image, by_person)]
    assert of[0] == [None, None]
    assert sum(of[1]) == by_person.units == 50
    (found,) = explore(replace(PLAN, cluster="person", query="Female"), given, ["re-ranking"])
    assert sum(group.clusters for group in found.target.points[0].what_if.by_group) == 50
    half = fit_half(list(given.attributes["person"]), 0)  # a cluster stays in one half
    assert (found.unit, found.target.fitted_on, half.sum()) == ("person", 200, 200)
    assert not set(given.attributes["person"][half]) & set(given.attributes["person"][~half])
    # Images of no known cluster are parted by content.
    given = replace(given, attributes=given.attributes.assign(person=UNKNOWN))
    (found,) = explore(replace(PLAN, cluster="person"), given, ["neutral-label"])
    assert (found.target.fitted_on, found.target.shown_on, found.units) == (200, 200, 200)


@pytest.mark.slow
def test_what_cannot_be_tried_is_named_with_its_reason():
    bare = WhatIfPlan("q", "gender/accuracy/race")
    (found,) = explore(bare, material(n=300), [each.name for each in METHODS])
    refused = {each.method: sentence(each.reason) for each in found.refused if not each.setting}
    assert set(refused) == {"neutral-label", "combined-prompts", "projection", "calibrated-projection"}
    assert all("names no" in reason for reason in refused.values())
    about = replace(PLAN, direction=Direction((("a woman", "a man"),)))
    (found,) = explore(about, material(n=300), ["projection"])
    assert found.target is None
    assert ["itself about the attribute" in sentence(each.reason) for each in found.refused] == [True, True]


def test_too_few_images_are_no_improvement():
    (found,) = explore(PLAN, material(n=90), ["neutral-label"])
    assert found.target is None
    assert found.refused[0].reason == Note("too_few_images", {"images": 30})
    (found,) = explore(PLAN, material(n=200), ["neutral-label"])  # 25 a cell: race x age cannot be judged
    assert [other_attribute.finding for other_attribute in found.other_attributes] == ["gender/accuracy/age"]
    assert [(each.method, each.setting) for each in found.refused] == [("", "race × age")]


def test_what_could_not_be_judged_is_not_computed(monkeypatch):
    """28 scenes, 14 shown: no group lies in the 15 that a verdict asks for, by whatever method."""
    given = material(n=560)
    given = replace(given, attributes=given.attributes.assign(scene=[f"s{row % 28}" for row in range(560)]))
    monkeypatch.setattr(exploring, "_candidates", None)  # not even looked at
    tried = explore(replace(PLAN, cluster="scene"), given, ALL)
    reason = Note("too_few_clusters", {"images": 30, "clusters": 15, "cluster": "scene"})
    assert [(each.target, each.other_attributes) for each in tried] == [(None, ()), (None, ())]
    assert [(each.method, each.setting) for each in tried[0].refused] == [("", "race"), ("", "age"), ("", "race × age")]
    assert [each.method for each in tried[1].refused] == ["re-ranking"]
    assert [each.reason for found in tried for each in found.refused] == [reason] * 4


def test_no_what_if_without_its_cost():
    harm = Measurement("harm", "?", LABELS, "p v1", (Claim("selection_rate", ("race",), "f"),), outcomes={"f": ("Female",)})
    plan = WhatIfPlan("q", "harm/selection_rate[f]/race", neutral=PLAN.neutral)
    given = replace(material(n=300), measurements=(harm,))
    (found,) = explore(plan, given, ["neutral-label"])
    assert found.target is None
    assert all("cost" in sentence(each.reason) for each in found.refused)
    right = RightAnswer(("gender",), {("Female",): "Female", ("Male",): "Male"}, "the label of the person's own gender")
    (found,) = explore(replace(plan, right=right), given, ["neutral-label"])
    with_truth = found.target.points[0].what_if.utility
    asked = explore(PLAN, material(n=300), ["neutral-label"])[0].target.points[0].what_if.utility
    assert (with_truth.before, with_truth.after) == (asked.before, asked.after)
    assert sentence(found.cost) == right.sentence


def test_what_is_planned_must_be_there():
    for finding in ("gender/accuracy/tone", "gender/accuracy/race x age"):
        with pytest.raises(UsageError, match="not a finding by one attribute"):
            explore(replace(PLAN, finding=finding), material(n=100), ["neutral-label"])
    with pytest.raises(UsageError, match="did you mean projection") as error:
        chosen_methods(["projektion"])
    assert error.value.where == "--what-if"
    assert chosen_methods(["re-ranking", "neutral-label"]) == ("neutral-label", "re-ranking")
    assert chosen_methods(["all"]) == ALL


def test_the_halves_may_not_overlap(monkeypatch):
    monkeypatch.setattr(exploring, "fit_half", lambda units, seed: np.arange(len(units)) % 2 == 0)
    with pytest.raises(DataError, match="both fitted on and shown"):
        explore(PLAN, replace(material(n=300), contents=["same"] * 300), ["neutral-label"])
