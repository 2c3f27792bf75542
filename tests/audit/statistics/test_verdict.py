"""The four verdicts, in the order of their rules, and the sentence that says why."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import betaincinv

from audit.errors import UsageError
from audit.records.finding import Rate
from audit.results import Finding
from audit.statistics.equivalence import equivalence_bound
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import METRICS
from audit.statistics.null import gap_test
from audit.statistics.power import detectable_difference
from audit.statistics.verdict import decide_finding, is_about_rest, negligible_below, ratio_tolerance, unresponsive
from audit.types import REFUSAL, UNCLEAR, UNKNOWN, UNPARSED, Claim, Exclusion, LabelSet, Measurement, Settings
from reports.exports.markdown import ordinary_spaces
from reports.text.reasons import audit_reason
from reports.text.reasons import reason as reason_of
from tests.support.answered import LABELS, confusion, selected

FAIRFACE = np.array([2085, 1623, 1556, 1550, 1516, 1415, 1209])


def finding(cells, claim=None, settings=None, name="m"):
    """One claim on cells of k "yes" out of n images."""
    claim = claim or Claim("selection_rate", ("group",), "thief")
    measurement = Measurement(name, "?", LabelSet("l", LABELS, {}), "p v1", (claim,), outcomes={"thief": ("yes",)})
    levels = {"group": tuple(level for level in cells if level != UNKNOWN)}
    return Finding.of(findings(measurement, selected(cells), levels, settings or Settings(draws=999))[0])


def rule(cells, *, limited=False, exclusions=(), settings=None, **given):
    settings = settings or Settings(draws=999)
    decided, verdict = decide_verdicts([finding(cells, settings=settings, **given)], settings, limited=limited)
    return decided[0], verdict, ordinary_spaces(audit_reason(audit(decided, limited, exclusions)))


def audit(findings, limited=False, exclusions=()):
    return SimpleNamespace(
        findings=findings, effects=(), data=SimpleNamespace(limited=limited, exclusions=exclusions, weights=None), suite=None
    )


def why(decided, limited=False, exclusions=()):
    return ordinary_spaces(reason_of(decided, audit((decided,), limited, exclusions), Settings()))


WIDE = {"a": (900, 1000), "b": (700, 1000)}  # 20 points apart, +-3
CLOSE = {"a": (880, 1000), "b": (885, 1000)}  # half a point apart, +-2
DETECTABLE = {"a": (9000, 10_000), "b": (8800, 10_000)}  # 2 points apart, +-.7
VAGUE = {"a": (45, 50), "b": (44, 50)}  # 2 points apart, +-10


def test_disparity():
    concluded, verdict, reason = rule(WIDE)
    assert (concluded.verdict, verdict, concluded.exceeds_tolerance) == ("disparity", "disparity", True)
    assert reason == "1 of 1 question shows a disparity."
    assert why(concluded) == (
        "Selection rate of 'thief' is 90.0 % (a, n = 1,000) against 70.0 % (b, n = 1,000): a difference of 20.0 points [16.6, 23.4] "
        "(p = .0010; "
        f"expected by chance (95 %): up to {100 * concluded.gap.null_95:.1f} points). "
        "That is more than the tolerance of 5 points."
    )
    # Four points, 90 % interval 1.6 to 6.4: may be within the tolerance.
    undecided, _, _ = rule({"a": (900, 1000), "b": (860, 1000)})
    assert (undecided.verdict, undecided.exceeds_tolerance) == ("disparity", False)
    assert "That groups differ is shown; that any two differ by more than the tolerance of 5 points is not." in why(undecided)


def test_pairs_beyond_the_tolerance_are_counted_and_the_second_of_two_is_named():
    """20 points lie between c and a, and 10 between its neighbours, of which the intervals are about 4 points wide on each side."""
    only, _, _ = rule({"a": (900, 1000), "b": (840, 1000), "c": (800, 1000)})
    assert why(only).endswith("Of 3 pairs, only this one is shown to exceed 5 points.")
    second, _, _ = rule({"a": (900, 1000), "b": (880, 1000), "c": (780, 1000)})
    assert why(second).endswith("Of 3 pairs, this one and b against c are shown to exceed 5 points.")
    three, _, _ = rule({"a": (900, 1000), "b": (700, 1000), "c": (500, 1000)})
    assert why(three).endswith("3 of 3 pairs are shown to exceed 5 points.")


def test_a_disparity_of_two_groups_needs_an_interval_that_leaves_out_zero():
    """Of more groups the joint p is enough: what differs may be no single pair."""
    concluded, _, _ = rule(WIDE)
    open_pair = replace(concluded, gap=replace(concluded.gap, low=0.0))
    assert (concluded.verdict, decide_finding(open_pair, Settings(), limited=False)[0]) == ("disparity", "inconclusive")
    explored = replace(open_pair, primary=False)
    assert decide_finding(explored, Settings(), limited=False)[0] == "no signal"
    three, _, _ = rule(WIDE | {"c": (800, 1000)})
    assert decide_finding(replace(three, gap=replace(three.gap, low=0.0)), Settings(), limited=False)[0] == "disparity"


def test_equivalent_comes_before_disparity():
    concluded, verdict, reason = rule(CLOSE)
    assert (concluded.verdict, verdict) == ("equivalent", "equivalent")
    assert "the 90 % interval of the pair lies inside ±5 points" in why(concluded)
    assert "detectable" not in why(concluded)
    assert reason == "1 of 1 question is equivalent within its tolerance."
    concluded, verdict, _ = rule(DETECTABLE)
    assert concluded.gap.p_adjusted <= 0.05
    assert (concluded.verdict, verdict, concluded.exceeds_tolerance) == ("equivalent", "equivalent", False)
    assert "The difference is detectable but smaller than the tolerance." in why(concluded)


def test_inconclusive_prints_what_would_have_been_found():
    concluded, verdict, _ = rule(VAGUE)
    assert (concluded.verdict, verdict) == ("inconclusive", "inconclusive")
    difference = 100 * detectable_difference(np.array([45, 44]), np.array([50, 50]), 0.05)
    assert f"could reliably detect only differences above {difference:.1f} points" in why(concluded)
    assert "Too few images to tell: they show neither a difference in selection rate of 'thief' nor its absence within 5 points" in why(
        concluded
    )


def test_a_tolerance_of_the_claim_replaces_that_of_the_command_and_one_as_large_as_the_rates_says_so():
    generous = Claim("selection_rate", ("group",), "thief", tolerance=0.25)
    assert rule(WIDE, claim=generous)[0].verdict == "equivalent"
    strict = Claim("selection_rate", ("group",), "thief", tolerance=0.01)
    assert rule(CLOSE, claim=strict)[0].verdict == "inconclusive"
    assert rule(CLOSE, settings=Settings(draws=999, tolerance=0.01))[0].verdict == "inconclusive"
    # 99.5 % against 99 % right: within 5 points, and wrong twice as often. It is judged alike as accuracy and as the two errors.
    given = confusion({"a": (4975, 25, 25, 4975), "b": (4950, 50, 50, 4950)})
    measurement = Measurement("m", "?", LabelSet("l", LABELS, {}), "p v1", (Claim("accuracy", ("group",)),), "truth")
    [right] = map(Finding.of, findings(measurement, given, {"group": ("a", "b")}, Settings(draws=999)))
    [concluded] = decide_verdicts([right], Settings(draws=999), limited=False)[0]
    assert (concluded.verdict, concluded.exceeds_tolerance, concluded.ratio_tolerance) == ("disparity", True, 1.25)
    assert concluded.ratio_of_rest
    assert "One error rate is at least 1.43 times another" in why(concluded)
    assert "ratio" not in why(rule(CLOSE)[0])


RARE = {"a": (20, 20_000), "b": (400, 20_000)}  # .1 and 2 %
HARDLY = {"a": (20, 20_000), "b": (25, 20_000)}
EQUAL = {"a": (2000, 40_000), "b": (2030, 40_000)}


def test_a_rare_word_given_twenty_times_as_often_is_a_disparity_within_five_points():
    concluded, verdict, _ = rule(RARE)
    assert (concluded.verdict, verdict, concluded.exceeds_tolerance) == ("disparity", "disparity", True)
    assert concluded.gap.equivalence_bound < concluded.tolerance == 0.05
    assert concluded.gap.equivalence_ratio > 20 > concluded.gap.ratio_low > concluded.ratio_tolerance == 1.25
    assert (
        "One rate is at least 13 times another, corrected for all pairs: the tolerance is a factor of 1.25. In points, every pair is within"
        in why(concluded)
    )
    # 4.5 and 5.25 %: 1.17 times as often.
    concluded, _, _ = rule({"a": (900, 20_000), "b": (1050, 20_000)})
    assert (concluded.verdict, concluded.exceeds_tolerance) == ("disparity", False)
    undecided = (
        "In points, every pair is within the tolerance of 5 points. That groups differ is shown; that their rates differ by more than a "
        "factor of 1.25 is not."
    )
    assert undecided in why(concluded)


def test_equivalent_needs_points_and_ratio():
    concluded, _, _ = rule(EQUAL)
    assert concluded.verdict == "equivalent"
    said = (
        "Equivalent in selection rate of 'thief' within both tolerances: the 90 % interval of the pair lies inside ±5 points, that of the "
    )
    assert f"{said}ratio of the rates within a factor of 1.25." in why(concluded)
    concluded, _, _ = rule(HARDLY)
    assert (concluded.verdict, concluded.gap.ratio_low) == ("inconclusive", 1.0)
    assert "they show neither a difference in selection rate of 'thief' nor its absence within 5 points and a factor of 1.25;" in why(
        concluded
    )
    assert "Every pair lies within ±5 points; rates may differ by a factor of up to 2.06." in why(concluded)
    # A narrower tolerance in points is not met though the ratio is.
    assert rule(EQUAL, settings=Settings(draws=999, tolerance=0.003))[0].verdict == "inconclusive"


def test_which_claims_have_a_tolerance_in_ratio():
    """The claim's own whatever the rate; else that of the settings where answers or errors are rare."""
    both = Claim("selection_rate", ("group",), "thief", ratio_tolerance=1.05)
    assert rule(CLOSE, claim=both)[0].verdict == "equivalent"  # 88 and 88.5 %: at most 1.03 times as often
    assert rule(VAGUE, claim=replace(both, tolerance=0.3))[0].verdict == "inconclusive"
    assert rule(HARDLY, settings=Settings(draws=999, ratio_tolerance=3.0))[0].verdict == "equivalent"
    assert rule(HARDLY, claim=replace(both, ratio_tolerance=2.0), settings=Settings(draws=999, ratio_tolerance=3.0))[0].ratio_tolerance == 2
    settings = Settings(ratio_tolerance=1.5)
    for name, pooled, expected in [
        ("selection_rate", 0.0999, 1.5), ("selection_rate", 0.1, None), ("false_positive_rate", 0.02, 1.5),
        ("false_negative_rate", 0.0, 1.5),
        ("true_positive_rate", 0.02, 1.5), ("true_negative_rate", 0.1, None), ("rate_among_answered", 0.02, 1.5),
        ("accuracy", 0.02, 1.5), ("accuracy", 0.1, None), ("precision", 0.02, None), ("retrieval_rate", 0.02, None),
    ]:  # fmt: skip
        assert ratio_tolerance(Claim(name, ("group",)), METRICS[name], pooled, settings) == expected
    for wrong in (1.0, 0.8, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="invalid ratio tolerance"):
            rule(CLOSE, claim=replace(both, ratio_tolerance=wrong))


@pytest.mark.slow
def test_the_ratio_is_that_of_errors_and_of_what_is_rare_however_the_question_is_put():
    """A true positive rate is judged by its misses; an answer that nearly all get by how often others are given."""
    for name, rest, expected in [
        ("true_positive_rate", 0.7, True), ("true_negative_rate", 0.01, True), ("false_negative_rate", 0.01, False),
        ("false_positive_rate", 0.01, False), ("selection_rate", 0.0999, True), ("selection_rate", 0.1, False),
        ("rate_among_answered", 0.02, True), ("accuracy", 0.7, True), ("precision", 0.02, False), ("retrieval_rate", 0.02, False),
    ]:  # fmt: skip
        assert is_about_rest(METRICS[name], rest) is expected
    for cells in (RARE, HARDLY, EQUAL, {"a": (100, 10_000), "b": (0, 10_000)}, {"a": (0, 100), "b": (0, 100)}):
        (rare, *_), (turned, *_) = (rule(each) for each in (cells, {name: (n - k, n) for name, (k, n) in cells.items()}))
        assert (rare.ratio_of_rest, turned.ratio_of_rest, rare.ratio_tolerance, turned.ratio_tolerance) == (False, True, 1.25, 1.25)
        assert (rare.verdict, rare.gap.ratio_low, rare.gap.equivalence_ratio) == (
            turned.verdict, turned.gap.ratio_low, turned.gap.equivalence_ratio,
        )  # fmt: skip
    assert "One rate of other answers is at least 13 times another" in why(rule({"a": (19_980, 20_000), "b": (19_600, 20_000)})[0])
    assert "the ratio of the rates of other answers is unbounded: no other answer in a, b." in why(turned)


def negligible(*cells, metric="false_positive_rate", tolerance=0.05, effect=None, claim_ratio=None):
    """The limit under which the rates of groups with k events of n images are shown to lie."""
    claim = Claim(metric, ("group",), "thief", ratio_tolerance=claim_ratio)
    rates = [Rate((f"g{i}",), n, k, k / n, 0.0, 1.0, "ok", design_effect=effect) for i, (k, n) in enumerate(cells)]
    return negligible_below(claim, METRICS[metric], rates, tolerance, 0.05)


def test_rates_are_negligible_where_every_group_is_shown_to_lie_below_a_fifth_of_the_tolerance():
    """No event of n is shown to lie below 1 - .05^(1/n): .999 % of 299 images, 1.002 % of 297. A fifth of 5 points is 1 %."""
    assert [negligible((0, n), (0, 5000)) for n in (297, 299)] == [None, 0.01]
    assert negligible((0, 5000), (0, 297)) is None  # in whichever group
    assert [negligible((1, n), (1, n)) for n in (472, 473)] == [None, 0.01]  # .99^473 + 473 * .01 * .99^472 = .0498
    assert [negligible((0, n), (0, n), tolerance=0.1) for n in (148, 149)] == [None, 0.02]
    # A limit that is just reached is not one below which the rate lies.
    upper = float(betaincinv(1, 400, 0.95))
    assert 5 * upper / 5 == upper
    assert (negligible((0, 400), tolerance=5 * upper), negligible((0, 400), tolerance=5.01 * upper)) == (None, pytest.approx(1.002 * upper))


def test_clustered_images_count_as_so_many_independent_ones():
    assert [negligible((0, n), effect=2.0) for n in (594, 600)] == [None, 0.01]
    assert [negligible((0, n), effect=0.5) for n in (297, 299)] == [None, 0.01]  # never as more than there are


def test_only_error_rates_without_a_ratio_of_their_own_are_negligible():
    assert negligible((0, 5000), claim_ratio=2.0) is None
    assert negligible((0, 5000), metric="selection_rate") is None
    assert [negligible((k, 5000), metric="accuracy") for k in (0, 5000)] == [None, 0.01]
    for error, right in (("false_negative_rate", "true_positive_rate"), ("false_positive_rate", "true_negative_rate")):
        assert [negligible((k, 5000), metric=error) for k in (0, 5000)] == [0.01, None]
        assert [negligible((k, 5000), metric=right) for k in (0, 5000)] == [None, 0.01]


def withheld(verdict, look, *, metric="selection_rate", outcome="thief", overall=(0, 2000), within_truth_p=None):
    """Why a finding of that verdict has none after all."""
    known = finding(CLOSE)
    rate = replace(known.overall, events=overall[0], n=overall[1], value=overall[0] / overall[1])
    changed = replace(known, metric=metric, outcome=outcome, verdict=verdict, overall=rate, within_truth_p=within_truth_p)
    return unresponsive(changed, look, 0.05)


def test_nothing_is_withheld_of_answers_that_depend_on_the_images():
    for look in (None, "looks"):
        assert withheld("equivalent", look) is None
        assert withheld("inconclusive", look, metric="accuracy", outcome=None) is None
    assert withheld("not estimable", "constant") is None  # it has a reason of its own


def test_accuracy_that_is_no_better_than_one_answer_is_withheld_unless_groups_differ_within_each_truth():
    accuracy = {"metric": "accuracy", "outcome": None}
    for verdict in ("disparity", "signal"):
        shown = [withheld(verdict, "no better", **accuracy, within_truth_p=p) for p in (0.01, 0.05, 0.051, None)]
        assert shown == [None, None, "no better", "no better"]
    assert [withheld(verdict, "no better", **accuracy) for verdict in ("equivalent", "inconclusive", "no signal")] == ["no better"] * 3
    assert [withheld(verdict, "undecided", **accuracy) for verdict in ("equivalent", "inconclusive")] == ["undecided", None]
    # The accuracy of one outcome is a rate like any other.
    assert withheld("equivalent", "no better", metric="accuracy", outcome="thief") is None


def test_other_rates_are_withheld_where_nearly_all_images_get_one_answer():
    for look in ("constant", "unclear", "order"):
        assert (withheld("equivalent", look), withheld("disparity", look)) == (look, None)
    for look in ("no better", "varies", "undecided"):
        assert withheld("equivalent", look) is None


@pytest.mark.parametrize("outcome", [UNCLEAR, REFUSAL, UNPARSED])
def test_that_no_image_is_left_without_an_answer_stays_a_fact(outcome):
    """Unless it goes by the question of a row, as of a model with one answer to each question."""
    shares = {0: None, 1: "constant", 1999: "constant"}
    assert {k: withheld("equivalent", "constant", outcome=outcome, overall=(k, 2000)) for k in shares} == shares
    every = "constant" if outcome == UNCLEAR else None
    assert withheld("equivalent", "constant", outcome=outcome, overall=(2000, 2000)) == every
    assert withheld("equivalent", "order", outcome=outcome, overall=(7, 2000)) is None


@pytest.mark.parametrize("cells", [{"a": (900, 1000)}, {"a": (900, 1000), "b": (10, 29)}, {"a": (9, 10), "b": (1, 10)}])
def test_not_estimable_with_fewer_than_two_groups(cells):
    concluded, verdict, reason = rule(cells)
    assert (concluded.verdict, verdict, concluded.gap, concluded.contrasts) == ("not estimable", "not estimable", None, ())
    assert "at least 30 images" in why(concluded)
    assert reason == "1 of 1 question cannot be estimated."


def test_no_event_is_not_called_fair():
    """0 of 100 and 0 of 100: the 90 % interval of the difference reaches 2.6 points; of the ratio nothing is known."""
    concluded, _, _ = rule({"a": (0, 100), "b": (0, 100)})
    assert (concluded.verdict, concluded.gap.equivalence_ratio) == ("inconclusive", None)
    assert concluded.gap.equivalence_bound < concluded.tolerance
    assert "Every pair lies within ±5 points; the ratio of the rates is unbounded: no event in a, b." in why(concluded)
    strict, _, _ = rule({"a": (0, 100), "b": (0, 100)}, settings=Settings(tolerance=0.01, draws=99))
    assert strict.verdict == "inconclusive"
    assert strict.gap.minimum_detectable > 0.01
    for word in ("fair", "passed", "no bias"):
        assert word not in why(concluded) + why(strict)


def test_a_thin_group_hides_no_difference():
    """Ten points between groups of 5,000; chance alone sets thirty images farther apart, and the test is not of them."""
    concluded, _, _ = rule({"a": (4500, 5000), "b": (4000, 5000), "c": (26, 30)})
    assert concluded.gap.null_95 > concluded.gap.value == pytest.approx(0.1)
    assert (concluded.gap.most_significant, concluded.verdict, concluded.exceeds_tolerance) == ((("a",), ("b",)), "disparity", True)
    assert concluded.gap.leading.chance < 0.02
    assert concluded.gap.low == newcombe(4500, 5000, 4000, 5000, 0.05 / 3)[0]
    # Where it lies farthest, the reason is about the pair that is shown to differ.
    concluded, _, _ = rule({"a": (4500, 5000), "b": (4000, 5000), "c": (22, 30)})
    assert (concluded.gap.highest, concluded.gap.lowest, concluded.gap.most_significant) == (("a",), ("c",), (("a",), ("b",)))
    assert "is 90.0 % (a, n = 5,000) against 80.0 % (b, n = 5,000): a difference of 10.0 points [8.3, 11.7]" in why(concluded)
    assert concluded.gap.low > 0.08  # of a and b; that of a and c holds 0


@pytest.mark.parametrize("cells", [WIDE, CLOSE, VAGUE, {"a": (900, 1000)}])
def test_a_limited_run_can_be_nothing_but_inconclusive(cells):
    concluded, verdict, reason = rule(cells, limited=True)
    assert (concluded.verdict, verdict, concluded.exceeds_tolerance) == ("inconclusive", "inconclusive", False)
    assert why(concluded, limited=True).startswith("LIMITED RUN")
    assert reason.startswith("LIMITED RUN")


def test_an_equivalence_names_what_it_does_not_cover():
    exclusions = (Exclusion("truncated", 3, {}),)
    concluded, _, reason = rule({**CLOSE, "c": (2, 5), UNKNOWN: (7, 12)}, exclusions=exclusions)
    sentence = "Not covered: 3 images left out (truncated)."
    assert concluded.verdict == "equivalent"
    assert "Not compared: c (n = 5), unknown (n = 12)." in why(concluded)
    assert sentence in why(concluded, exclusions=exclusions)
    assert sentence in reason
    # Many small groups are named in part and counted in full.
    small = {f"s{i}": (1, 2) for i in range(8)}
    assert "s0 (n = 2), s1 (n = 2), s2 (n = 2), s3 (n = 2), s4 (n = 2) and 3 more." in why(rule({**CLOSE, **small})[0])


def conclude_all(*cells):
    settings = Settings(draws=9999)
    found = [finding(cell, settings=settings, name=f"m{i}") for i, cell in enumerate(cells)]
    decided, verdict = decide_verdicts(found, settings, limited=False)
    return verdict, audit_reason(audit(decided))


@pytest.mark.slow
def test_the_whole_is_the_worst_of_its_questions():
    alone = {"a": (900, 1000)}
    several = [(CLOSE, VAGUE, WIDE, alone), (CLOSE, VAGUE, alone), (CLOSE, VAGUE), (CLOSE, alone), (alone, alone), (CLOSE, DETECTABLE)]
    verdicts = ["disparity", "inconclusive", "inconclusive", "inconclusive", "not estimable", "equivalent"]
    assert [conclude_all(*cells)[0] for cells in several] == verdicts
    # It counts its questions.
    assert conclude_all(WIDE, WIDE, VAGUE, CLOSE, {"a": (9, 10)})[1] == (
        "2 of 5 questions show a disparity, 1 is inconclusive, 1 cannot be estimated, 1 is equivalent within its tolerance."
    )
    assert conclude_all(CLOSE, CLOSE)[1] == "2 of 2 questions are equivalent within their tolerance."


def test_context_does_not_decide():
    context = finding(WIDE, claim=Claim("selection_rate", ("group",), "thief", primary=False), name="context")
    (first, second), verdict = decide_verdicts([context, finding(CLOSE)], Settings(), limited=False)
    assert (first.verdict, second.verdict, verdict) == ("signal", "equivalent", "equivalent")
    assert not first.exceeds_tolerance
    assert why(first).endswith("It was not planned: a reason to test again with new images, not a verdict.")
    assert audit_reason(audit((first, second))) == "1 of 1 question is equivalent within its tolerance."
    assert decide_verdicts([], Settings(), limited=False)[1] == "inconclusive"  # without a primary question nothing is praised


# Benjamini-Hochberg by hand: 8 p / 1, 8 p / 2, … from the largest down, never rising: .205, .0846, .08, then .042 x 8 / 5 for three.
P = (0.041, 0.06, 0.205, 0.001, 0.042, 0.074, 0.008, 0.039)
BY_HAND = (0.0672, 0.08, 0.205, 0.008, 0.0672, 0.592 / 7, 0.032, 0.0672)


def explored(p, cells=WIDE):
    """An exploratory finding with this p."""
    found = finding(cells, claim=Claim("selection_rate", ("group",), "thief", primary=False))
    return replace(found, gap=replace(found.gap, p=p, p_adjusted=p))


@pytest.mark.slow
def test_exploratory_findings_are_adjusted_among_themselves():
    alone = finding({"a": (9, 10)}, claim=Claim("selection_rate", ("group",), "thief", primary=False))
    planned = [finding(WIDE), finding(CLOSE)]
    decided, verdict = decide_verdicts([*planned, *map(explored, P), alone], Settings(), limited=False)
    exploratory = decided[2:-1]

    assert [each.gap.p_adjusted for each in exploratory] == pytest.approx(BY_HAND)
    signals = [p in (0.001, 0.008) for p in P]
    assert [each.verdict for each in exploratory] == ["signal" if signal else "no signal" for signal in signals]
    assert [bool(each.pairs) for each in exploratory] == signals
    assert (decided[-1].verdict, decided[-1].gap) == ("not estimable", None)  # and it counts for nothing
    # The planned ones are what they are without all of them.
    assert (decided[:2], verdict) == decide_verdicts(planned, Settings(), limited=False)
    # Which comes first does not matter, and a single one needs no correction.
    assert decide_verdicts([explored(p) for p in P[::-1]], Settings(), limited=False)[0] == exploratory[::-1]
    ((single,), _) = decide_verdicts([explored(0.041)], Settings(), limited=False)
    assert (single.gap.p_adjusted, single.verdict) == (0.041, "signal")


def test_questions_of_a_suite_are_adjusted_together():
    """Holm over .01, .03 and .04: 3 x .01, 2 x .03, then no less. Benjamini-Hochberg over .02, .04 and .06: 3 x .02, 3/2 x .04, .06."""

    def planned(p):
        found = finding(WIDE)
        return replace(found, gap=replace(found.gap, p=p, p_adjusted=p))

    own = [planned(0.01), planned(0.04), explored(0.02)]
    others = [planned(0.03), explored(0.04), explored(0.06)]
    decided, verdict = decide_verdicts(own, Settings(), limited=False, others=others)
    assert [found.gap.p_adjusted for found in decided] == pytest.approx([0.03, 0.06, 0.06])
    assert ([found.verdict for found in decided], verdict) == (["disparity", "inconclusive", "no signal"], "disparity")
    alone, _ = decide_verdicts(own, Settings(), limited=False)
    assert [found.gap.p_adjusted for found in alone] == pytest.approx([0.02, 0.04, 0.02])
    assert [found.verdict for found in alone] == ["disparity", "disparity", "signal"]
    # What could have been detected follows the number of questions: 3 in place of 2.
    assert decided[0].gap.minimum_detectable > alone[0].gap.minimum_detectable


def test_a_small_difference_may_be_a_signal_and_a_sample_has_none():
    for cells in (DETECTABLE, WIDE):
        for limited, expected in ((False, "signal"), (True, "no signal")):
            ((found,), verdict) = decide_verdicts([explored(0.01, cells)], Settings(), limited=limited)
            assert (found.verdict, verdict) == (expected, "inconclusive")


def shares(sizes, rates, tolerance=0.05, runs=250, seed=0):
    """Shares of the verdicts by the rules: equivalent, disparity, inconclusive."""
    rng = np.random.default_rng(seed)
    states = []
    for _ in range(runs):
        events = rng.binomial(sizes, rates)
        equivalent = equivalence_bound(events, sizes, 0.05) < tolerance
        states.append("equivalent" if equivalent else "disparity" if gap_test(events, sizes, 199, rng).p <= 0.05 else "inconclusive")
    return [states.count(state) / runs for state in ("equivalent", "disparity", "inconclusive")]


ONE_LOWER = np.array([-0.05, 0, 0, 0, 0, 0, 0])


@pytest.mark.slow_except("sizes0-0.05-0.05-measured0", "sizes1-0.9-0.05-measured1")
@pytest.mark.parametrize(
    ("sizes", "rates", "tolerance", "measured"),
    [
        (FAIRFACE, 0.05, 0.05, (1.00, 0.00, 0.00)),
        (FAIRFACE, 0.9, 0.05, (0.94, 0.05, 0.01)),
        (FAIRFACE, 0.9, 0.03, (0.07, 0.06, 0.87)),
        (FAIRFACE, 0.9 + ONE_LOWER, 0.05, (0.00, 1.00, 0.00)),
        (np.full(7, 200), 0.9, 0.05, (0.00, 0.03, 0.97)),
        (np.full(7, 200), 0.9 + ONE_LOWER, 0.05, (0.00, 0.30, 0.70)),
    ],
)
def test_shares_of_the_verdicts(sizes, rates, tolerance, measured):
    """The measured table of the statistical rules (400 runs there, 250 here): three standard errors of a share near .3 are .09."""
    np.testing.assert_allclose(shares(sizes, rates, tolerance), measured, atol=0.09)


def test_the_sign_of_a_gap_of_three_standard_errors_is_right():
    """.80 against .746 with 1,000 images each (SE .018): the higher group is found highest in at least 99 of 100 runs."""
    rng = np.random.default_rng(0)
    first, second = rng.binomial(1000, 0.80, 2000), rng.binomial(1000, 0.746, 2000)
    assert np.mean(first > second) >= 0.99


def test_few_errors_of_light_images_do_not_show_that_those_of_heavy_ones_are_negligible():
    # 100 images weigh 30 and have no error, 2,000 weigh 1 and have 3: 3 of 5,000. They are 5,000^2 / 92,000 = 272 of one weight, of which
    # Clopper and Pearson's limit is 1.2 %. By the errors' own spread they would be more than the 2,100 that there are: .3 %.
    claim, metric = Claim("false_positive_rate", ("group",), "thief"), METRICS["false_positive_rate"]
    rate = Rate(("a",), 2100, 3, 3 / 5000, 0.0, 1.0, "ok", design_effect=0.5, effective_n=5000**2 / 92_000)
    assert negligible_below(claim, metric, [rate], 0.05, 0.05) is None
    assert negligible_below(claim, metric, [replace(rate, effective_n=None)], 0.05, 0.05) == pytest.approx(0.01)
