"""Several seeds given as one model: the record beside each audit's own, from files and models, and what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import audit
from audit.errors import AuditError
from audit.run import main
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Claim, LabelSet, Measurement, Probe
from reports.exports.junit import junit_xml
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from tests.support.page_text import text_of

N = 600
RACE = np.array(["A", "B", "C"])[np.arange(N) % 3]
TRUTH = np.where(np.arange(N) // 3 % 2, "m", "f")
WRONG = {"m": "f", "f": "m"}


def seed(number, spread=0.05):
    """Return answers of a seed: C is wrong more often, by how much depends on the seed."""
    rng = np.random.default_rng(7)
    image, own = rng.random(N), np.random.default_rng(100 + number).random(N)
    rate = np.select([RACE == "A", RACE == "B"], [0.9, 0.88], 0.7 + spread * (number % 3 - 1))
    right = 0.7 * image + 0.3 * own < rate
    table = {
        "id": [f"i{row}" for row in range(N)],
        "race": RACE,
        "y_true": TRUTH,
        "y_pred": [t if ok else WRONG[t] for t, ok in zip(TRUTH, right, strict=True)],
    }
    return pd.DataFrame(table)


SEEDS = [seed(number) for number in range(3)]


def together(seeds, **options):
    found = audit.audit(predictions=seeds, as_replicates=True, **{"attributes": "race", "draws": 199, **options})
    [replicates] = found.results.replicates
    return found.results, replicates, {finding.finding: finding for finding in replicates.findings}


@cache
def base():
    """Return the three seeds together, computed for the first test that needs them and not by every worker that collects the tests."""
    return together(SEEDS)


@pytest.mark.slow
def test_gaps_and_verdicts_are_those_of_the_audits_themselves():
    results, replicates, by_id = base()
    assert replicates.audits == (0, 1, 2)
    alone = [audit.audit(predictions=each, attributes="race", draws=199).results.audits[0] for each in SEEDS]
    assert [each.findings for each in alone] == [each.findings for each in results.audits]
    planned = [[finding for finding in each.findings if finding.primary] for each in alone]
    assert list(by_id) == [finding.id for finding in planned[0]]
    for place, each in enumerate(replicates.findings):
        assert each.gaps == tuple(own[place].gap.value for own in planned)
        assert each.verdicts == tuple(own[place].verdict for own in planned)
        assert each.standard_deviation == pytest.approx(np.std(each.gaps, ddof=1))


@pytest.mark.slow
def test_two_replicates_say_how_many_would_be_needed_and_three_do_not():
    two = together(SEEDS[:2])[2]["predictions/accuracy/race"]
    spread = np.std(two.mean.differences, ddof=1)
    needed = two.mean.needed
    assert needed.half_width == 0.05
    assert (needed.replicates is None) is (needed.images >= 0.05)
    assert needed.images < two.mean.high - two.mean.value or spread == 0
    assert [each.mean.needed for each in base()[1].findings] == [None] * len(base()[1].findings)


def test_the_mean_gap_by_hand():
    found = base()[2]["predictions/accuracy/race"].mean
    right = np.array([(each.y_pred == each.y_true).to_numpy() for each in SEEDS])
    rates = {race: right[:, race == RACE].mean(axis=1) for race in "ABC"}
    assert (found.highest, found.lowest) == (("A",), ("C",))
    assert found.value == pytest.approx(rates["A"].mean() - rates["C"].mean())
    assert found.differences == pytest.approx(tuple(rates["A"] - rates["C"]))
    # Of 3 pairs each at 1 - .05 / 3; within: the images' mean outcomes, nearly normal with 200 images a group.
    spread = sum(right[:, race == RACE].mean(axis=0).var(ddof=1) / 200 for race in "AC")
    within, between = 2.394 * np.sqrt(spread), 7.649 * (rates["A"] - rates["C"]).std(ddof=1) / np.sqrt(3)
    assert found.value + np.hypot(within, between) == pytest.approx(found.high, abs=0.005)
    assert found.low <= found.value <= found.high


@pytest.mark.slow
def test_seeds_that_agree_tell_no_more_of_the_images_than_one():
    """One image of A more is wrong in each of three further seeds: the interval stays that of one audit, though there are 2,400 answers."""
    right = SEEDS[0].y_pred == SEEDS[0].y_true
    places = np.flatnonzero(right & (RACE == "A"))[:3]
    seeds = [
        SEEDS[0],
        *(SEEDS[0].assign(y_pred=SEEDS[0].y_pred.mask(np.arange(N) == place, SEEDS[0].y_true.map(WRONG))) for place in places),
    ]
    results, _, by_id = together(seeds)
    found, alone = by_id["predictions/accuracy/race"].mean, results.audits[0].findings[0].gap
    assert found.high - found.value == pytest.approx(alone.high - alone.value, abs=0.006)
    assert found.value - found.low == pytest.approx(alone.value - alone.low, abs=0.006)


@pytest.mark.slow
def test_neither_the_order_of_replicates_nor_of_rows_matters():
    one = base()[2]
    *_, other = together([SEEDS[2], SEEDS[0].sample(frac=1, random_state=1), SEEDS[1]])
    for name, each in one.items():
        assert other[name].gaps == tuple(each.gaps[place] for place in (2, 0, 1))
        assert (other[name].mean.low, other[name].mean.high, other[name].mean.value) == (each.mean.low, each.mean.high, each.mean.value)
        assert other[name].standard_deviation == each.standard_deviation


@pytest.mark.slow
def test_weights_that_are_equal_change_nothing():
    *_, weighted = together([each.assign(w=2) for each in SEEDS], weights="w")
    found, plain = weighted["predictions/accuracy/race"].mean, base()[2]["predictions/accuracy/race"].mean
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-6)


def test_persons_that_are_answered_alike_widen_it():
    # Six images of one group each; a seventh (an eighth, a ninth) of the persons of A and B is wrong in all, a fourth of those of C.
    place = np.arange(N) // 3 // 6
    person = [f"{race}{number}" for race, number in zip(RACE, place, strict=True)]

    def answers(seed):
        wrong = place % np.where(RACE == "C", 4, 7 + seed) == 0
        return [WRONG[true] if each else true for true, each in zip(TRUTH, wrong, strict=True)]

    alike = [each.assign(person=person, y_pred=answers(seed)) for seed, each in enumerate(SEEDS)]
    *_, held = together(alike, cluster="person")
    *_, apart = together([each.drop(columns="person") for each in alike])
    one, other = (each["predictions/accuracy/race"].mean for each in (held, apart))
    assert one.value == pytest.approx(other.value)
    assert one.high - one.value > 1.5 * (other.high - other.value)


@pytest.mark.slow
def test_a_label_that_a_seed_never_gives_is_given_at_rate_0():
    untold = [each.drop(columns="y_true") for each in SEEDS]
    untold[1] = untold[1].assign(y_pred="f")
    _, _, by_id = together(untold)
    assert by_id["predictions/selection_rate[m]/race"].gaps[1] == 0


def precision_probe():
    labels = LabelSet("sex", ("f", "m"), {"f": (), "m": ()})
    claims = (Claim("precision", ("race",), "m"),)
    asked = Measurement("predictions", "?", labels, "none", claims, truth="y_true", outcomes={"m": ("m",)})
    return Probe("sex", "?", lambda options: None, (asked,), "the test", "none", (), ("everything else",))


def test_groups_count_where_every_replicate_can_judge_them():
    # Precision counts the images called m, of which the second seed has 20 in C: too few.
    few = SEEDS[1].assign(y_pred=np.where((RACE == "C") & (np.arange(N) >= 60), "f", np.where(RACE == "C", "m", SEEDS[1].y_pred)))
    results, _, by_id = together([SEEDS[0], few], probe=precision_probe(), attributes=None)
    [found] = by_id.values()
    assert [[rate.status for rate in each.findings[0].by_group] for each in results.audits] == [["ok"] * 3, ["ok", "ok", "small"]]
    assert {found.mean.highest, found.mean.lowest} == {("A",), ("B",)}
    assert all(gap is not None for gap in found.gaps)
    small = together([SEEDS[0], SEEDS[1]], min_group_size=201)[2]["predictions/accuracy/race"]
    assert (small.mean, small.gaps, small.standard_deviation, small.verdicts) == (None, (None, None), None, ("not estimable",) * 2)


@pytest.mark.slow
def test_models_are_replicates_too_and_are_told_apart():
    faces = four_faces(40)
    other = FakeEncoder({"woman": [0.0, 1.0, 0.0], "man": [1.0, 0.0, 0.0]})
    other.record = replace(other.record, fingerprint="e" * 64)
    found = audit.audit([FakeEncoder(), other], gender_probe(faces), as_replicates=True, draws=199).results
    assert [each.model.name for each in found.audits] == ["fake #1", "fake #2"]
    [replicates] = found.replicates
    assert [finding.finding for finding in replicates.findings] == [finding.id for finding in found.audits[0].findings if finding.primary]


def test_the_models_of_a_finished_audit_are_replicates_too(tmp_path):
    table = tmp_path / "a.csv", tmp_path / "b.csv"
    for path, given in zip(table, SEEDS, strict=False):
        given.to_csv(path, index=False)
    first, _, by_id = together(list(table), out=tmp_path / "out")
    *_, again = together(tmp_path / "out" / "predictions.parquet")
    assert [each.mean.high for each in again.values()] == [each.mean.high for each in by_id.values()]
    loaded = audit.load(tmp_path / "out")
    assert loaded.results == first
    frame = loaded.replicates()
    assert len(frame) == 2 * len(by_id)
    accuracy = by_id["predictions/accuracy/race"]
    rows = frame[frame.finding == accuracy.finding]
    assert rows[["gap", "mean_gap", "high"]].to_numpy().tolist() == [
        [gap, accuracy.mean.value, accuracy.mean.high] for gap in accuracy.gaps
    ]
    table = pd.read_csv(tmp_path / "out" / "tables" / "replicates.csv")
    assert table.difference.tolist() == pytest.approx(frame.difference.tolist())
    assert rows.model.tolist() == ["a.csv", "b.csv"]


REFUSED = {
    "one file": ([SEEDS[0]], 2, ["replicates need two models", "give --model (or --predictions)"]),
    "the same file twice": ([SEEDS[0], SEEDS[0].copy()], 2, ["are one model", "another seed"]),
    "an image is missing": ([SEEDS[0], SEEDS[1].drop(index=7)], 3, ["data frame #1 has the row 'i7'", "#2 does not", "--exclude"]),
    "an image is new": ([SEEDS[0].drop(index=7), SEEDS[1]], 3, ["data frame #2 has the row 'i7'", "#1 does not"]),
    "another group": (
        [SEEDS[0], SEEDS[1].assign(race=np.where(np.arange(N) == 9, "B", RACE))], 3,
        ["the row of 'i9'", "race is 'A', then 'B'", "give every replicate the same images"],
    ),
    "another truth": (
        [SEEDS[0], SEEDS[1].assign(y_true=np.where(np.arange(N) == 1, "m", TRUTH))], 3, ["the row of 'i1'", "y_true is 'f', then 'm'"],
    ),
    "another question": ([SEEDS[0], SEEDS[1].rename(columns={"y_pred": "y_pred:sex"})], 3, ["was not asked 'predictions/accuracy/race'"]),
    "a question more": (
        [SEEDS[0], SEEDS[1].assign(**{"y_pred:sex": SEEDS[1].y_pred})], 3,
        ["data frame #1 was not asked 'sex/accuracy/race', which data frame #2"],
    ),
    "no truth": ([SEEDS[0], SEEDS[1].drop(columns="y_true")], 3, ["was not asked"]),
    "rows without identifiers": (
        [each.drop(columns="id") for each in (SEEDS[0], SEEDS[1].iloc[:-1])], 3, ["data frame #1 has the row '600'"],
    ),
}  # fmt: skip


@pytest.mark.slow_except(
    "one file", "the same file twice", "an image is new", "another truth", "another question", "a question more", "no truth"
)
@pytest.mark.parametrize("case", REFUSED)
def test_what_are_no_replicates_is_refused(case):
    given, code, said = REFUSED[case]
    with pytest.raises(AuditError) as refused:
        together(given)
    assert refused.value.exit_code == code
    assert all(each in str(refused.value) for each in said), str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "a.pt", "--probe", "emoji", "--as-replicates"], "--as-replicates with one --model"),
        (["--model", "a.pt", "--model", "a.pt", "--probe", "emoji", "--as-replicates"], "'a.pt' is given twice"),
        (["--predictions", "a.csv", "--predictions", "a.csv", "--as-replicates"], "'a.csv' is given twice"),
    ],
)
def test_the_command_refuses_it_before_any_work(words, said, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_several_files_without_the_flag_are_several_models():
    found = audit.audit(predictions=SEEDS[:2], attributes="race", draws=199).results
    assert [each.model.name for each in found.audits] == ["data frame #1", "data frame #2"]
    assert found.replicates == ()


# ---- gates ---------------------------------------------------------------------------------------------------------------------------


STEADY = [seed(number, spread=0.01) for number in range(3)]


@cache
def steady():
    """Return what `together` finds for the steady seeds."""
    return together(STEADY)


def gated(*gates, seeds=STEADY, **options):
    found = audit.audit(predictions=seeds, as_replicates=True, attributes="race", draws=199, fail_on=gates, **options)
    return found, [(gate.outcome, gate.checks) for gate in found.gates]


def test_the_mean_over_seeds_is_gated_on_both_ends_of_its_interval():
    """A limit below the lower end is breached, between the ends inconclusive, above the upper end held, whatever each seed says."""
    mean = steady()[2]["predictions/accuracy/race"].mean
    limits = [mean.low - 0.001, mean.low + 0.001, mean.high - 0.001, mean.high + 0.001]
    found, ended = gated(*(f"gap_mean[predictions.accuracy by race] > {limit}" for limit in limits))
    assert [outcome for outcome, _ in ended] == ["breached", "inconclusive", "inconclusive", "held"]
    [check] = ended[0][1]
    assert (check.model, check.value, check.low, check.high) == ("the mean of the replicates", mean.value, mean.low, mean.high)
    page = text_of(found.to_html())
    assert f"gap_mean[predictions.accuracy by race] > {limits[0]} The gap of the mean rates of 3 replicates is " in page
    assert page.count("The gap of the mean rates of 3 replicates") == len(limits)  # with the first audit alone
    assert "gap\\_mean" in summary_markdown(found.results)
    assert f"BREACHED gap_mean[predictions.accuracy by race] > {limits[0]}"[:60] in " ".join(audit_lines(found.results).split())
    assert "the mean of the replicates" in junit_xml(found.results)


@pytest.mark.slow
def test_a_gate_on_every_mean_is_corrected_for_them():
    """Three planned questions: breached only where a lower end at a third of the error rate lies above the limit."""
    planned = steady()[1].findings
    assert len(planned) == 3
    assert all(each.mean.low_adjusted <= each.mean.low for each in planned)
    limit = max(each.mean.low_adjusted for each in planned)
    (_, below), (_, above) = gated(f"gap_mean > {limit - 0.001}", f"gap_mean > {limit + 0.001}")[1]
    assert [[check.outcome for check in checks].count("breached") for checks in (below, above)] == [1, 0]


def test_a_mean_that_one_seed_cannot_estimate_fails():
    constant = SEEDS[2].assign(y_pred="m")
    found, [(outcome, checks)] = gated("gap_mean[predictions.accuracy by race] > 0.99", seeds=[*STEADY[:2], constant])
    assert (outcome, found.exit_code, checks[0].reasons[0].code) == ("not estimable", 1, "mean_not_estimable")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(predictions=SEEDS, fail_on="gap_mean > 0.1"), "requires --as-replicates"),
        (dict(predictions=SEEDS, as_replicates=True, fail_on="gap_mean[predictions.accuracy by race for A] > 0.1"), "of all groups"),
        (dict(predictions=[each.assign(side=np.where(np.arange(N) % 2, "l", "r")) for each in SEEDS], as_replicates=True,
              attributes=("race", "side"), fail_on="gap_mean[predictions.accuracy by race x side] > 0.1"), "no mean over replicates"),
    ],
)  # fmt: skip
def test_a_gate_on_a_mean_that_there_is_none_of_is_refused(options, said):
    with pytest.raises(AuditError, match=said) as raised:
        audit.audit(**{"attributes": "race", "draws": 199, **options})
    assert raised.value.exit_code == 2
