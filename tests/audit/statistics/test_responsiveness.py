"""Whether answers depend on the images, worked by hand and against scipy and statsmodels; and gaps at equal group composition."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import StratifiedTable, mcnemar

from audit.naming import order_name
from audit.plans import RowQuestions
from audit.records.inputs import recognises_nothing
from audit.statistics.counts import count_record
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.responsiveness import (
    against_constant,
    look_of_rows,
    responsiveness,
    standardized_gap,
    with_composition,
    with_truth_tested,
)
from audit.statistics.units.standardized import StandardizedUnits
from audit.types import SAME_ANSWER, UNCLEAR, UNKNOWN, Claim, LabelSet, Measurement, Settings
from tests.support.answered import answered

LABELS = ("Female", "Male")
SETTINGS = Settings(draws=999)


def people(cells, labels=LABELS, **changes):
    """Return predictions of (group, true answer, answer) -> images."""
    rows = [kind for kind, n in cells.items() for _ in range(n)]
    group, y_true, y_pred = (np.array(column) for column in zip(*rows, strict=True))
    return answered(y_pred, pd.DataFrame({"group": group}), y_true, labels, **changes)


def look(given, order=None, settings=SETTINGS):
    both = {"gender": given, **({order_name("gender"): order} if order else {})}
    (name, found), *more = responsiveness(both, settings).items()
    assert (name, more) == ("gender", [])
    return found


MIXED = {("a", "Female", "Female"): 30, ("a", "Female", "Male"): 10, ("b", "Male", "Male"): 45, ("b", "Male", "Female"): 15}


def test_answers_are_compared_with_the_best_constant_answer_on_the_same_images():
    """75 of 100 right; always "Male" 60. Only the answers are right about 30 women, only "Male" about 15 men."""
    found = look(people(MIXED))
    against = found.against_constant
    assert (found.commonest, found.commonest_share, found.unclear, found.same_in_another_order) == ("Male", 0.55, None, None)
    assert (against.n, against.accuracy, against.constant, against.constant_accuracy) == (100, 0.75, "Male", 0.6)
    assert (against.only_answers, against.only_constant) == (30, 15)
    assert against.p == pytest.approx(binomtest(15, 45).pvalue, rel=1e-8)
    assert against.p == pytest.approx(mcnemar([[45, 15], [30, 10]], exact=True).pvalue, rel=1e-8)
    assert (found.code, against.follows_truth_p) == ("looks", None)


CASES = {
    "every image gets one answer": ({("a", "Female", "Male"): 40, ("a", "Male", "Male"): 60}, "constant"),
    "answers by a coin": ({("a", truth, answer): 50 for truth in LABELS for answer in LABELS}, "no better"),
    # One woman in 100; half of them are found, and one man in 99 is taken for one: right in 98.5 of 100, always "Male" in 99.
    "rare, and followed all the same": (
        {("a", "Female", "Female"): 10, ("a", "Female", "Male"): 10, ("a", "Male", "Female"): 20, ("a", "Male", "Male"): 1960},
        "varies",
    ),
    "labels turned round": ({("a", "Female", "Male"): 90, ("a", "Male", "Female"): 90, ("a", "Male", "Male"): 20}, "varies"),
    # Five right, "Male" right about three: two images decide, p = .5.
    "right about five of five": ({("a", "Female", "Female"): 2, ("a", "Male", "Male"): 3}, "undecided"),
    "one true answer": ({("a", "Male", "Male"): 60, ("a", "Male", "Female"): 40}, None),
    "nearly all unclear": ({("a", "Female", UNCLEAR): 40, ("a", "Male", UNCLEAR): 57, ("a", "Male", "Male"): 3}, "unclear"),
}


@pytest.mark.parametrize(("cells", "code"), CASES.values(), ids=CASES)
def test_each_kind_of_answers_has_its_code(cells, code):
    assert look(people(cells, (*LABELS, UNCLEAR))).code == code


def test_the_share_of_unclear_answers_is_of_all_images_and_images_without_truth_take_no_part():
    found = look(people({("a", UNKNOWN, UNCLEAR): 10, **MIXED}, (*LABELS, UNCLEAR)))
    assert (found.n, found.against_constant.n, found.against_constant.p) == (110, 100, pytest.approx(binomtest(15, 45).pvalue))
    assert found.unclear == pytest.approx(1 / 11)


def test_one_answer_that_changes_with_the_order_of_the_options_is_no_look():
    """Without true answers: 100 images, all "Female"; in another order 80 get another answer, or 20: then it is one answer for all."""
    given = replace(people({("a", "Female", "Female"): 100}), y_true=None)
    codes = {
        same: look(given, answered(np.repeat([SAME_ANSWER, "another answer"], [same, 100 - same]), given.attributes)) for same in (20, 80)
    }
    assert {same: (code.code, code.same_in_another_order) for same, code in codes.items()} == {20: ("order", 0.2), 80: ("constant", 0.8)}


def test_one_answer_for_all_is_not_equal_treatment_where_nothing_is_true():
    """Of 2,000 images in two groups none is "Male": by the rates alone the groups would be shown to be alike."""
    rows = pd.DataFrame({"group": np.repeat(["a", "b"], 1000)}, dtype="str")
    given = replace(answered(np.repeat("Female", 2000), rows), labels=LABELS, answers=LABELS)
    assert look(given).code == "constant"
    mixed = replace(given, y_pred=np.where(np.arange(2000) == 7, "Male", "Female"))
    assert look(mixed).code is None


QUESTION = np.repeat([0, 1, 2, 3], 25)
"""Of 100 rows, four questions of 25 rows each."""


def look_at_rows(y_pred, y_true=None, question=QUESTION, guessed=0.5, **changes):
    given = answered(np.asarray(y_pred), pd.DataFrame({"group": ["a"] * len(y_pred)}), y_true, (*LABELS, UNCLEAR), **changes)
    return look_of_rows(given, RowQuestions((question,), guessed), 0.05)


def test_one_answer_a_question_is_a_constant_one():
    """Questions 0 and 2 are answered "Female", the others "Male", whatever the image; one other answer among the hundred is a look."""
    constant = np.repeat(["Female", "Male", "Female", "Male"], 25)
    assert look_at_rows(constant) == "constant"
    assert look_at_rows(np.where(np.arange(100) == 7, "Male", constant)) is None
    # Right about half of either sex, as the questions are put to both: no better than always "Male", and worse, constant.
    assert look_at_rows(constant, np.tile(LABELS, 50)) == "constant"
    # Read from the question alone: always right, and better than any constant answer; that it looks is not shown by it.
    assert look_at_rows(constant, constant) == "constant"
    asked = {"gender": RowQuestions((QUESTION,), 0.5)}
    (found,) = responsiveness({"gender": people(MIXED)}, SETTINGS, asked).values()
    assert found.code == "looks"  # 55 of 100 are "Male", in rows 30 to 84: questions 1 and 3 get both answers


def test_questions_that_are_put_once_tell_nothing():
    """50 of 100 rows share their question with another: enough; 48 of 100: not."""
    constant = np.repeat(["Female", "Male", "Female", "Male"], 25)
    alone = np.r_[np.repeat([0, 1], 25), 2 + np.arange(50)]
    assert look_at_rows(constant, question=alone) == "constant"
    assert look_at_rows(constant, question=np.r_[np.repeat([0, 1], 24), 2 + np.arange(52)]) is None
    assert look_at_rows(constant, question=np.arange(100)) is None


def test_where_one_role_is_always_right_a_look_is_better_than_a_guess():
    """Wilson's interval of 26 of 100 starts at .184, of 25 at .175, of 40 at .309: above one in six, and one in three is not below .309."""
    right = {n: np.repeat(["Female", "Male"], [n, 100 - n]) for n in (24, 25, 40)}
    truth, alone = np.repeat("Female", 100), np.arange(100)
    codes = {(n, k): look_at_rows(right[n], truth, alone, 1 / k) for n, k in ((24, 6), (25, 6), (40, 6), (40, 3))}
    assert codes == {(24, 6): "looks", (25, 6): "looks", (40, 6): "looks", (40, 3): "no better"}
    # In ten scenes of ten frames, four right in all of theirs: the interval is that of ten scenes.
    assert look_at_rows(right[40], truth, alone, 1 / 6, cluster=np.repeat(np.arange(10), 10)) == "undecided"
    # Always right, and each question with one answer: a look all the same, as the texts do not tell which role is right.
    assert look_at_rows(truth, truth) == "looks"


def test_whole_clusters_change_sign_together():
    """Of four persons, three have five women that only the answers are right about: of eight flips of 5, 5 and 5 two reach 15, p = .25."""
    cells = {("a", "Female", "Female"): 15, ("a", "Male", "Male"): 25}
    given = people(cells)
    order = np.r_[np.repeat([0, 1, 2], 5), np.repeat([0, 1, 2], 5), np.repeat(3, 10)]
    found = look(replace(given, cluster=order))
    assert (found.against_constant.only_answers, found.against_constant.only_constant) == (15, 0)
    assert (found.against_constant.p, found.code) == (0.25, "undecided")
    alone = look(replace(given, cluster=np.arange(40)))
    assert alone.against_constant.p <= 0.005  # drawn: of 999 flips of 15 signs about 999 / 16,384 agree
    assert alone.code == "looks"


@pytest.mark.parametrize(("seen", "code"), [(0.5, "no better"), (0.9, "varies")])
def test_persons_whose_answers_follow_the_labels_are_told_from_a_coin_by_person(seen, code):
    """60 persons with ten images each, 20 of them women; 9 of 10 women's images, or half, are "Female", of men's half."""
    truth = np.repeat(np.where(np.arange(60) < 20, "Female", "Male"), 10)
    share = np.where(truth == "Female", seen, 0.5)
    given = np.where(np.tile(np.arange(10), 60) < 10 * share, "Female", "Male")
    found = look(answered(given, pd.DataFrame({"group": ["a"] * 600}), truth, LABELS, cluster=np.repeat(np.arange(60), 10)))
    assert (found.code, found.against_constant.follows_truth_p < 0.05) == (code, code == "varies")


@pytest.mark.parametrize("change", ["order", "names", "twice"])
def test_order_and_names_do_not_matter_and_every_image_twice_keeps_the_shares(change):
    given = people(MIXED)
    before, twice = look(given).against_constant, 2 if change == "twice" else 1
    rows = np.random.default_rng(1).permutation(100) if change == "order" else np.tile(np.arange(100), twice)
    renamed = {"Female": "w", "Male": "m"} if change == "names" else {label: label for label in LABELS}
    y_true, y_pred = (np.array([renamed[label] for label in column[rows]]) for column in (given.y_true, given.y_pred))
    after = against_constant("gender", answered(y_pred, given.attributes.iloc[rows], y_true, tuple(renamed.values())), SETTINGS)
    assert (after.accuracy, after.constant_accuracy, after.only_answers) == (0.75, 0.6, 30 * twice)
    assert (after.p == before.p) == (change != "twice")


@pytest.mark.slow
def test_a_coin_that_does_not_look_is_taken_for_one_that_does_in_at_most_its_share():
    """Answers drawn without a look at the images, 200 files of 400 of two labels: better by alpha / 2 at most."""
    rng = np.random.default_rng(7)
    passed = 0
    for _ in range(200):
        y_true, y_pred = (rng.choice(LABELS, 400) for _ in range(2))
        passed += look(answered(y_pred, pd.DataFrame({"group": ["a"] * 400}), y_true, LABELS), settings=Settings(draws=99)).code == "looks"
    assert passed <= 10


# ---- verdicts ------------------------------------------------------------------------------------------------------------------------

ASKED = Measurement(
    "gender", "?", LabelSet("l", (*LABELS, UNCLEAR), {}), "p v1",
    (Claim("accuracy", ("group",)), Claim("selection_rate", ("group",), "Male"), Claim("selection_rate", ("group",), UNCLEAR)),
    truth="gender", outcomes={"Male": ("Male",), UNCLEAR: (UNCLEAR,)},
)  # fmt: skip


def decided(cells, *, limited=False, claims=ASKED.claims, question=None):
    given = people(cells, (*LABELS, UNCLEAR))
    asked = replace(ASKED, claims=claims)
    of_rows = {"gender": None if question is None else RowQuestions((question,), 0.5)}
    looks = {name: found.code for name, found in responsiveness({"gender": given}, SETTINGS, of_rows).items()}
    levels = {"group": ("a", "b")}
    found, verdict = decide_verdicts(findings(asked, given, levels, SETTINGS), SETTINGS, limited=limited, looks=looks)
    return with_composition(found, [count_record(asked, given, levels)], SETTINGS), verdict


ALWAYS_MALE = {("a", "Male", "Male"): 900, ("a", "Female", "Male"): 100, ("b", "Male", "Male"): 100, ("b", "Female", "Male"): 900}


def test_what_one_answer_for_every_image_says_about_groups_is_not_estimable():
    """Accuracy is 90 and 10 %; at half men in either group 50 and 50 %. Shares of "Male" are equal because nothing else is answered."""
    (accuracy, share, unclear), _ = decided(ALWAYS_MALE)
    assert (accuracy.verdict, accuracy.unresponsive, accuracy.gap.value) == ("not estimable", "constant", pytest.approx(0.8))
    assert (accuracy.composition.gap, accuracy.composition.p, accuracy.composition.explains) == (0.0, 1.0, True)
    assert (share.verdict, share.unresponsive) == ("not estimable", "constant")
    assert (unclear.unresponsive, unclear.verdict == "not estimable") == (None, False)  # nobody is refused


def test_groups_that_are_asked_the_same_are_not_equivalent_where_only_the_question_counts():
    """Of 1,000 images in either group half are asked each question, whose one answer is "unclear" or "Male": half "unclear" in both."""
    answers = ("Male", UNCLEAR)
    cells = {(group, truth, answer): 250 for group in "ab" for answer in answers for truth in LABELS}
    (_, share, unclear), verdict = decided(cells, question=np.tile(np.repeat([0, 1], 500), 2))
    assert {(each.verdict, each.unresponsive, each.gap.value) for each in (share, unclear)} == {("not estimable", "constant", 0.0)}
    assert verdict == "not estimable"
    (_, share, unclear), _ = decided(cells)  # as one question put to all, of which the answers vary
    assert {each.verdict for each in (share, unclear)} == {"equivalent"}
    everyone = {(group, truth, UNCLEAR): 500 for group in "ab" for truth in LABELS}
    (*_, unclear), _ = decided(everyone, question=np.tile(np.repeat([0, 1], 500), 2))
    assert (unclear.verdict, unclear.unresponsive, unclear.overall.value) == ("not estimable", "constant", 1.0)


def test_a_sample_stays_inconclusive_and_a_model_that_looks_keeps_its_verdict():
    (accuracy, *_), verdict = decided(ALWAYS_MALE, limited=True)
    assert (accuracy.verdict, accuracy.unresponsive, verdict) == ("inconclusive", None, "inconclusive")
    right = {("a", "Male", "Male"): 500, ("a", "Female", "Female"): 500, ("b", "Male", "Male"): 450, ("b", "Female", "Female"): 450}
    (accuracy, *_), verdict = decided({**right, ("b", "Male", "Female"): 50, ("b", "Female", "Male"): 50}, claims=ASKED.claims[:1])
    assert (accuracy.verdict, accuracy.unresponsive, verdict) == ("disparity", None, "disparity")
    assert (accuracy.composition.gap, accuracy.composition.explains) == (pytest.approx(0.1), False)


def test_a_gap_of_a_model_that_looks_may_be_group_composition():
    """Men are known in 9 of 10 images, women in 6, in either group. 90 % men in a, 10 % in b: accuracy .87 and .63, at equal shares .75."""
    cells = {}
    for group, men, women in (("a", 900, 100), ("b", 100, 900)):
        cells |= {(group, "Male", "Male"): 9 * men // 10, (group, "Male", "Female"): men // 10}
        cells |= {(group, "Female", "Female"): 6 * women // 10, (group, "Female", "Male"): 4 * women // 10}
    (accuracy,), _ = decided(cells, claims=ASKED.claims[:1])
    assert (accuracy.verdict, accuracy.gap.value) == ("disparity", pytest.approx(0.24))
    assert accuracy.composition.gap == pytest.approx(0.0, abs=1e-12)
    assert accuracy.composition.explains


def test_a_gap_that_only_thin_groups_make_insignificant_is_not_explained():
    """Two women in a, both right, three men in b, two right: at equal shares .95 and .63, as by chance; .90 and .60 before."""
    men = {("a", "Male", "Male"): 900, ("a", "Male", "Female"): 100, ("b", "Male", "Male"): 2, ("b", "Male", "Female"): 1}
    women = {("a", "Female", "Female"): 2, ("b", "Female", "Female"): 600, ("b", "Female", "Male"): 400}
    (accuracy,), _ = decided(men | women, claims=ASKED.claims[:1])
    assert (accuracy.verdict, accuracy.gap.value) == ("disparity", pytest.approx(0.3, abs=0.001))
    assert (accuracy.composition.gap, accuracy.composition.p > 0.05) == (pytest.approx(0.317, abs=0.001), True)
    assert not accuracy.composition.explains


# ---- composition ---------------------------------------------------------------------------------------------------------------------


def test_the_gap_at_equal_shares_is_that_of_directly_standardised_rates():
    """Recalls .9 / .5 and .8 / .7, pooled shares 500 / 1,000 and 500 / 1,000: .7 against .75."""
    right, n = np.array([[360, 80], [50, 280]]), np.array([[400, 100], [100, 400]])
    assert standardized_gap(right, n, SETTINGS)[0] == pytest.approx(0.05)
    rows = pd.DataFrame({"y": [0, 0, 1, 1], "group": [0, 1, 0, 1], "n": n.ravel(), "recall": (right / n).ravel()})
    weights = rows.groupby("y")["n"].sum() / rows["n"].sum()
    rates = rows.assign(part=rows["recall"] * rows["y"].map(weights)).groupby("group")["part"].sum()
    assert standardized_gap(right[:, ::-1], n[:, ::-1], SETTINGS)[0] == pytest.approx(np.ptp(rates), rel=1e-12)


def test_its_p_is_that_of_cochran_mantel_and_haenszel_where_groups_are_composed_alike():
    """Then both statistics are the same but for a factor."""
    right, n = np.array([[150, 165], [80, 92]]), np.array([[200, 200], [120, 120]])
    tables = [[[k[0], m[0] - k[0]], [k[1], m[1] - k[1]]] for k, m in zip(right, n, strict=True)]
    expected = StratifiedTable([np.array(table) for table in tables]).test_null_odds(correction=False).pvalue
    gap, p = standardized_gap(right, n, Settings(draws=1999), "accuracy")
    assert gap == pytest.approx((15 * 400 / 200 + 12 * 240 / 120) / 640)
    assert p == pytest.approx(expected, abs=0.02)


def test_the_errors_of_shuffles_are_those_of_their_draws():
    right, n = np.array([[150, 65, 20], [80, 32, 30]]), np.array([[200, 100, 30], [120, 40, 50]])
    weights, rng = n.sum(axis=1) / n.sum(), np.random.default_rng(0)
    drawn = sum(
        weight * rng.multivariate_hypergeometric(m, k.sum(), size=200_000, method="marginals") / m
        for weight, k, m in zip(weights, right, n, strict=True)
    )
    expected = [[np.std(drawn[:, i] - drawn[:, j]) for j in range(3)] for i in range(3)]
    found = StandardizedUnits(right, n, weights).errors()
    assert found[~np.eye(3, dtype=bool)] == pytest.approx(np.array(expected)[~np.eye(3, dtype=bool)], rel=0.01)


def test_a_group_without_one_of_the_true_answers_has_no_such_gap():
    (accuracy, *_), _ = decided({("a", "Male", "Male"): 100, ("b", "Female", "Female"): 90, ("b", "Female", "Male"): 10})
    assert accuracy.composition is None


def test_few_images_leave_open_whether_the_model_looks():
    """Right about 15 of 24, "Male" about 12: 12.5 points more, or up to 37. Of ten times as many it is shown, at 50 % never."""
    cells = {("a", "Female", "Female"): 7, ("a", "Female", "Male"): 5, ("a", "Male", "Male"): 8, ("a", "Male", "Female"): 4}
    found = look(people(cells))
    assert (found.against_constant.accuracy, found.code) == (0.625, "undecided")
    assert found.against_constant.high == pytest.approx(0.373, abs=0.001)
    assert look(people({cell: 10 * n for cell, n in cells.items()})).code == "looks"


def test_a_probe_is_no_test_where_all_that_can_be_checked_fails():
    coin = look(people({("a", truth, answer): 50 for truth in LABELS for answer in LABELS}))
    right = look(people({("a", "Female", "Female"): 60, ("a", "Male", "Male"): 60}))
    unchecked = look(people({("a", "Male", "Male"): 60, ("a", "Male", "Female"): 40}))
    one_answer = look(people({("a", "Female", "Male"): 40, ("a", "Male", "Male"): 60}))
    few = look(people({("a", "Female", "Female"): 7, ("a", "Female", "Male"): 5, ("a", "Male", "Male"): 8, ("a", "Male", "Female"): 4}))
    assert recognises_nothing([coin, unchecked, None])
    assert recognises_nothing([coin, one_answer])
    for others in ([right], [few]):
        assert not recognises_nothing([coin, *others])
    assert not recognises_nothing([one_answer])  # it does not look: that says more
    assert not recognises_nothing([unchecked])


def test_half_of_a_rare_answer_is_recognised():
    """Half of 20 women among 1,980 men, 20 of whom are taken for one: recalls .5 and .99, 24 points above a guess."""
    rare = {("a", "Female", "Female"): 10, ("a", "Female", "Male"): 10, ("a", "Male", "Female"): 20, ("a", "Male", "Male"): 1960}
    found = look(people(rare))
    assert found.code == "varies"
    assert found.against_constant.recall_above_guess == pytest.approx((0.5 + 1960 / 1980) / 2 - 0.5)
    assert not recognises_nothing([found])


def test_a_difference_within_each_truth_stays_a_disparity_of_a_poor_model():
    """Women 57 of 100 right, men 94, of either role, where "nurse" for everybody is right about half; ten occupations, so it may be chance.

    The mix of roles is the same for both genders: it explains nothing.
    """
    cells = {}
    for truth, other in (LABELS, LABELS[::-1]):
        cells |= {("woman", truth, truth): 57, ("woman", truth, other): 43, ("man", truth, truth): 94, ("man", truth, other): 6}
    given = people(cells)
    predictions = replace(given, cluster=np.unique(given.y_true, return_inverse=True)[1] * 10 + np.arange(len(given.y_true)) % 10)
    levels = {"group": ("man", "woman")}
    measurement = Measurement("role", "", LabelSet("", LABELS, {}), "", (Claim("accuracy", ("group",)),), truth="y")
    [raw] = findings(measurement, given, levels, SETTINGS)
    looks = {"role": replace(look(given), code="no better")}
    dataset = SimpleNamespace(levels=levels, several=())
    for each in (given, predictions):
        [tested] = with_truth_tested([raw], {"role": each}, looks, dataset, SETTINGS)
        assert tested.within_truth_p <= 0.05
        (kept,), verdict = decide_verdicts([tested], SETTINGS, limited=False, looks={"role": "no better"})
        assert (kept.verdict, kept.unresponsive, verdict) == ("disparity", None, "disparity")


def test_a_difference_that_the_mix_of_truths_makes_is_withheld():
    """Always "Male": right about 90 of 100 in one group and 10 in the other, and within each truth alike."""
    cells = {("a", "Male", "Male"): 90, ("a", "Female", "Male"): 10, ("b", "Male", "Male"): 10, ("b", "Female", "Male"): 90}
    given = people(cells)
    levels = {"group": ("a", "b")}
    measurement = Measurement("m", "", LabelSet("", LABELS, {}), "", (Claim("accuracy", ("group",)),), truth="y")
    raw = findings(measurement, given, levels, SETTINGS)
    [tested] = with_truth_tested(raw, {"m": given}, {"m": look(given)}, SimpleNamespace(levels=levels, several=()), SETTINGS)
    assert tested.within_truth_p == 1.0
    (withheld,), _ = decide_verdicts([tested], SETTINGS, limited=False, looks={"m": "constant"})
    assert (withheld.verdict, withheld.unresponsive) == ("not estimable", "constant")


def test_within_each_truth_only_judged_groups_need_it():
    """As above, by persons; 40 images of only three persons are not judged, and all are "Unclear": no truth is in every group."""
    cells = {("a", "Male", "Male"): 90, ("a", "Female", "Male"): 10, ("b", "Male", "Male"): 10, ("b", "Female", "Male"): 90}
    given = people(cells | {("c", "Unclear", "Male"): 40})
    person = np.where(given.attributes["group"] == "c", np.arange(240) % 3, np.arange(240))
    given = replace(given, cluster=np.unique(person, return_inverse=True)[1])
    levels, labels = {"group": ("a", "b", "c")}, (*LABELS, "Unclear")
    measurement = Measurement("m", "", LabelSet("", labels, {}), "", (Claim("accuracy", ("group",)),), truth="y")
    raw = findings(measurement, given, levels, SETTINGS)
    assert [rate.status for rate in raw[0].by_group] == ["ok", "ok", "small"]
    [tested] = with_truth_tested(raw, {"m": given}, {"m": look(given)}, SimpleNamespace(levels=levels, several=()), SETTINGS)
    assert tested.within_truth_p == 1.0


def test_of_a_model_that_recognises_nothing_equality_is_withheld_and_differences_stay():
    def shares(first, second):
        cells = {("a", "x", "yes"): first, ("a", "x", "no"): 1000 - first, ("b", "x", "yes"): second, ("b", "x", "no"): 1000 - second}
        labels, levels = ("yes", "no"), {"group": ("a", "b")}
        measurement = Measurement(
            "harm", "", LabelSet("", labels, {}), "", (Claim("selection_rate", ("group",), "yes"),), outcomes={"yes": ("yes",)}
        )
        given = replace(people(cells, ("yes", "no", "x")), y_true=None)
        (found,), verdict = decide_verdicts(findings(measurement, given, levels, SETTINGS), SETTINGS, limited=False, looks={}, invalid=True)
        return found.verdict, found.unresponsive, verdict

    assert shares(500, 500) == ("not estimable", "invalid", "not estimable")
    assert shares(500, 540) == ("not estimable", "invalid", "not estimable")
    assert shares(300, 600) == ("disparity", None, "disparity")
