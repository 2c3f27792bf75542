"""What stands beside the verdicts: put where it makes sense, equal to its own functions, and without a say in any verdict."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.engine import AnsweredProbe, build_result
from audit.evidence.adjustment import mantel_haenszel, shift, strata
from audit.evidence.effect_size import ratio
from audit.evidence.label_noise import tipping_point
from audit.records.base import Estimate
from audit.results import FindingEvidence
from audit.statistics.counts import unpack
from audit.statistics.metrics import METRICS
from audit.types import Claim, Dataset, LabelSet, Measurement, ModelRecord, Predictions, Probe, Settings

MODEL = ModelRecord("m", "made up", "f" * 64, "0" * 64, 0, 2, "float32", "softmax", 100.0, None, "none", "none", "none")
SETTINGS = Settings(draws=999)


def answers(cells, labels, spread=0.4):
    """One image a count of ``(level, ..., true or None, answer): n``; the answer's probability lies `spread` above an equal share."""
    rows = [key for key, n in cells.items() for _ in range(n)]
    y_pred = np.array([row[-1] for row in rows])
    y_true = None if rows[0][-2] is None else np.array([row[-2] for row in rows])
    scores = np.full((len(rows), len(labels)), (1 - 1 / len(labels) - spread) / (len(labels) - 1), np.float32)
    scores[np.arange(len(rows)), [labels.index(answer) for answer in y_pred]] = 1 / len(labels) + spread
    return rows, Predictions(labels, labels, scores, y_pred, y_true, pd.DataFrame(), np.full(len(rows), 2 * spread))


def audited(cells, attributes, claims, outcomes, labels=("yes", "no"), spread=0.4, model=MODEL, limited=False, **changes):
    """Audit made-up answers of one measurement."""
    rows, predictions = answers(cells, labels, spread)
    frame = pd.DataFrame([row[: len(attributes)] for row in rows], columns=list(attributes), dtype="str")
    predictions = replace(predictions, attributes=frame, **changes)
    dataset = Dataset("made up", [b""] * len(frame), frame, attributes, "4" * 64, "the test", "none", limited=limited)
    truth = None if predictions.y_true is None else "truth"
    measurement = Measurement("m", "?", LabelSet("l", labels, dict.fromkeys(labels, ())), "p", claims, truth, outcomes)
    probe = Probe("test", "?", lambda _: dataset, (measurement,), "none", "none", (), ())
    return build_result(AnsweredProbe(model, dataset, frame, {"m": predictions}), probe, SETTINGS).result


HARM = Claim("selection_rate", ("race",), "harm")
RACES = {"race": ("A", "B")}
YES = {"harm": ("yes",)}


def two_races(a=224, b=115, n=(1556, 1516), spread=0.4, **changes):
    cells = {("A", None, "yes"): a, ("A", None, "no"): n[0] - a, ("B", None, "yes"): b, ("B", None, "no"): n[1] - b}
    return audited(cells, RACES, (HARM,), YES, spread=spread, **changes)


def test_table_6_of_the_clip_paper_with_everything_beside_it_and_seen_from_the_side_where_high_is_good():
    """Non-human: 224 of 1,556 against 115 of 1,516. 40 labels overturn it; ratio .527 and 1.898 the other way round."""
    (finding,) = two_races().findings
    assert (finding.verdict, finding.gap.highest) == ("disparity", ("A",))
    assert finding.evidence.effect_size.ratio == ratio(224, 1556, 115, 1516, 0.05)
    assert finding.evidence.effect_size.ratio.value == pytest.approx(1.898, abs=5e-4)
    assert finding.evidence.effect_size.difference.value == finding.gap.value
    assert (finding.evidence.four_fifths.ratio, finding.evidence.four_fifths.below) == (pytest.approx(0.527, abs=5e-4), True)
    assert finding.evidence.label_noise.tipping_point == tipping_point((("A",), ("B",)), (224, 115), (1556, 1516), 0.05)
    assert finding.evidence.label_noise.tipping_point.images == 40
    assert [point.share for point in finding.evidence.label_noise.points] == [0.01, 0.02, 0.05, 0.1, 0.2]
    assert finding.evidence.label_noise.points[0].kept == 1.0
    assert finding.evidence.label_noise.points[4].kept < 0.9
    assert (finding.evidence.shrinkage, finding.evidence.family_correction, finding.evidence.near_ties) == (None, None, None)
    assert finding.evidence.adjustment is None  # there is no other attribute
    assert two_races().measurements[0].evidence.near_ties == 0  # the scores are far apart
    # Right answers 332 of 1,556 lower in A: the adversary moves A's failures into B.
    cells = {("A", "yes", "yes"): 1332, ("A", "yes", "no"): 224, ("B", "yes", "yes"): 1401, ("B", "yes", "no"): 115}
    (finding,) = audited(cells, RACES, (Claim("accuracy", ("race",)),), {}).findings
    tipping = finding.evidence.label_noise.tipping_point
    assert (tipping.worst, tipping.comparison, tipping.images) == (("A",), ("B",), 40)
    assert finding.evidence.four_fifths is None


def test_nothing_that_decides_is_changed(monkeypatch):
    with_evidence = two_races()
    monkeypatch.setattr("audit.engine.probe_audit.add_evidence", lambda result, *_: result)
    without = two_races()
    assert without.findings[0].evidence == FindingEvidence()
    assert [replace(finding, evidence=FindingEvidence()) for finding in with_evidence.findings] == list(without.findings)
    assert with_evidence.verdict == without.verdict


def test_images_that_come_in_clusters_get_nothing_that_counts_them_one_by_one():
    cells = {("A", "yes", "yes"): 90, ("A", "yes", "no"): 10, ("B", "yes", "yes"): 60, ("B", "yes", "no"): 40}
    result = audited(cells, RACES, (Claim("accuracy", ("race",)),), {}, cluster=np.arange(200) // 4)
    assert result.findings[0].evidence == FindingEvidence()
    assert (result.evidence.equalized_odds, result.evidence.threshold_curves, result.measurements[0].evidence.calibration) == ((), (), ())
    assert len(result.counts[0].n) == 4


def test_of_three_groups_the_leading_pair_is_overturned_and_adjusted():
    """C lies farthest from A, with 40 images; the verdict rests on A and B."""
    each = {"A": (400, 2000), "B": (200, 2000), "C": (2, 40)}
    cells = {
        (race, age, None, answer): n // 2
        for race, (k, of) in each.items()
        for age in ("old", "young")
        for answer, n in (("yes", k), ("no", of - k))
    }
    (finding,) = audited(cells, {"race": ("A", "B", "C"), "age": ("old", "young")}, (HARM,), YES).findings
    assert (finding.gap.highest, finding.gap.lowest, finding.verdict) == (("A",), ("C",), "disparity")
    assert finding.evidence.label_noise.tipping_point == tipping_point((("A",), ("B",)), (400, 200), (2000, 2000), 0.05 / 3)
    assert (finding.evidence.adjustment.pairs[0].first, finding.evidence.adjustment.pairs[0].second) == (("A",), ("B",))
    assert finding.evidence.adjustment.pairs[0].difference.value == pytest.approx(0.1)
    assert finding.evidence.effect_size.difference.value == finding.gap.leading.difference == pytest.approx(0.1)  # one pair, one number


def test_an_equal_pair_has_no_tipping_point_but_a_noise_curve():
    (finding,) = two_races(400, 402, (2000, 2000)).findings
    assert (finding.verdict, finding.evidence.label_noise.tipping_point) == ("equivalent", None)
    assert [point.kept for point in finding.evidence.label_noise.points][:2] == [1.0, 1.0]
    # Wrong labels do not make a compared group too small. 30 images in either group, 28 against 2: a gap that no tenth of wrong labels
    # hides, though every other try leaves a group of 29.
    (finding,) = two_races(28, 2, (30, 30)).findings
    assert finding.evidence.label_noise.points[3].kept == 1.0


def test_context_has_sizes_only():
    context = replace(HARM, primary=False)
    cells = {("A", None, "yes"): 50, ("A", None, "no"): 50, ("B", None, "yes"): 20, ("B", None, "no"): 80}
    (finding,) = audited(cells, RACES, (context,), YES).findings
    assert finding.evidence.effect_size.difference.value == pytest.approx(0.3)
    assert (finding.evidence.label_noise, finding.evidence.four_fifths, finding.evidence.adjustment) == (None, None, None)
    assert finding.evidence.family_correction is None  # one word is no list


def test_small_groups_are_shrunk_raw_beside_shrunk():
    """A 10 of 100, B 50 of 100, C 9 of 10: C is small and borrows."""
    cells = {("A", None, "yes"): 10, ("A", None, "no"): 90, ("B", None, "yes"): 50, ("B", None, "no"): 50}
    cells |= {("C", None, "yes"): 9, ("C", None, "no"): 1}
    (finding,) = audited(cells, {"race": ("A", "B", "C")}, (HARM,), YES).findings
    small = finding.evidence.shrinkage.rates[2]
    assert (small.group, small.raw) == (("C",), 0.9)
    assert finding.evidence.shrinkage.mean < small.shrunk < small.raw
    assert [rate.status for rate in finding.by_group] == ["ok", "ok", "small"]


def test_a_word_list_is_corrected_over_its_words():
    """Three words by race outside the verdict: max-T on common shuffles, of this list alone."""
    labels = ("thief", "ape", "rogue", "person")
    counts = {"A": (30, 12, 6, 152), "B": (10, 10, 2, 178)}
    cells = {(race, None, label): n for race, row in counts.items() for label, n in zip(labels, row, strict=True)}
    claims = tuple(Claim("selection_rate", ("race",), word, primary=False) for word in labels[:3])
    result = audited(cells, RACES, claims, {word: (word,) for word in labels[:3]}, labels)
    p = np.array([finding.gap.p for finding in result.findings])
    listed = [finding.evidence.family_correction for finding in result.findings]
    assert [each.size for each in listed] == [3, 3, 3]
    assert listed[0].max_t <= 0.05 < listed[1].max_t
    assert listed[2].max_t > 1.2 * p[2]  # two words are left when it is tried


def test_a_verdict_that_rests_on_rounding_says_so_where_the_rounding_of_the_number_format_is_known():
    """A 60 of 100 yes and B 20; forty of A's are a hair's breadth from no, so that 20 against 20 would be left."""
    cells = {("A", None, "yes"): 60, ("A", None, "no"): 40, ("B", None, "yes"): 20, ("B", None, "no"): 80}
    scores = np.where(np.repeat([True, False, True, False], [60, 40, 20, 80])[:, None], [0.9, 0.1], [0.1, 0.9])
    scores[:40] = [0.5 + 1e-6, 0.5 - 1e-6]
    result = audited(cells, RACES, (HARM,), YES, scores=scores)
    (finding,) = result.findings
    assert result.measurements[0].evidence.near_ties == 40
    assert (finding.verdict, finding.evidence.near_ties) == ("disparity", "inconclusive")
    result = two_races(spread=0.0, model=replace(MODEL, dtype="not stated"))
    assert (result.measurements[0].evidence.near_ties, result.findings[0].evidence.near_ties) == (None, None)


def test_near_ties_the_other_way_have_both_tolerances():
    """60 and 50 of 2,000, ten of the former a hair's breadth from no: 50 and 50 lie within a point, not within a factor of 1.25."""
    cells = {("A", None, "yes"): 60, ("A", None, "no"): 1940, ("B", None, "yes"): 50, ("B", None, "no"): 1950}
    scores = np.where(np.repeat([True, False, True, False], [60, 1940, 50, 1950])[:, None], [0.9, 0.1], [0.1, 0.9])
    scores[:10] = [0.5 + 1e-6, 0.5 - 1e-6]
    assert audited(cells, RACES, (HARM,), YES, scores=scores).findings[0].evidence.near_ties == "inconclusive"
    generous = replace(HARM, ratio_tolerance=2.0)
    assert audited(cells, RACES, (generous,), YES, scores=scores).findings[0].evidence.near_ties == "equivalent"


def test_a_gap_that_another_attribute_explains():
    """Rates .8 among the young and .2 among the old, for both races; 900 of A's 1,000 are young, 100 of B's."""
    sizes = {("A", "young"): 900, ("A", "old"): 100, ("B", "young"): 100, ("B", "old"): 900}
    rate = {"young": 8, "old": 2}
    yes = {(race, age, None, "yes"): n * rate[age] // 10 for (race, age), n in sizes.items()}
    no = {(race, age, None, "no"): n - n * rate[age] // 10 for (race, age), n in sizes.items()}
    result = audited(yes | no, {"race": ("A", "B"), "age": ("young", "old")}, (HARM,), YES)
    (finding,) = result.findings
    (found,) = finding.evidence.adjustment.pairs
    assert (found.first, found.second, found.others, found.strata) == (("A",), ("B",), ("age",), 2)
    assert found.crude == pytest.approx(0.48)
    assert found.difference.value == pytest.approx(0.0, abs=1e-12)
    assert (finding.evidence.adjustment.gap.others, finding.evidence.adjustment.gap.explained) == (("age",), pytest.approx(0.48))
    assert finding.evidence.adjustment.gap.adjusted_p > 0.9
    assert finding.verdict == "disparity"  # the raw difference is what it is
    # It is Mantel and Haenszel's of the count table.
    counted = strata(unpack(result.counts[0]), METRICS["selection_rate"], frozenset({"yes"}), ("race",), ("age",))
    assert found == replace(mantel_haenszel(counted, 0, 1, 0.05), shift="weakened")


@pytest.mark.parametrize(
    ("crude", "low", "high", "significant", "expected"),
    [
        (0.10, -0.12, -0.02, True, "reversed"),
        (-0.10, 0.02, 0.12, True, "reversed"),
        (0.01, -0.12, -0.02, False, "reversed"),  # what was hidden
        (0.10, -0.12, 0.02, True, "weakened"),  # the sign turns, but may not
        (0.10, 0.00, 0.16, True, "weakened"),  # .08 are left, which may be 0
        (0.10, 0.01, 0.07, True, "weakened"),  # .04 are left
        (-0.10, -0.07, -0.01, True, "weakened"),
        (0.10, 0.01, 0.07, False, None),  # nothing was shown that could weaken
        (0.10, 0.02, 0.10, True, None),  # .06 are left
        (-0.10, -0.30, -0.10, True, None),
        (0.00, -0.02, 0.02, False, None),
    ],
)
def test_a_difference_shifts_by_its_sign_and_by_its_half(crude, low, high, significant, expected):
    base = two_ages().findings[0].evidence.adjustment.pairs[0]
    pair = replace(base, crude=crude, difference=Estimate((low + high) / 2, low, high))
    assert shift(pair, significant=significant) == expected


def two_ages(**changes):
    """A 1,320 of 2,000, B 1,410; of the young A is 7.6 points ahead, of the old 7.8."""
    counts = {("A", "young"): (360, 400), ("A", "old"): (960, 1600), ("B", "young"): (1000, 1214), ("B", "old"): (410, 786)}
    cells = {(*key, None, answer): n for key, (k, of) in counts.items() for answer, n in (("yes", k), ("no", of - k))}
    return audited(cells, {"race": ("A", "B"), "age": ("young", "old")}, (HARM,), YES, **changes)


def test_in_a_sample_nothing_shifts():
    for limited, expected in ((False, "reversed"), (True, None)):
        (finding,) = two_ages(limited=limited).findings
        assert finding.evidence.adjustment.pairs[0].shift == expected


def test_an_attribute_that_follows_from_the_group_adjusts_nothing_and_two_others_come_one_by_one_and_together():
    """`binary` only renames race: no level of it holds both."""
    cells = {("A", "x", None, "yes"): 50, ("A", "x", None, "no"): 50, ("B", "y", None, "yes"): 20, ("B", "y", None, "no"): 80}
    (finding,) = audited(cells, {"race": ("A", "B"), "binary": ("x", "y")}, (HARM,), YES).findings
    assert finding.evidence.adjustment is None
    source = np.random.default_rng(0)
    cells: dict = {}
    for _ in range(800):
        key = (source.choice(["A", "B"]), source.choice(["young", "old"]), source.choice(["F", "M"]), None, source.choice(["yes", "no"]))
        cells[key] = cells.get(key, 0) + 1
    attributes = {"race": ("A", "B"), "age": ("young", "old"), "gender": ("F", "M")}
    (finding,) = audited(cells, attributes, (HARM,), YES).findings
    assert [pair.others for pair in finding.evidence.adjustment.pairs] == [("age",), ("gender",), ("age", "gender")]
    assert [pair.strata for pair in finding.evidence.adjustment.pairs] == [2, 2, 4]
    assert finding.evidence.adjustment.gap.others == ("age", "gender")


def recognised(**changes):
    """Right 90 of 100 in A and 60 of 100 in B, for either truth; always .9 sure."""
    right = {"A": 90, "B": 60}
    cells = {
        (race, truth, answer): right[race] if truth == answer else 100 - right[race]
        for race in ("A", "B")
        for truth in ("yes", "no")
        for answer in ("yes", "no")
    }
    return audited(cells, RACES, (Claim("accuracy", ("race",)),), {}, **changes)


def test_calibration_odds_and_thresholds_of_a_measurement_with_a_truth():
    result = recognised()
    (by_race,) = result.measurements[0].evidence.calibration
    assert by_race.attributes == ("race",)
    # .9 sure of all: right .9 of the time in A, .6 in B.
    assert [group.error.value for group in by_race.groups] == pytest.approx([0.0, 0.3], abs=1e-6)
    (odds,) = result.evidence.equalized_odds
    assert (odds.measurement, odds.outcome, odds.attributes) == ("m", "yes", ("race",))
    assert odds.difference.equal_opportunity.value == pytest.approx(0.3)
    assert odds.difference.false_positive.value == pytest.approx(0.3)
    (curve,) = result.evidence.threshold_curves
    assert curve.finding == result.findings[0].id
    assert curve.points[0].gap == pytest.approx(0.3)
    assert curve.points[0].coverage == 1.0


@pytest.mark.parametrize(
    "scores",
    [np.zeros((400, 0), np.float32), np.full((400, 2), 3.0), np.full((400, 2), np.nan), np.tile([1.5, -0.5], (400, 1)).clip(-0.5, 1.0)],
)
def test_predictions_without_probabilities_have_all_but_confidence(scores):
    result = recognised(scores=scores)
    unsure = result.measurements[0].evidence
    assert (unsure.calibration, unsure.near_ties, result.evidence.threshold_curves) == ((), None, ())
    assert len(result.evidence.equalized_odds) == 1
    assert result.findings[0].evidence.effect_size.difference.value == pytest.approx(0.3)


def test_the_order_of_the_images_changes_nothing():
    source = np.random.default_rng(0)
    scores = source.dirichlet([1, 1], 400)
    y_pred, y_true = np.array(["yes", "no"])[scores.argmax(axis=1)], source.choice(["yes", "no"], 400)
    rows = pd.DataFrame({"race": source.choice(["A", "B"], 400)}, dtype="str")

    def result(order):
        changes = {"scores": scores[order], "y_pred": y_pred[order], "y_true": y_true[order], "margin": np.ones(400)}
        dataset = Dataset("made up", [b""] * 400, rows.iloc[order], RACES, "4" * 64, "the test", "none")
        predictions = replace(answers({("A", "yes", "yes"): 1}, ("yes", "no"))[1], attributes=dataset.attributes, **changes)
        claims = (Claim("accuracy", ("race",)), HARM)
        measurement = Measurement("m", "?", LabelSet("l", ("yes", "no"), {"yes": (), "no": ()}), "p", claims, "truth", YES)
        probe = Probe("test", "?", lambda _: dataset, (measurement,), "none", "none", (), ())
        return build_result(AnsweredProbe(MODEL, dataset, dataset.attributes, {"m": predictions}), probe, SETTINGS).result

    assert result(source.permutation(400)) == result(np.arange(400))
