"""Finished audits compared: what is paired, what is refused, what must not matter, and the curves of a series."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from audit.analyses.plans import TextAssociationPlan
from audit.api.pipeline import audit as run_audit
from audit.comparison.engine import Checkpoint, compare, follow_claim
from audit.comparison.sides import read
from audit.errors import DataError, UsageError
from audit.records.comparison import SeriesAxis, from_json, json_schema, to_json
from audit.statistics.intervals import newcombe
from audit.statistics.units.sampling_unit import ImageUnits
from audit.testing import FakeEncoder
from audit.types import Claim, Note, Probe
from reports.exports.markdown import ordinary_spaces
from reports.text.changes import comparison_reason, trajectory_reason
from reports.text.notes import sentence
from tests.support import comparison_samples as samples

SETTINGS = samples.SETTINGS
TARGETS = {"women": ("a woman", "a girl"), "men": ("a man", "a boy")}
WORDS = {"work": ("a job", "a desk"), "home": ("a house", "a garden")}
CONCEPTS = ("a chair", "a spoon", "a window", "a bridge", "a pencil", "a cloud", "a carpet", "a bottle")


def compared(*directories, settings=SETTINGS, **how):
    return compare([each for directory in directories for each in read(directory)], settings, **how)


def changes(found, place=0):
    return {change.id: change for change in found.comparisons[place].changes}


@pytest.fixture
def pair(tmp_path):
    """A skewed model, wrong in 60 of the 120 images of group b, and one that is wrong in 6."""
    return samples.audit(tmp_path / "skewed", {"b": 60}), samples.audit(tmp_path / "plain", {"b": 6})


# ---- what is found -------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_names_the_group_in_which_two_models_differ(pair):
    found = compared(*pair)
    change = changes(found)["animal/accuracy/group"]
    cells = {cell.before.group: cell for cell in change.by_group}
    # Group b: 60 wrong before, 6 of the same images after: 54 gained, none lost; 54 / 120 = .45.
    assert (cells["b",].gained, cells["b",].lost, cells["b",].difference) == (54, 0, 0.45)
    assert (cells["a",].gained, cells["a",].lost, cells["a",].p) == (0, 0, 1.0)
    assert change.gap.difference == pytest.approx(0.05 - 0.5)
    assert (change.direction, change.beyond_tolerance, change.levelled_down) == ("shrank", True, False)
    assert (found.comparisons[0].verdict, found.comparisons[0].direction) == ("disparity", "shrank")
    assert found.comparisons[0].images == 360
    assert change.verdict_before == "disparity"


@pytest.mark.slow
def test_conditional_rates_count_the_images_of_their_truth_and_precision_is_not_paired(pair):
    found = compared(*pair)
    change = changes(found)["animal/true_positive_rate[cat]/group"]
    assert [cell.before.n for cell in change.by_group] == [40, 40, 40]  # a third of 120 are cats
    assert [cell.gained for cell in change.by_group] == [0, 18, 0]  # a third of the 54 that changed
    notes = {note.code: note.values["finding"] for note in found.comparisons[0].not_compared}
    assert notes == {"selected_images": "animal/precision[cat]/group", "equal_true_shares": "animal/selection_rate[cat]/group"}


@pytest.mark.slow
def test_counts_agree_with_the_two_audits_themselves(pair):
    found = compared(*pair)
    audits = [read(directory)[0].audits["zoo"] for directory in pair]
    for change in found.comparisons[0].changes:
        for audit, side in zip(audits, ("before", "after"), strict=True):
            finding = next(each for each in audit.findings if each.id == change.id)
            own = [(rate.group, rate.n, rate.events, rate.status) for rate in finding.by_group]
            assert [(r.group, r.n, r.events, r.status) for r in (getattr(cell, side) for cell in change.by_group)] == own


@pytest.mark.slow
def test_an_audit_compared_with_itself_has_exactly_no_change(tmp_path):
    first = samples.audit(tmp_path / "one", {"b": 60})
    found = compared(first, first)
    assert found.comparisons[0].verdict == "equivalent"
    for change in found.comparisons[0].changes:
        assert [cell.difference for cell in change.by_group if cell.before.n] == [0.0] * len(change.by_group)
        assert change.gap.difference == 0.0
        assert change.verdict == "equivalent"
    assert [side.side.name for side in found.sides] == ["one/ckpt.pt (one) #1", "one/ckpt.pt (one) #2"]
    assert Note("same_model") in found.notes


@pytest.mark.slow
def test_exchanging_the_models_turns_every_sign(pair):
    there, back = (changes(compared(*order)) for order in (pair, pair[::-1]))
    for name, change in there.items():
        other = back[name]
        assert other.gap.difference == -change.gap.difference
        assert (other.gap.low, other.gap.high, other.gap.p) == pytest.approx((-change.gap.high, -change.gap.low, change.gap.p), abs=1e-12)
        for one, two in zip(change.by_group, other.by_group, strict=True):
            assert (two.gained, two.lost, two.p) == (one.lost, one.gained, one.p)


@pytest.mark.slow
def test_the_order_of_the_images_does_not_matter(tmp_path, pair):
    shuffled = samples.attributes().sample(frac=1, random_state=3)
    planted = samples.answers(samples.attributes(), {"b": 6})
    audited = samples.result(samples.model("plain/ckpt.pt"), {"b": 6}, rows=shuffled)
    place = samples.attributes().index.get_indexer(shuffled.index)
    predictions = replace(audited.predictions["animal"], y_pred=planted.y_pred[place], scores=planted.scores[place])
    straight = read(pair[1])[0].results.audits[0]
    other = samples.write(tmp_path / "shuffled" / "plain", replace(audited, result=straight, predictions={"animal": predictions}))
    assert compared(pair[0], other).comparisons == compared(*pair).comparisons


# ---- what is paired ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_images_that_only_one_audit_has_are_counted_and_left_out(tmp_path):
    rows = samples.attributes()
    first = samples.audit(tmp_path / "first", {"b": 60}, rows=rows.iloc[5:])
    second = samples.audit(tmp_path / "second", {"b": 6}, rows=rows.iloc[:-3], left_out=3)
    comparison = compared(first, second).comparisons[0]
    assert (comparison.images, comparison.only_before, comparison.only_after) == (352, 3, 5)
    assert comparison.changes[0].overall.before.n == 352
    assert "8 images in only one of the two audits; up to 3 images left out by an audit" in comparison_reason(comparison, samples.SETTINGS)


@pytest.mark.slow
def test_a_third_audit_takes_its_missing_images_out_of_every_comparison(tmp_path):
    rows = samples.attributes()
    sides = [samples.audit(tmp_path / name, {"b": 60}, rows=part) for name, part in (("x", rows), ("y", rows), ("z", rows.iloc[2:]))]
    found = compared(*sides)
    assert [(comparison.images, comparison.missing_in_others, comparison.only_before) for comparison in found.comparisons] == [
        (358, 2, 0),
        (358, 0, 2),
    ]
    assert [(comparison.before, comparison.after) for comparison in found.comparisons] == [
        ("x/ckpt.pt", "y/ckpt.pt"),
        ("x/ckpt.pt", "z/ckpt.pt"),
    ]


@pytest.mark.slow
def test_two_models_of_one_audit_are_two_sides(tmp_path):
    together = samples.write(
        tmp_path / "both", samples.result(samples.model("m/1.pt"), {"b": 60}), samples.result(samples.model("m/2.pt"), {"b": 6})
    )
    found = compared(together)
    assert [side.side.name for side in found.sides] == ["m/1.pt", "m/2.pt"]
    assert (found.comparisons[0].verdict, found.comparisons[0].direction) == ("disparity", "shrank")


@pytest.mark.slow
def test_p_is_adjusted_over_all_comparisons_of_the_page(tmp_path, pair):
    third = samples.audit(tmp_path / "third", {"b": 50})
    assert compared(*pair).family == 2
    assert compared(*pair, third).family == 4


@pytest.mark.slow
def test_a_limited_audit_cannot_tell(tmp_path, pair):
    limited = samples.audit(tmp_path / "limited", {"b": 6}, limited=True)
    comparison = compared(pair[0], limited).comparisons[0]
    assert (comparison.limited, comparison.verdict) == (True, "inconclusive")
    assert {change.verdict for change in comparison.changes} == {"inconclusive"}


@pytest.mark.slow
def test_another_tolerance_replaces_the_audits_and_not_that_of_a_claim(tmp_path):
    asked = samples.measurement(claims=(Claim("accuracy", ("group",)), Claim("true_positive_rate", ("group",), "cat", tolerance=0.02)))
    sides = [samples.audit(tmp_path / name, {"b": 6}, asked=asked) for name in ("x", "y")]
    found = changes(compared(*sides, tolerance=0.2))
    assert found["animal/accuracy/group"].tolerance == 0.2
    assert found["animal/true_positive_rate[cat]/group"].tolerance == 0.02


def with_clusters(name, wrong):
    """An audit of images that come in clusters of twelve."""
    audited = samples.result(samples.model(f"{name}/ckpt.pt"), {"b": wrong})
    predictions = audited.predictions["animal"]
    shelves = np.array([f"{i % 30:02d}" for i in range(len(predictions.attributes))])
    rows = predictions.attributes.assign(shelf=shelves)
    predictions = replace(predictions, attributes=rows, cluster=np.unique(shelves, return_inverse=True)[1])
    levels = {"group": samples.GROUPS, "size": ("small", "large"), "animal": samples.LABELS}
    found = samples.findings(samples.measurement(), predictions, levels, SETTINGS)
    decided, verdict = samples.decide_verdicts(found, SETTINGS, limited=False)
    groups = {**audited.result.data.groups, "shelf": dict.fromkeys(np.unique(shelves), 12)}
    data = replace(audited.result.data, groups=groups, cluster="shelf", clusters=30)
    result = replace(audited.result, findings=tuple(map(samples.Finding.of, decided)), verdict=verdict, data=data)
    return replace(audited, result=result, predictions={"animal": predictions})


@pytest.mark.slow
def test_images_that_belong_together_count_as_one_case(tmp_path):
    planted = {name: with_clusters(name, wrong) for name, wrong in (("x", 60), ("y", 6))}
    comparison = compared(*(samples.write(tmp_path / name, audited) for name, audited in planted.items())).comparisons[0]
    change = next(each for each in comparison.changes if each.id == "animal/accuracy/group")
    assert comparison.cluster == "shelf"
    # The first 60 images of group b, wrong before, are the first two of the four that each shelf has in it: all 30 shelves changed.
    assert (change.direction, change.by_group[1].before.clusters, change.by_group[1].gained) == ("shrank", 30, 54)
    plain = changes(compared(*(samples.audit(tmp_path / "plain" / name, {"b": wrong}) for name, wrong in (("x", 60), ("y", 6)))))
    assert change.gap.difference == plain["animal/accuracy/group"].gap.difference
    for finding in planted["x"].result.findings:
        found = next((each for each in comparison.changes if each.id == finding.id), None)
        if found:
            assert [(cell.before.n, cell.before.status) for cell in found.by_group] == [(r.n, r.status) for r in finding.by_group]
            assert [cell.before.low for cell in found.by_group] == pytest.approx([rate.low for rate in finding.by_group])


def test_clusters_that_the_predictions_do_not_name_are_not_paired(tmp_path):
    planted = [with_clusters(name, wrong) for name, wrong in (("x", 60), ("y", 6))]
    unnamed = [replace(each, result=replace(each.result, data=replace(each.result.data, cluster="owner"))) for each in planted]
    comparison = compared(*(samples.write(tmp_path / str(i), audited) for i, audited in enumerate(unnamed))).comparisons[0]
    assert comparison.changes == ()
    assert {note.code for note in comparison.not_compared} == {"no_clusters", "selected_images", "equal_true_shares"}
    assert comparison.verdict == "inconclusive"


# ---- what is refused -----------------------------------------------------------------------------------------------------------------


def relabelled():
    rows = samples.attributes()
    rows.iloc[0, 0] = "c"
    return rows


@pytest.mark.slow_except("planted1-UsageError-no probe in common-circus")
@pytest.mark.parametrize(
    ("planted", "error", "said", "why"),
    [
        ({"asked": samples.measurement("a photo of a {}")}, DataError, "asked different questions", "prompts differ"),
        ({"name": "circus"}, UsageError, "no probe in common", "circus"),
        ({"rows": relabelled(), "fingerprint": "5" * 64}, DataError, "disagree about what the images show", "group differs for 1 of 360"),
        ({"rows": samples.attributes().rename("x{}".format)}, DataError, "no image in common", ""),
    ],
)
def test_other_questions_labels_or_images_are_refused(tmp_path, pair, planted, error, said, why):
    other = samples.audit(tmp_path / "other", {"b": 6}, **planted)
    with pytest.raises(error, match=said) as caught:
        compared(pair[0], other)
    assert why in (caught.value.why or "")


@pytest.mark.slow_except("planted0-different label tables")
@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"fingerprint": "5" * 64}, "different label tables"),  # with the same labels
        ({"settings": replace(SETTINGS, alpha=0.01)}, "The audit of other/ckpt.pt has another alpha; this comparison uses its own."),
    ],
)
def test_another_label_table_and_other_settings_are_said(tmp_path, pair, planted, said):
    [note] = compared(pair[0], samples.audit(tmp_path / "other", {"b": 6}, **planted)).notes
    assert said in sentence(note)


def without_answers(directory, model):
    """An audit of a probe that has only analyses."""
    probe = Probe("words", "?", None, (), "ours", "none", (), (), analyses=(TextAssociationPlan("?", TARGETS, WORDS, CONCEPTS, "v1"),))
    run_audit(model=model, probe=probe, out=directory, draws=99, cache_root=directory / "cache")
    return directory


@pytest.mark.extension("text_association")
def test_audits_without_answers_are_refused_and_beside_others_said_not_to_be_compared(tmp_path, pair):
    """Two audits of texts alone have nothing to pair; a probe with answers is still compared."""
    first, second = (without_answers(tmp_path / name, FakeEncoder()) for name in ("one", "two"))
    with pytest.raises(UsageError, match="'words' has no answers to compare"):
        compared(first, second)
    answered, alone = [read(each)[0] for each in pair], [read(each)[0] for each in (first, second)]
    both = [
        replace(one, audits={**one.audits, **other.audits}, answers={**one.answers, **other.answers})
        for one, other in zip(answered, alone, strict=True)
    ]
    found = compare(both, SETTINGS)
    assert [comparison.probe for comparison in found.comparisons] == [comparison.probe for comparison in compared(*pair).comparisons]
    assert "The probe 'words' has only analyses, which are not compared between models." in map(sentence, found.notes)


@pytest.mark.slow
def test_one_model_is_no_comparison(pair):
    with pytest.raises(UsageError, match="needs two models"):
        compared(pair[0])


def miscounted(text):
    plain = json.loads(text)
    plain["audits"][0]["measurements"][0]["answer_counts"]["cat"] += 1
    return json.dumps(plain)


@pytest.mark.slow_except("STATUS-<lambda>-is not complete", "predictions.parquet-<lambda>-cannot be read")
@pytest.mark.parametrize(
    ("name", "damaged", "said"),
    [
        ("STATUS", lambda _: "failed\n", "is not complete"),
        ("predictions.parquet", lambda _: "PAR1 not", "cannot be read"),
        ("predictions.parquet", None, "cannot be read"),
        ("results.json", lambda _: "{", "not JSON"),
        ("results.json", miscounted, "is not that of its results.json"),
    ],
)
def test_a_damaged_audit_is_named(pair, name, damaged, said):
    text = (pair[1] / name).read_text(errors="replace")
    (pair[1] / name).unlink()
    if damaged:
        (pair[1] / name).write_text(damaged(text))
    with pytest.raises(DataError, match=said):
        read(pair[1])


# ---- a series ------------------------------------------------------------------------------------------------------------------------


def series(tmp_path, wrong_by_step, run="r" * 64):
    return [
        samples.audit(tmp_path / f"step-{step}", {"b": wrong}, record=samples.model(f"run/step-{step}.pt", step, run))
        for step, wrong in wrong_by_step.items()
    ]


@pytest.mark.slow
def test_checkpoints_of_one_run_are_put_in_order_and_followed(tmp_path):
    sides = series(tmp_path, {30: 60, 0: 0, 20: 60, 10: 14})
    found = compared(*sides)
    [curve] = [trajectory for trajectory in found.series[0].trajectories if trajectory.id == "animal/accuracy/group"]
    assert [point.step for point in curve.points] == [0, 10, 20, 30]
    assert [point.gap.value for point in curve.points] == pytest.approx([0, 14 / 120, 0.5, 0.5])
    assert [(comparison.before, comparison.after) for comparison in found.comparisons] == [("run/step-0.pt", "run/step-30.pt")]
    assert found.series[0].claims == 2
    assert (curve.detectable, curve.appears) == (10, 20)  # at step 10 the lower bound of 12 points, over 2 claims and 3 pairs, is below 5
    assert curve.points[0].p == 1.0
    assert curve.points[1].gap.low < 0.05 < curve.points[2].gap.low
    said = ordinary_spaces(trajectory_reason(curve, found.series[0]))
    assert "From step 10 on, a gap is detected at every checkpoint. From step 20 on, it exceeds 5 points" in said


@pytest.mark.slow
def test_only_checkpoints_of_one_run_are_a_series_by_themselves(tmp_path):
    one = series(tmp_path / "one", {0: 0, 10: 20})
    other = series(tmp_path / "other", {20: 60}, run="s" * 64)
    assert compared(*one, *other).series == ()
    assert compared(*one).series == ()  # two are a comparison
    forced = compared(*one, *other, series=True)
    assert [point.step for point in forced.series[0].trajectories[0].points] == [0, 10, 20]
    assert forced.series[0].run is None


@pytest.mark.slow
def test_a_series_needs_steps(pair):
    with pytest.raises(UsageError, match="does not say how many steps"):
        compared(*pair, series=True)


DOSES = {"none": (0.0, 0), "half a": (0.5, 14), "half b": (0.5, 60), "all": (1.0, 60)}


def doses(tmp_path):
    """Models without a step: a share of captions, and how many of 120 images of group b are wrong; two of them have the same share."""
    return [samples.audit(tmp_path / name, {"b": wrong}, record=samples.model(f"{name}.pt")) for name, (_, wrong) in DOSES.items()]


@pytest.mark.slow
def test_models_are_a_series_along_numbers_of_the_user(tmp_path):
    axis = SeriesAxis("dose", tuple(dose for dose, _ in DOSES.values())[::-1])
    found = compared(*doses(tmp_path)[::-1], axis=axis)
    [curve] = [trajectory for trajectory in found.series[0].trajectories if trajectory.id == "animal/accuracy/group"]
    assert [(point.side, point.step) for point in curve.points] == [("none.pt", 0), ("half b.pt", 0.5), ("half a.pt", 0.5), ("all.pt", 1)]
    assert [side.side.position for side in found.sides] == [0, 0.5, 0.5, 1]
    assert [(comparison.before, comparison.after) for comparison in found.comparisons] == [("none.pt", "all.pt")]
    # Of the two models at .5, the lower bound of one is below 5 points: the gap exceeds them from 1 on, and is detected from .5 on.
    assert (curve.detectable, curve.appears, found.series[0].axis) == (0.5, 1.0, "dose")
    said = ordinary_spaces(trajectory_reason(curve, found.series[0]))
    assert said.startswith("From dose 0.5 on, a gap is detected in every model. From dose 1 on, it exceeds 5 points in every model. ")


def test_an_axis_has_a_value_for_each_model(tmp_path):
    with pytest.raises(UsageError, match="3 values of 'dose' for 4 models"):
        compared(*doses(tmp_path), axis=SeriesAxis("dose", (0.0, 0.5, 1.0)))


def test_two_checkpoints_of_one_step_need_an_axis(tmp_path):
    same = [samples.audit(tmp_path / name, {"b": 0}, record=samples.model(name, 10, "r" * 64)) for name in ("a", "b", "c")]
    assert compared(*same).series == ()
    with pytest.raises(UsageError, match="of the same step") as refused:
        compared(*same, series=True)
    assert "--series-axis" in refused.value.fix
    assert compared(*same, axis=SeriesAxis("seed share", (0.0, 1.0, 1.0))).series[0].axis == "seed share"


@pytest.mark.parametrize(("last", "said"), [
    ([0], "At dose 2, the highest, no gap is detected."), ([0, 60], "At dose 2, the highest, not all 2 models have a detected gap."),
])  # fmt: skip
def test_a_gap_that_does_not_last_to_the_highest_value_is_not_said_to_have_gone(last, said):
    found = follow([0, 60, *last], positions=[0.0, 1.0, *([2.0] * len(last))])
    reason = ordinary_spaces(trajectory_reason(found, SimpleNamespace(limited=False, axis="dose")))
    assert (found.appears, found.detectable, said in reason, "it came and went" in reason) == (None, None, True, False)
    assert f"The band lies above 5 points in {len(last)} of {2 + len(last)} models." in reason


def follow(events, *, limited=False, positions=None):
    """Follow two groups of 200 images; of the second so many are missing at each step."""
    counted = [ImageUnits(np.array([200, 200 - missing]), np.array([200, 200])) for missing in events]
    places = positions or [10 * i for i in range(len(events))]
    steps = [Checkpoint(f"s{i}", places[i], (("a",), ("b",)), units, ("ok", "ok")) for i, units in enumerate(counted)]
    like = SimpleNamespace(
        id="m/accuracy/g", measurement="m", truth="t", metric="accuracy", outcome=None, attributes=("g",), better="high", primary=True,
        tolerance=0.05, confused=None,
    )  # fmt: skip
    return follow_claim(like, steps, SETTINGS, claims=2, limited=limited)


@pytest.mark.parametrize(
    ("events", "limited", "appears"),
    [
        # 60 of 200 missing is a gap of 30 points, far beyond 5: it appears where it stays.
        ([0, 60, 0, 60, 60], False, 30),
        ([0, 0, 60], False, 20),
        ([60, 60, 60], False, 0),
        ([0, 60, 60], True, None),
    ],
)
def test_a_gap_appears_where_it_stays_and_never_in_a_limited_series(events, limited, appears):
    assert follow(events, limited=limited).appears == appears


def test_a_gap_that_came_and_went_did_not_appear():
    found = follow([0, 60, 60, 0])
    assert (found.appears, found.detectable) == (None, None)
    assert "it came and went" in trajectory_reason(found, SimpleNamespace(limited=False, axis=None))


def test_a_small_gap_is_detectable_before_it_exceeds():
    # 14 of 200 missing: 7 points, which chance hardly gives, with a lower bound below 5.
    found = follow([0, 0, 14, 14])
    assert (found.appears, found.detectable, found.points[3].gap.low < 0.05) == (None, 20, True)


def test_bands_and_p_are_corrected_for_the_claims():
    # 60 of 200 missing, one pair of groups, two claims: Newcombe's interval at 1 - .05 / 2, and twice the p of the permutation test.
    low, high = newcombe(200, 200, 140, 200, 0.05 / 2)
    point = follow([0, 60]).points[1]
    assert (point.gap.low, point.gap.high) == pytest.approx((float(low), float(high)))
    assert point.p == pytest.approx(2 / (SETTINGS.draws + 1))


def test_the_number_of_checkpoints_costs_nothing():
    # Read backwards from the last, the sequence of tests stops at the first that does not hold: each may use the whole error rate.
    assert follow([0] * 30 + [14, 14]).points[-1].gap == follow([0, 14]).points[-1].gap


# ---- the file ------------------------------------------------------------------------------------------------------------------------


def test_the_file_is_read_back_as_it_was_and_its_schema_names_the_verdicts():
    facts = samples.four_steps()
    assert from_json(to_json(facts)) == facts
    assert to_json(from_json(to_json(facts))) == to_json(facts)
    assert "reversed" in json.dumps(json_schema())


@pytest.mark.slow_except("change1-does not follow its schema at unheard", "None-not JSON")
@pytest.mark.parametrize(
    ("change", "said"),
    [({"schema_version": "9"}, "schema version '9'"), ({"unheard": 1}, "does not follow its schema at unheard"), (None, "not JSON")],
)
def test_another_version_and_another_field_are_refused(change, said):
    text = json.dumps(json.loads(to_json(samples.skewed_and_plain())) | change) if change else "{"
    with pytest.raises(DataError, match=said):
        from_json(text)
