"""Findings against numbers worked by hand, the golden numbers of the CLIP paper, and what must not matter."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from audit.errors import DataError, UsageError
from audit.naming import finding_id
from audit.records.finding import ClaimResult
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.intervals import newcombe, wilson
from audit.types import UNKNOWN, Claim, LabelSet, Measurement, Settings
from tests.support.answered import LABELS, answered, selected

SELECTED = Claim("selection_rate", ("group",), "yes")


def measurement(*claims):
    return Measurement("m", "?", LabelSet("l", LABELS, {}), "p v1", claims, truth="truth", outcomes={"yes": ("yes",), "no": ("no",)})


def find(cells, settings=None, claim=SELECTED, levels=None):
    return findings(measurement(claim), selected(cells), {"group": levels or tuple(cells)}, settings or Settings(draws=999))[0]


def as_json(found):
    return TypeAdapter(tuple[ClaimResult, ...]).dump_json(tuple(found))


# Table 6 of the CLIP paper as counts.
RACES = {"Black": 1556, "White": 2085, "Indian": 1516, "Latino": 1623, "Middle Eastern": 1209, "Southeast Asian": 1415, "East Asian": 1550}
CRIME = dict(zip(RACES, (255, 519, 370, 175, 238, 62, 20), strict=True))
NON_HUMAN = dict(zip(RACES, (224, 115, 115, 60, 24, 27, 0), strict=True))


def paper(events):
    return find({race: (events[race], n) for race, n in RACES.items()}, Settings())


def pair(finding, first, second):
    (found,) = [contrast for contrast in finding.pairs if (contrast.first, contrast.second) == ((first,), (second,))]
    return found


@pytest.mark.parametrize(
    ("events", "highest", "value", "null", "chi2", "spread", "ratio", "black_white", "extreme"),
    [
        (
            CRIME,
            "White",
            0.2360,
            (0.0247, 0.0384),
            666.02,
            0.09334,
            20 / 1550 / (519 / 2085),
            (-0.085, -0.1109, -0.0586),
            (0.2166, 0.2556),
        ),
        (NON_HUMAN, "Black", 0.1440, (0.0152, 0.0237), 437.06, 0.04811, 0.0, (0.0888, 0.0691, 0.1092), (0.1272, 0.1623)),
    ],
)
def test_table_6_of_the_clip_paper(events, highest, value, null, chi2, spread, ratio, black_white, extreme):
    finding = paper(events)
    gap = finding.gap
    assert (gap.highest, gap.lowest) == ((highest,), ("East Asian",))
    assert gap.value == pytest.approx(value, abs=5e-5)
    # Five Monte-Carlo errors of 9,999 shuffles: .00008 of the mean, .0002 of the 95 % point.
    assert (gap.null_mean, gap.null_95) == (pytest.approx(null[0], abs=4e-4), pytest.approx(null[1], abs=1e-3))
    assert gap.chi2 == pytest.approx(chi2, abs=5e-3)
    assert gap.p == 1 / 10_000
    assert gap.spread == pytest.approx(spread, abs=5e-6)
    assert gap.spread_squared == pytest.approx(spread**2, rel=1e-3)
    assert gap.ratio == pytest.approx(ratio, abs=0)
    first, widest = pair(finding, "Black", "White"), pair(finding, highest, "East Asian")
    assert (first.difference, first.low, first.high) == pytest.approx(black_white, abs=5e-5)
    assert (widest.low, widest.high) == pytest.approx(extreme, abs=5e-5)


def test_no_event_of_1550_is_no_certainty():
    east_asian = paper(NON_HUMAN).by_group[-1]
    assert (east_asian.events, east_asian.n, east_asian.value, east_asian.low) == (0, 1550, 0.0, 0.0)
    assert east_asian.high == pytest.approx(0.0025, abs=5e-5)


def test_the_interval_of_the_gap_is_corrected_for_the_pairs_it_was_picked_from():
    """The largest lower limit is that of White minus East Asian; the largest upper one too, or that of a smaller group."""
    finding, (low, high) = paper(CRIME), newcombe(519, 2085, 20, 1550, 0.05 / 21)
    assert finding.gap.low == low
    assert finding.gap.high == max(max(pair.high_adjusted, -pair.low_adjusted) for pair in finding.pairs)
    assert high <= finding.gap.high < 0.27


def test_a_rate_by_hand():
    """Group a: 40 of 100; b: 30 of 60; together 70 of 160."""
    finding = find({"a": (40, 100), "b": (30, 60)})
    first, second = finding.by_group
    assert (first.group, first.events, first.n, first.value, first.status) == (("a",), 40, 100, 0.4, "ok")
    assert (second.events, second.n, second.value) == (30, 60, 0.5)
    assert (first.low, first.high) == wilson(40, 100, 0.05)
    assert (finding.overall.events, finding.overall.n, finding.overall.value) == (70, 160, 0.4375)
    assert finding.gap.value == pytest.approx(0.1)
    assert finding.gap.ratio == 0.8
    assert first.baseline is None
    assert (finding.id, finding.better, finding.primary, finding.tolerance) == ("m/selection_rate[yes]/group", "neither", True, 0.05)
    # Not yet concluded, however clear.
    raw = find({"a": (90, 100), "b": (50, 100)})
    assert (raw.gap.p_adjusted, raw.verdict, raw.exceeds_tolerance) == (raw.gap.p, "inconclusive", False)


def test_contrasts_are_against_the_rest():
    """a 40/100 against b and c together, 20 + 30 of 200; the counts are disjoint."""
    finding = find({"a": (40, 100), "b": (20, 100), "c": (30, 100)})
    contrast = finding.contrasts[0]
    assert (contrast.first, contrast.second) == (("a",), ())
    assert contrast.difference == pytest.approx(0.15)
    assert (contrast.low, contrast.high) == newcombe(40, 100, 50, 200, 0.05)
    assert (contrast.low_adjusted, contrast.high_adjusted) == newcombe(40, 100, 50, 200, 0.05 / 3)
    # Two-sided score tests: z = 2.704, 1.803 (b, -.15 becomes -.15), and 0 for c, which is at the mean of the others.
    p = [contrast.p for contrast in finding.contrasts]
    assert p[2] == 1.0
    assert [contrast.p_adjusted for contrast in finding.contrasts] == [pytest.approx(3 * p[0]), pytest.approx(max(2 * p[1], 3 * p[0])), 1.0]
    # Two groups are one comparison seen from both sides.
    first, second = find({"a": (40, 100), "b": (60, 100)}).contrasts
    assert first.difference == -second.difference
    assert first.p == first.p_adjusted == second.p_adjusted
    assert (first.low_adjusted, first.high_adjusted) == (first.low, first.high)


def test_pairs_are_corrected_over_all_of_them():
    finding = find({"a": (90, 100), "b": (50, 100), "c": (52, 100)})
    assert [(c.first[0], c.second[0]) for c in finding.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [c.p_adjusted for c in finding.pairs] == [3 * finding.pairs[0].p, 2 * finding.pairs[1].p, finding.pairs[2].p]
    assert (finding.pairs[0].low_adjusted, finding.pairs[0].high_adjusted) == newcombe(90, 100, 50, 100, 0.05 / 3)
    assert [c.beyond_tolerance for c in finding.pairs] == [True, True, False]
    # Beyond the tolerance on the lower side counts too.
    assert find({"a": (50, 100), "b": (90, 100)}).pairs[0].beyond_tolerance


def test_a_small_group_is_shown_but_compared_with_nothing():
    """29 images are too few by default, 30 are enough."""
    finding = find({"a": (50, 100), "b": (52, 100), "c": (29, 29), "d": (15, 30)})
    assert [rate.status for rate in finding.by_group] == ["ok", "ok", "small", "ok"]
    assert finding.by_group[2].value == 1.0
    assert finding.gap.value == pytest.approx(0.02)
    assert [contrast.first for contrast in finding.contrasts] == [("a",), ("b",), ("d",)]
    assert finding.contrasts[0].difference == pytest.approx(0.5 - 67 / 130)  # the rest is b and d
    assert finding.overall.n == 259


def test_groups_appear_in_declared_order_with_the_absent_ones_and_unknown_last_outside_everything():
    finding = find({UNKNOWN: (100, 100), "b": (52, 100), "a": (50, 100)}, levels=("z", "b", "a"))
    shown = [(rate.group[0], rate.status, rate.value) for rate in finding.by_group]
    assert shown == [("z", "absent", None), ("b", "ok", 0.52), ("a", "ok", 0.5), (UNKNOWN, "unknown", 1.0)]
    assert finding.gap.value == pytest.approx(0.02)
    assert finding.overall.n == 300


def test_intersections_are_groups_of_two_levels():
    attributes = pd.DataFrame({"race": ["B"] * 60 + ["W"] * 60, "gender": (["F"] * 30 + ["M"] * 30) * 2})
    y_pred = ["yes"] * 30 + ["no"] * 30 + ["yes"] * 60
    claim = Claim("selection_rate", ("race", "gender"), "yes")
    levels = {"race": ("W", "B"), "gender": ("F", "M")}
    (finding,) = findings(measurement(claim), answered(y_pred, attributes), levels, Settings(draws=99))
    rates = {rate.group: rate.value for rate in finding.by_group}
    assert list(rates.items()) == [(("W", "F"), 1.0), (("W", "M"), 1.0), (("B", "F"), 1.0), (("B", "M"), 0.0)]
    assert (finding.gap.highest, finding.gap.lowest, finding.id) == (("W", "F"), ("B", "M"), "m/selection_rate[yes]/race x gender")
    assert len(finding.pairs) == 6


def test_accuracy_stands_beside_what_the_commonest_answer_would_score():
    """True: a 30 yes + 10 no, b 10 yes + 30 no + 20 no = "no" is commonest: right for 10 of 40 and 50 of 60, together 60 of 100."""
    attributes = pd.DataFrame({"group": ["a"] * 40 + ["b"] * 60})
    y_true = np.array(["yes"] * 30 + ["no"] * 10 + ["yes"] * 10 + ["no"] * 50)
    asked = measurement(Claim("accuracy", ("group",)))
    (finding,) = findings(asked, answered(y_true, attributes, y_true), {"group": ("a", "b")}, Settings(draws=99))
    assert [rate.baseline for rate in finding.by_group] == [10 / 40, 50 / 60]
    assert finding.overall.baseline == 0.6
    assert [rate.value for rate in finding.by_group] == [1.0, 1.0]


FACES = pd.DataFrame({"race": np.repeat(["A", "B", "C"], [400, 300, 200]), "gender": np.tile(["F", "M", "M"], 300)})
FACE_LEVELS = {"race": ("C", "A", "B"), "gender": ("F", "M")}
FACE_CLAIMS = (
    Claim("accuracy", ("race",)),
    Claim("selection_rate", ("race", "gender"), "yes"),
    Claim("true_positive_rate", ("gender",), "yes"),
    Claim("selection_rate", ("gender",), "no", primary=False),
)


def faces(seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.choice(LABELS, 900)
    right = rng.random(900) < np.where(FACES["race"] == "A", 0.95, 0.7)
    return y_true, np.where(right, y_true, rng.choice(LABELS, 900))


def find_faces(rows=slice(None), claims=FACE_CLAIMS, attributes=FACES, levels=FACE_LEVELS):
    y_true, y_pred = faces()
    return findings(measurement(*claims), answered(y_pred[rows], attributes.iloc[rows], y_true[rows]), levels, Settings(draws=999))


def test_the_order_of_the_images_does_not_matter():
    assert as_json(find_faces()) == as_json(find_faces(rows=np.random.default_rng(1).permutation(900)))


def test_neither_number_nor_order_of_the_claims_matters():
    everything = {finding.id: finding for finding in find_faces()}
    for claim in reversed(FACE_CLAIMS):
        (alone,) = find_faces(claims=(claim,))
        assert as_json([alone]) == as_json([everything[finding_id("m", claim)]])
    assert [finding.id for finding in find_faces(claims=FACE_CLAIMS[::-1])] == [finding_id("m", claim) for claim in FACE_CLAIMS[::-1]]


def test_two_claims_draw_different_shuffles_and_another_seed_others():
    """Three metrics-by-name with the same counts: the p of a near-chance gap is estimated from other draws."""
    cells = {"a": (40, 100), "b": (50, 100), "c": (45, 100)}
    means = {find(cells, Settings(draws=999, seed=seed)).gap.null_mean for seed in (0, 1, 2)}
    assert len(means) == 3
    mirrored = find(cells, claim=Claim("selection_rate", ("group",), "no")).gap
    assert mirrored.value == pytest.approx(0.1)
    assert mirrored.null_mean not in means


def test_renamed_groups_give_renamed_findings():
    names = {"A": "x", "B": "ä", "C": "A"}  # also another alphabetical order
    renamed = find_faces(attributes=FACES.assign(race=FACES["race"].map(names)), levels={"race": ("A", "x", "ä"), "gender": ("F", "M")})
    plain = json.loads(as_json(find_faces()))
    for theirs, ours in zip(json.loads(as_json(renamed)), plain, strict=True):
        assert [rate["group"] for rate in theirs["by_group"]] == [[names.get(x, x) for x in rate["group"]] for rate in ours["by_group"]]
        assert [rate["value"] for rate in theirs["by_group"]] == [rate["value"] for rate in ours["by_group"]]
        assert theirs["gap"]["p"] == ours["gap"]["p"]
        assert theirs["gap"]["highest"] == [names.get(x, x) for x in ours["gap"]["highest"]]


def test_doubled_data_keep_the_points_and_narrow_the_intervals():
    both = find_faces(), find_faces(rows=np.tile(np.arange(900), 2))
    once, twice = (decide_verdicts(found, Settings(draws=99), limited=False)[0] for found in both)
    for one, two in zip(once, twice, strict=True):
        assert [rate.value for rate in one.by_group] == [rate.value for rate in two.by_group]
        assert all(b.high - b.low < a.high - a.low for a, b in zip(one.by_group, two.by_group, strict=True))
        assert two.gap.value == one.gap.value
        assert two.gap.high - two.gap.low < one.gap.high - one.gap.low
        assert two.gap.minimum_detectable < one.gap.minimum_detectable
        assert two.gap.null_95 < one.gap.null_95


def test_merging_equal_groups_keeps_rate_and_gap_and_removing_one_changes_only_what_it_takes_part_in():
    apart = find({"a": (40, 100), "b": (80, 200), "c": (50, 100)})
    merged = find({"ab": (120, 300), "c": (50, 100)})
    assert merged.by_group[0].value == apart.by_group[0].value == apart.by_group[1].value
    assert (merged.gap.value, merged.overall.value) == (apart.gap.value, apart.overall.value)
    everyone = find({"a": (40, 100), "b": (90, 100), "c": (50, 100)})
    fewer = find({"a": (40, 100), "c": (50, 100)})
    assert [rate for rate in everyone.by_group if rate.group != ("b",)] == list(fewer.by_group)
    assert (everyone.gap.value, fewer.gap.value) == pytest.approx((0.5, 0.1))


def test_two_equal_claims_and_an_undeclared_level_are_refused():
    with pytest.raises(UsageError, match="asked twice"):
        find_faces(claims=(FACE_CLAIMS[0], replace(FACE_CLAIMS[0], primary=False)))
    with pytest.raises(DataError, match="undeclared value 'C' of race"):
        find_faces(levels={"race": ("A", "B"), "gender": ("F", "M")})


@pytest.mark.slow
def test_a_million_images_cost_only_their_counting():
    """14 groups: well under .3 s for 14,000 images, and for 1.4 million only the count table takes longer."""
    cells = {f"g{i:02}": (200 + i, 1000) for i in range(14)}
    large = {name: (100 * k, 100 * n) for name, (k, n) in cells.items()}
    find(cells, Settings())  # imports
    seconds = []
    for given in (selected(cells), selected(large)):
        start = process_time()
        findings(measurement(SELECTED), given, {"group": tuple(cells)}, Settings())
        seconds.append(process_time() - start)
    assert seconds[0] < 0.3
    assert seconds[1] < seconds[0] + 1.5


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import audit.statistics.findings
assert not {{"fairlearn", "sklearn", "torch", "matplotlib"}} & set(sys.modules), "imported too early"
import importlib.util
spec = importlib.util.spec_from_file_location("test_findings", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.stdout.buffer.write(module.as_json(module.find_faces()))
"""


@pytest.mark.slow
@pytest.mark.own_stream
def test_another_process_with_another_hash_seed_finds_the_same():
    """Also: importing the statistics does not import fairlearn."""
    script = SCRIPT.format(folder=str(Path.cwd()), file=__file__)
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=True)
    assert done.stdout == as_json(find_faces())


@pytest.mark.slow
def test_126_cells_with_every_pair():
    """7,875 pairs, many of them of thin cells: computed because the test rejects, all of them, and quickly."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(30, 140, 126)
    cells = {f"{i:03}": (int(rng.binomial(n, 0.6 if i < 20 else 0.1)), int(n)) for i, n in enumerate(sizes)}
    start = process_time()
    finding = find(cells)
    assert len(finding.pairs) == 126 * 125 // 2
    assert process_time() - start < 3


def test_holm_runs_over_the_primary_claims_with_a_test():
    """Three primary claims, one of them not estimable, and one for context: the family is two."""
    primary = find({"a": (60, 100), "b": (45, 100)}, Settings(draws=9999))
    weak = replace(find({"a": (50, 100), "b": (49, 100)}), id="weak")
    context = replace(primary, id="context", primary=False)
    impossible = find({"a": (50, 100)})
    concluded, _ = decide_verdicts([primary, context, impossible, weak], Settings(), limited=False)
    assert concluded[2].gap is None
    adjusted = [concluded[place].gap.p_adjusted for place in (0, 1, 3)]
    assert adjusted == [2 * primary.gap.p, primary.gap.p, weak.gap.p]


def test_pairs_vanish_where_the_adjusted_test_does_not_reject():
    """p is about .034: alone it rejects, of two it does not."""
    finding = find({"a": (61, 100), "b": (45, 100)}, Settings(draws=9999))
    assert 0.025 < finding.gap.p < 0.05
    assert len(finding.pairs) == 1
    (alone,), _ = decide_verdicts([finding], Settings(), limited=False)
    assert (len(alone.pairs), alone.verdict) == (1, "disparity")
    (first, second), _ = decide_verdicts([finding, replace(finding, id="again")], Settings(), limited=False)
    assert (first.pairs, first.verdict) == ((), "inconclusive")
    assert (second.pairs, second.verdict) == ((), "inconclusive")


def test_a_p_of_exactly_alpha_rejects():
    """The smallest p of 19 shuffles is 1 / 20."""
    finding = find({"a": (90, 100), "b": (10, 100)}, Settings(draws=19))
    assert (finding.gap.p, len(finding.pairs)) == (0.05, 1)
    (alone,), verdict = decide_verdicts([finding], Settings(), limited=False)
    assert (len(alone.pairs), verdict) == (1, "disparity")


def test_a_disparity_is_diffuse_only_where_no_pair_is_shown_to_differ():
    finding = find({"a": (90, 100), "b": (10, 100)})
    (shown,), _ = decide_verdicts([finding], Settings(), limited=False)
    assert (shown.verdict, shown.diffuse, shown.gap.leading.higher) == ("disparity", False, ("a",))
    unled = replace(
        finding, gap=replace(finding.gap, leading=None), by_group=(*finding.by_group, replace(finding.by_group[0], group=("c",)))
    )
    (diffuse,), _ = decide_verdicts([unled], Settings(), limited=False)
    assert (diffuse.verdict, diffuse.diffuse) == ("disparity", True)


def test_outside_the_verdict_the_clearest_pairs_of_many_groups_are_kept():
    """31 groups have 465 pairs: 435 are kept, those with the smallest p, and the test is of all of them."""
    kept = {}
    for primary in (True, False):
        found = find({f"g{i:02}": (i + 5, 40) for i in range(31)}, claim=replace(SELECTED, primary=primary))
        (kept[primary],), _ = decide_verdicts([found], Settings(draws=999), limited=False)
    everything = {(pair.first, pair.second): pair for pair in kept[True].pairs}
    assert (len(everything), len(kept[False].pairs)) == (465, 435)
    left_out = [pair for names, pair in everything.items() if names not in {(pair.first, pair.second) for pair in kept[False].pairs}]
    assert min(pair.p_adjusted for pair in left_out) >= max(pair.p_adjusted for pair in kept[False].pairs)
    assert (kept[True].verdict, kept[False].verdict) == ("disparity", "signal")
