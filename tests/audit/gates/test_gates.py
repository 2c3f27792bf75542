"""Gates: how they are written, what they name, and how they end, by hand-worked numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from audit.api.lookup import planned_questions
from audit.errors import UsageError
from audit.gates.decide import decide, decide_mean
from audit.gates.parse import named_question, parse, require_group, resolve_gate
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.records.finding import Gap, Rate
from audit.records.replicates import MeanGap, ReplicatedGap
from audit.results import Finding
from audit.statistics.intervals import newcombe, wilson
from audit.types import Claim, Exclusion, LabelSet, Measurement, Settings
from reports.exports.markdown import ordinary_spaces
from reports.text.gates import check_reason

LABELS = LabelSet("l", ("a", "b"), {"a": ("a",), "b": ("b",)})
CRIME = (
    Claim("selection_rate", ("gender",), "crime-related"),
    Claim("selection_rate", ("race", "gender"), "crime-related"),
    Claim("true_positive_rate", ("gender",), "crime-related"),
)
HARM = Measurement("harm-21", "?", LABELS, "p", CRIME, outcomes={"crime-related": ("a",)})
JOB = Measurement("role", "?", LABELS, "p", (Claim("accuracy", ("gender",)),), truth="role")
KNOWN = planned_questions((HARM, JOB))
BY_GENDER = "harm-21/selection_rate[crime-related]/gender"


def rate(group, events, n, status="ok"):
    low, high = wilson(events, n, 0.05)
    return Rate(group, n, events, events / n if n else None, float(low), float(high), status)


def finding(cells, identity=BY_GENDER, p=0.0001, verdict="disparity", primary=True):
    rates = tuple(rate((name,), *cell) for name, cell in cells.items())
    gap = None
    compared = [each for each in rates if each.status == "ok"]
    if len(compared) > 1:
        gap = Gap(compared[0].group, compared[-1].group, 0.1, 0.0, 0.2, None, p, p, 0.0, 0.0, None, None, 0.0, 0.0, 0.05)
    return Finding(
        identity, identity.split("/")[0], "selection_rate", "crime-related", ("gender",), "neither", primary, 0.05, rates[0], rates, gap,
        (), (), verdict, False,
    )  # fmt: skip


def audited(*findings, limited=False, exclusions=(), verdict="disparity"):
    named = SimpleNamespace(name="m")
    return SimpleNamespace(
        model=named, probe=SimpleNamespace(name="p"), data=SimpleNamespace(limited=limited, exclusions=exclusions, weights=None),
        findings=findings, effects=(), verdict=verdict, suite=None,
    )  # fmt: skip


def replaced(audit, **values):
    return SimpleNamespace(**{**vars(audit), **values})


def why(check, *audits):
    """The sentences of a check."""
    return ordinary_spaces(check_reason(check, SimpleNamespace(audits=audits, settings=Settings())))


GATE = "gap[harm-21.crime-related by gender] > 0.05"

# ---- written -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "subject", "name", "sign", "limit"),
    [
        ("gap[x by y] > 0.05", "gap", "x by y", ">", 0.05),
        ("  GAP [ x by y ]>=5%", "gap", "x by y", ">=", 0.05),
        ("gap > 5 points", "gap", None, ">", 0.05),
        ("ratio[a[b]/c] < .8", "ratio", "a[b]/c", "<", 0.8),
        ("rate[x by y for z] <= 1e-2", "rate", "x by y for z", "<=", 0.01),
        ("gap[x] > 0.5 > 0.1] > 2 pp", "gap", "x] > 0.5 > 0.1", ">", 0.02),
        ("verdict[x by y] == 'Not_Estimable'", "verdict", "x by y", "==", "not estimable"),
    ],
)
def test_what_is_a_gate(text, subject, name, sign, limit):
    gate = parse(text)
    value = gate.verdict if subject == "verdict" else gate.limit
    assert (gate.subject, gate.name, gate.operator, value) == (subject, name, sign, limit)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 1, "nothing"),
        ("gapp[x] > 0.05", 1, "did you mean gap"),
        ("gap[x > 0.05", 4, "not closed"),
        ("gap[] > 0.05", 4, "expected a name"),
        ("gap[x by y]", 12, "the end"),
        ("gap[x by y] == 0.05", 13, "=="),
        ("gap[x by y] over 5", 13, "'over'"),
        ("gap[x by y] > five", 15, "invalid limit"),
        ("gap[x by y] > 5", 15, "outside 0 to 1"),
        ("gap[x by y] > -0.1", 15, "outside 0 to 1"),
        ("gap[x by y] > nan", 15, "invalid limit"),
        ("gap[x by y] > ", 14, "invalid limit"),
        ("verdict > 0.05", 9, "=="),
        ("verdict == disparate", 12, "did you mean disparity"),
    ],
)
def test_what_is_none_says_where_it_stops(text, place, said):
    with pytest.raises(UsageError, match=f"position {place} ") as error:
        parse(text)
    assert (said in str(error.value), error.value.exit_code) == (True, 2)


# ---- named ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("harm-21.crime-related.selection_rate by gender", ("gender",)),
        ("Harm-21.Crime-related.selection rate by gender", ("gender",)),
        ("harm-21/selection_rate[crime-related]/gender", ("gender",)),
        ("Share given ‘crime-related’ (harm-21) by gender", ("gender",)),
        ("share given 'crime-related' (harm-21) by  gender", ("gender",)),
        ("harm-21.crime-related by race x gender", ("race", "gender")),
        ("harm-21.crime-related by race × gender", ("race", "gender")),
    ],
)
def test_names_that_a_person_sees(name, attributes):
    found = resolve_gate(parse(f"gap[{name}] > 0.05"), KNOWN)
    assert (found.finding, found.attributes) == (f"harm-21/selection_rate[crime-related]/{' x '.join(attributes)}", attributes)


def test_an_outcome_asked_by_two_metrics_is_ambiguous():
    with pytest.raises(UsageError, match="more than one question") as error:
        resolve_gate(parse(GATE), KNOWN)
    assert "true_positive_rate" in str(error.value)


def test_an_unknown_name_gets_the_nearest():
    many = (*KNOWN, *planned_questions([replace(JOB, name=f"job-{i}") for i in range(20)]))
    with pytest.raises(UsageError) as error:
        resolve_gate(parse("gap[harm.crime by gender] > 0.05"), many)
    assert "harm-21.crime-related.selection_rate by gender" in error.value.fix
    assert "position 5" in error.value.where
    with pytest.raises(UsageError, match="no question") as error:
        resolve_gate(parse("gap[zzz] > 0.05"), KNOWN)
    assert "role.accuracy by gender" in error.value.fix


def test_the_names_that_are_offered_mean_one_question_each():
    with pytest.raises(UsageError, match="no question") as error:
        resolve_gate(parse("gap[harm-21.crime-relatd by gender] > 0.05"), (*KNOWN, *KNOWN))
    offered = error.value.fix.split("Known: ")[1].split(", ")
    assert error.value.fix.startswith("did you mean harm-21.crime-related")
    assert len({resolve_gate(parse(f"gap[{name}] > 0.05"), KNOWN).finding for name in offered}) == len(offered) == len(KNOWN)


def test_what_a_terminal_calls_a_question_is_a_name_where_it_is_one_question():
    accuracy = Measurement("q", "?", LABELS, "p", (Claim("accuracy", ("gender",)),), truth="y_true")
    one, two = (planned_questions([replace(accuracy, name=name) for name in names]) for names in (["q"], ["q", "other"]))
    assert resolve_gate(parse("gap[Accuracy by gender] > 0.05"), one).finding == "q/accuracy/gender"
    with pytest.raises(UsageError, match="more than one question"):
        resolve_gate(parse("gap[Accuracy by gender] > 0.05"), two)


def test_a_group_whose_name_holds_a_cross_is_found():
    aimed = resolve_gate(parse("rate[role.accuracy by gender for 5 x 7 cm] < 0.1"), KNOWN)
    require_group(aimed, {"gender": ("5 x 7 cm", "10 x 15 cm")})
    rates = finding({"5 x 7 cm": (90, 100), "10 x 15 cm": (5, 100)}, "role/accuracy/gender")
    assert decide(aimed, [audited(rates)], Settings()).outcome == "held"


def test_a_group_belongs_to_a_rate_and_to_the_data():
    levels = {"gender": ("Female", "Male"), "race": ("Black", "Middle Eastern")}
    aimed = resolve_gate(parse("rate[harm-21.crime-related by race x gender for middle eastern × male] > 0.1"), KNOWN)
    assert (aimed.finding, aimed.group) == ("harm-21/selection_rate[crime-related]/race x gender", "middle eastern × male")
    require_group(aimed, levels)
    with pytest.raises(UsageError, match="no group 'Male'") as error:
        require_group(replace(aimed, group="Male"), levels)
    assert "Black/Middle Eastern × Female/Male" in error.value.fix
    with pytest.raises(UsageError, match="of all groups"):
        resolve_gate(parse("gap[role.accuracy by gender for man] > 0.1"), KNOWN)
    with pytest.raises(UsageError, match="which rate"):
        resolve_gate(parse("rate > 0.1"), KNOWN)


# ---- decided -------------------------------------------------------------------------------------------------------------------------

ONE = planned_questions((replace(HARM, claims=HARM.claims[:2]), JOB))


LARGE, SMALL = {"Female": (300, 1000), "Male": (200, 1000)}, {"Female": (300, 3000), "Male": (310, 3000)}
FEW = {"Female": (30, 100), "Male": (20, 100)}
NAME = "harm-21.crime-related by gender"


def decided(expression, *audits):
    return decide(resolve_gate(parse(expression), ONE), audits, Settings())


def ended(expression, cells, **given):
    keys = {name: given.pop(name) for name in ("p", "verdict") if name in given}
    return decided(expression, audited(finding(cells, **keys), **given)).checks[0]


def test_a_gap_shown_to_be_larger_breaches():
    """300 of 1,000 against 200 of 1,000: .1, from .0619 at 95 %."""
    found = ended(GATE, LARGE)
    assert (found.outcome, found.value) == ("breached", pytest.approx(0.1))
    assert found.low == pytest.approx(newcombe(300, 1000, 200, 1000, 0.05)[0])
    assert found.low == pytest.approx(0.0621, abs=5e-4)
    assert "10.0 points, between 6.2 and " in why(found)
    assert (found.images, found.images_needed) == (2000, None)


def test_a_gate_cites_the_interval_of_the_gap_and_says_where_another_rule_decides():
    """The interval of a question stands in its finding; a bound on the other side of the limit has its clause, no interval of its own."""

    def cited(expression, cells, low, high, *others, p=0.0001):
        asked = finding(cells, p=p)
        asked = replace(asked, gap=replace(asked.gap, value=0.1, low=low, high=high))
        audit = audited(asked, *others)
        return why(decided(expression, audit).checks[0], audit)

    assert cited(GATE, LARGE, 0.0621, 0.1373) == "The largest gap is 10.0 points [6.2, 13.7]: all of it above the limit of 5 points."
    # Held by the 90 % interval, while the one that is cited reaches beyond the limit.
    said = cited(GATE, SMALL, 0.0, 0.052, p=0.7)
    assert said == "The largest gap is 10.0 points [0.0, 5.2]: by the equivalence test, every pair lies below the limit of 5 points."
    # Of two questions one must be shown at twice the level: 300 against 200 of 1,000 from 5.7 points on.
    other = finding(SMALL, "role/accuracy/gender")
    said = cited("gap > 0.06", LARGE, 0.0621, 0.1373, other)
    assert "[6.2, 13.7]: corrected for every question of the gate, the interval reaches below the limit of 6 points." in said


def test_a_gap_shown_to_be_smaller_holds():
    found = ended(GATE, SMALL, p=0.7, verdict="equivalent")
    assert (found.outcome, found.high < 0.05, "none of it above" in why(found)) == ("held", True, True)


def test_the_point_alone_decides_nothing():
    """30 of 100 against 20 of 100: .1, but from 0 to .22. Some two thousand images would tell .1 from .05."""
    found = ended(GATE, FEW, p=0.1)
    needed, half = found.images_needed, found.images_needed / 200
    assert (found.outcome, 1000 < needed < 2000) == ("inconclusive", True)
    assert newcombe(30 * half, 100 * half, 20 * half, 100 * half, 0.05)[0] > 0.05
    assert f"About {needed:,} images instead of 200" in why(found)


def test_a_small_gap_of_few_images_asks_for_what_equivalence_takes():
    found = ended(GATE, {"Female": (10, 100), "Male": (11, 100)}, p=0.8)
    half = found.images_needed / 200
    low, high = newcombe(10 * half, 100 * half, 11 * half, 100 * half, 0.10)
    assert found.outcome == "inconclusive"
    assert -0.05 <= low < high <= 0.05


def test_a_gap_on_the_limit_is_never_settled():
    found = ended(f"gap[{NAME}] > 0.1", FEW, p=0.1)
    assert (found.outcome, found.images_needed) == ("inconclusive", None)
    assert "no number of images" in why(found)


def test_a_breach_takes_the_test_of_the_whole_question_too():
    found = ended(GATE, LARGE, p=0.2)
    assert (found.outcome, found.images_needed) == ("inconclusive", None)
    assert "does not reject" in why(found)


def test_a_limited_run_settles_nothing():
    for cells in (LARGE, SMALL):
        found = ended(GATE, cells, limited=True)
        assert found.outcome == "inconclusive"
        assert why(found).startswith("LIMITED RUN: a sample cannot decide a gate, so the command exits with 1; run it on all images. ")
    limited = audited(finding({"Female": (3, 100), "Male": (2, 100)}, verdict="inconclusive"), limited=True, verdict="inconclusive")
    for expression in ("verdict == disparity", "verdict != equivalent", f"verdict[{NAME}] == inconclusive"):
        assert decided(expression, limited).outcome == "inconclusive"


def test_a_limited_run_passes_no_gate():
    for limited in (True, False):
        audits = [audited(finding(cells), limited=limited) for cells in (LARGE, SMALL)]
        ended = [decided(GATE, audit) for audit in audits]
        ended += [decided(gate, audits[0]) for gate in ("verdict == disparity", "gap[role.accuracy by gender] > 0.1")]
        # Of all images: shown to be larger; shown to be no larger; a disparity; not asked, which is not estimable.
        assert [FAIL_CLOSED.is_breach([each]) for each in ended] == ([True] * 4 if limited else [True, False, True, True])
        assert [GatePolicy(allow_undecided=True).is_breach([each]) for each in ended] == [True, limited, True, limited]
        assert all(why(each.checks[0], *audits).startswith("LIMITED RUN") == limited for each in ended)


def test_one_limited_audit_among_several_passes_nothing():
    gated = decided(GATE, audited(finding(SMALL)), audited(finding(SMALL), limited=True))
    assert (gated.outcome, FAIL_CLOSED.is_breach([gated])) == ("inconclusive", True)


def test_what_is_not_covered_is_named():
    exclusions = (Exclusion("truncated", 3, {}),)
    found = ended(GATE, SMALL | {"other": (1, 5, "small")}, p=0.7, exclusions=exclusions)
    assert found.outcome == "held"
    assert "Not compared: other (n = 5)." in why(found)
    assert "Not covered: 3 images left out (truncated)." in why(found, audited(exclusions=exclusions))


def clustered(cells, gap, low, farthest, p=0.0001):
    """A finding whose images come in 20 clusters: its own intervals are wider than its counts would give."""
    found = finding(cells, p=p)
    rates = tuple(replace(each, clusters=20, low=each.value - 0.1, high=each.value + 0.1) for each in found.by_group)
    bounded = replace(found.gap, value=gap, low=low, high=gap + 0.1, equivalence_bound=farthest)
    return replace(found, by_group=rates, overall=replace(found.overall, clusters=20), gap=bounded)


def test_images_in_clusters_are_not_as_many_cases():
    """300 and 200 of 1,000 would breach .05 by image; by cluster the gap of .1 may be as small as .02 and as large as .17."""
    found = clustered(LARGE, 0.1, 0.02, 0.17)

    def of(expression):
        return decided(expression, audited(found)).checks[0]

    gap = of(GATE)
    assert (gap.outcome, gap.low, gap.high) == ("inconclusive", pytest.approx(0.02), 0.17)
    # The lower bound lies .08 below the gap and must lie less than .05 below it: (.08 / .05)^2 = 2.56 times as many, and 1 % more.
    assert "About 52 clusters of images instead of 20" in why(gap)
    assert gap.images_needed == 5180
    assert [of(f"gap[{NAME}] > {limit}").outcome for limit in (0.01, 0.18)] == ["breached", "held"]
    rates = [of(f"rate[{NAME} for Male] > {limit}").outcome for limit in (0.05, 0.15, 0.35)]
    assert rates == ["breached", "inconclusive", "held"]
    # The highest of two: at alpha / 2, so .3 reaches down to .3 - .1 x 2.241 / 1.960.
    assert of(f"rate[{NAME}] > 0.1").low == pytest.approx(0.3 - 0.1 * 2.2414 / 1.96, abs=1e-4)
    assert "clusters" in why(of(f"ratio[{NAME}] < 0.8"))


def test_too_few_groups_are_not_estimable():
    found = ended(GATE, {"Female": (30, 300), "Male": (1, 5, "small")})
    assert (found.outcome, found.value, found.low, found.images_needed) == ("not estimable", None, None, None)
    assert "This requires two groups with at least 30 images" in why(found)


def test_a_gate_that_cannot_be_estimated_fails_but_where_that_is_allowed():
    """A model that always gives one answer has no gap; before, it passed every gate on a gap that a good model has to prove."""
    blind = audited(replace(finding(LARGE, verdict="not estimable"), unresponsive="constant"))
    for gate in (GATE, "gap > 0.05", "ratio < 0.8", "verdict == disparity", f"verdict[{NAME}] == disparity"):
        gated = decided(gate, replaced(blind, verdict="not estimable"))
        assert gated.outcome == gated.checks[0].outcome == "not estimable"
        policies = FAIL_CLOSED, GatePolicy(allow_undecided=True), GatePolicy(require_conclusive=True)
        assert [policy.is_breach([gated]) for policy in policies] == [True, False, True]


def test_a_rate_that_does_not_depend_on_the_images_breaches_and_never_holds():
    """ "Crime-related" is given to nobody by a model that gives one answer: no reason to pass; given to everybody it is a breach."""
    none, everybody = (dict.fromkeys(("Female", "Male"), (events, 1000)) for events in (0, 1000))
    for cells, outcome in ((none, "not estimable"), (everybody, "breached")):
        constant = replace(finding(cells, verdict="not estimable"), unresponsive="constant")
        gated = decided(f"rate[{NAME}] > 0.1", audited(constant))
        assert (gated.outcome, FAIL_CLOSED.is_breach([gated])) == (outcome, True)
        assert decided(f"rate[{NAME}] > 0.1", audited(finding(cells))).outcome == ("held" if cells is none else "breached")


def test_a_gate_ends_as_its_worst_check():
    """Held by one question, not estimable of another: the second decides, and only a breach would be worse."""
    held, few = finding(SMALL), finding({"Female": (30, 300), "Male": (1, 5, "small")}, "role/accuracy/gender")
    assert decided("gap > 0.05", audited(held, few)).outcome == "not estimable"
    assert decided("gap > 0.05", audited(finding(LARGE), few)).outcome == "breached"
    assert decided("gap > 0.05", audited(finding(FEW), few)).outcome == "not estimable"


@pytest.mark.parametrize(
    ("subject", "sign", "limits", "cells"),
    [
        # .3 with 1,000 images: above .25 for sure (lower limit at alpha / 2 is .269), not above .3, not sure for .29.
        (f"rate[{NAME}]", ">", (0.25, 0.29, 0.34), LARGE),
        (f"rate[{NAME}]", "<", (0.25, 0.21, 0.15), LARGE),
        (f"rate[{NAME} for male]", ">", (0.15, 0.19, 0.25), LARGE),
        # 20 % against 40 %: one half, from .434 to .576.
        (f"ratio[{NAME}]", "<", (0.8, 0.55, 0.3), {"Female": (400, 1000), "Male": (200, 1000)}),
    ],
)
def test_rates_and_ratios_by_hand(subject, sign, limits, cells):
    assert [ended(f"{subject} {sign} {limit}", cells).outcome for limit in limits] == ["breached", "inconclusive", "held"]


def test_the_rate_of_one_group_and_a_ratio_without_events():
    one = ended(f"rate[{NAME} for Male] > 0.15", LARGE)
    assert (one.value, one.low, one.images) == (0.2, pytest.approx(wilson(200, 1000, 0.05)[0]), 1000)
    assert "The rate of Male is 20.0 %" in why(one)
    nothing = ended(f"ratio[{NAME}] < 0.8", {"Female": (0, 1000), "Male": (200, 1000)})
    assert (nothing.outcome, "no event" in why(nothing)) == ("not estimable", True)


ON_VERDICTS = [
    ("== disparity", "disparity", "breached"), ("== disparity", "equivalent", "held"), ("== disparity", "inconclusive", "inconclusive"),
    ("== disparity", "not estimable", "not estimable"), ("!= equivalent", "equivalent", "held"),
    ("!= equivalent", "inconclusive", "breached"), ("== inconclusive", "inconclusive", "breached"),
    ("== inconclusive", "disparity", "held"),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "verdict", "outcome"), ON_VERDICTS)
def test_verdicts(gate, verdict, outcome):
    assert ended(f"verdict[{NAME}] {gate}", FEW, verdict=verdict).outcome == outcome
    whole = decided(f"verdict {gate}", audited(verdict=verdict))
    assert (whole.outcome, whole.checks[0].finding) == (outcome, None)


def test_a_gate_without_a_name_asks_every_question_that_counts_and_corrects_for_them():
    """.1 of 1,000 and 1,000 is above .06 by one interval, [.0621, .137], not by one of four."""
    others = [finding({"Female": (300, 9000), "Male": (300, 9000)}, f"q{i}/accuracy/gender") for i in range(3)]
    context = finding(LARGE, "context/accuracy/gender", primary=False)
    assert decided("gap > 0.06", audited(finding(LARGE), context)).outcome == "breached"
    several = decided("gap > 0.06", audited(finding(LARGE), *others, context))
    assert [each.outcome for each in (several, *several.checks)] == ["inconclusive", "inconclusive", "held", "held", "held"]
    nothing = decided("gap > 0.06", audited(context))
    assert (nothing.outcome, why(nothing.checks[0])) == ("not estimable", "This audit has no primary question.")
    elsewhere = decided("gap[role.accuracy by gender] > 0.1", audited(context))
    assert (elsewhere.outcome, why(elsewhere.checks[0])) == ("not estimable", "Not asked by this audit.")


def test_one_breach_among_models_is_a_breach_and_inconclusive_is_fatal_only_where_that_is_asked_for():
    gated = decided(GATE, audited(finding(SMALL)), audited(finding(LARGE)))
    assert (gated.outcome, [check.outcome for check in gated.checks]) == ("breached", ["held", "breached"])
    assert FAIL_CLOSED.is_breach([gated])
    open_ = decided(GATE, audited(finding(FEW)))
    ends = [GatePolicy(require_conclusive=fatal).is_breach([open_]) for fatal in (False, True)]
    assert (open_.outcome, *ends) == ("inconclusive", False, True)


def mean_checks(expression, *gaps, limited=False):
    """The checks of a gate on the gaps of the mean rates of two replicates; each gap is (low, high, low_adjusted)."""
    means = [MeanGap(("a",), ("b",), 0.2, low, high, (0.1, 0.3), adjusted) for low, high, adjusted in gaps]
    verdicts = ("equivalent", "disparity")
    findings = tuple(ReplicatedGap(f"q{place}", verdicts, (0.1, 0.3), 0.1, mean) for place, mean in enumerate(means))
    replicates = SimpleNamespace(probe="p", audits=(0, 1), findings=findings)
    audits = (SimpleNamespace(data=SimpleNamespace(limited=False)), SimpleNamespace(data=SimpleNamespace(limited=limited)))
    resolved = resolve_gate(parse(expression), planned_questions((replace(JOB, name="role"),)))
    return decide_mean(resolved, SimpleNamespace(audits=audits, replicates=(replicates,))).checks


def test_a_mean_is_gated_on_both_ends_and_a_sample_settles_nothing():
    ends = [mean_checks(f"gap_mean > {limit}", (0.1, 0.3, 0.05))[0].outcome for limit in (0.09, 0.11, 0.29, 0.31)]
    assert ends == ["breached", "inconclusive", "inconclusive", "held"]
    assert [mean_checks(f"gap_mean > {limit}", (0.1, 0.3, 0.05), limited=True)[0].outcome for limit in (0.09, 0.31)] == ["inconclusive"] * 2


def test_one_mean_of_several_breaches_by_its_corrected_end_where_the_file_has_one():
    assert [mean_check.low for mean_check in mean_checks("gap_mean > 0.07", (0.1, 0.3, 0.05))] == [0.1]
    several = mean_checks("gap_mean > 0.07", (0.1, 0.3, 0.05), (0.1, 0.3, None))
    assert [(each.low, each.outcome) for each in several] == [(0.05, "inconclusive"), (0.1, "breached")]


def test_a_mean_that_no_replicate_or_not_every_one_has_is_not_estimable():
    replicates = [
        ReplicatedGap("q", ("equivalent", "not estimable"), (0.1, None), None, MeanGap(("a",), ("b",), 0.2, 0.1, 0.3, (0.1, 0.3))),
        ReplicatedGap("q", ("equivalent", "equivalent"), (0.1, 0.3), 0.1, None),
    ]
    for replicate in replicates:
        together = SimpleNamespace(probe="p", audits=(0,), findings=(replicate,))
        results = SimpleNamespace(audits=(SimpleNamespace(data=SimpleNamespace(limited=False)),), replicates=(together,))
        [check] = decide_mean(resolve_gate(parse("gap_mean > 0.07"), KNOWN), results).checks
        assert (check.outcome, check.reasons[0].code) == ("not estimable", "mean_not_estimable")


def test_of_many_names_only_those_are_offered_that_hold_more_than_two_of_five_words():
    """Of "crime zzz yyy" one word of three begins a word of a name; of "crime by zzz" two."""
    many = (*KNOWN, *planned_questions([replace(JOB, name=f"job-{i}") for i in range(20)]))
    offered = {}
    for name in ("crime zzz yyy", "crime by zzz"):
        with pytest.raises(UsageError, match="no question") as error:
            resolve_gate(parse(f"gap[{name}] > 0.05"), many)
        offered[name] = error.value.fix
    assert "summary.md lists the names" in offered["crime zzz yyy"]
    assert "harm-21.crime-related" in offered["crime by zzz"]


@pytest.mark.slow
def test_a_gate_rarely_breaches_where_the_gap_lies_on_the_limit():
    """300 samples of two groups of 400 whose true gap is .1, the limit: at most 1 in 20 breaches, and at most 1 in 10 holds."""
    source, ends = np.random.default_rng(0), []
    for _ in range(300):
        one, two = source.binomial(400, 0.35), source.binomial(400, 0.25)
        ends.append(ended(f"gap[{NAME}] > 0.1", {"Female": (int(one), 400), "Male": (int(two), 400)}).outcome)
    assert np.mean(np.array(ends) == "breached") <= 0.05
    assert np.mean(np.array(ends) == "held") <= 0.08


def test_where_there_are_no_questions_the_way_out_is_not_an_empty_list():
    with pytest.raises(UsageError) as refused:
        named_question("predictions.accuracy by race", [])
    assert "summary.md say why" in refused.value.fix
