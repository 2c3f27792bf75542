"""Evidence of a question that is compared inside counterfactual pairs: the pair is the unit of it, as of the question."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.engine import AnsweredProbe, build_result
from audit.evidence.label_noise import SwappedLabels, TippingPoint
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.units.cluster_units import ClusterUnits, SetUnits
from audit.statistics.units.clusters import ClusterTable
from audit.types import Claim, Dataset, LabelSet, Measurement, ModelRecord, PairedClaim, Predictions, Probe, Settings

MODEL = ModelRecord("m", "made up", "f" * 64, "0" * 64, 0, 2, "float32", "softmax", 100.0, None, "none", "none", "none")
SETTINGS = Settings(draws=999)
HARM = Claim("selection_rate", ("tone",), "harm")
ASKED = Measurement("m", "?", LabelSet("l", ("thief", "nurse"), {}), "p", (HARM,), outcomes={"harm": ("thief",)})
PAIRS = PairedClaim("m", "tone", "dark", "light", within=("scene",), cluster="scene", outcome="harm")
ENDS = (("dark",), ("light",))


def answers(cells, unsure=(), alone=0):
    """Return predictions of so many scenes by the answers to the dark and the light image; the last rows have no partner.

    Of `unsure` kinds of scenes the answer to the dark image is a near-tie.
    """
    scenes = [(scene, pair) for scene, pair in enumerate(pair for pair, n in cells.items() for _ in range(n))]
    rows = [(f"s{scene}", tone, answer, pair in unsure and tone == "dark") for scene, pair in scenes
            for tone, answer in zip(("dark", "light"), pair, strict=True)]  # fmt: skip
    rows += [(f"alone{i}", "dark", "thief", False) for i in range(alone)]
    scene, tone, answer, near = (np.array(column) for column in zip(*rows, strict=True))
    sure = np.where(near, 0.5 + 1e-7, 0.9)
    scores = np.where(answer[:, None] == np.array(["thief", "nurse"]), sure[:, None], 1 - sure[:, None]).astype(float)
    attributes = pd.DataFrame({"tone": tone, "scene": scene}, dtype="str")
    return Predictions(("thief", "nurse"), ("thief", "nurse"), scores, answer, None, attributes, 2 * sure - 1)


def audited(given):
    dataset = Dataset("d", [b""] * len(given.y_pred), given.attributes, {"tone": ("dark", "light")}, "4" * 64, "the test", "none")
    probe = Probe("test", "?", lambda _: dataset, (ASKED,), "none", "none", (), (), paired=(PAIRS,))
    result = build_result(AnsweredProbe(MODEL, dataset, given.attributes, {"m": given}), probe, SETTINGS).result
    return result.findings[0]


def cells(only_dark, only_light, both=20, neither=60):
    return {("thief", "nurse"): only_dark, ("nurse", "thief"): only_light, ("thief", "thief"): both, ("nurse", "nurse"): neither}


def test_wrong_labels_are_pairs_the_wrong_way_round_and_nothing_beside_takes_their_images_for_independent():
    # The exact sign test has p .038 of 27 and 13 pairs, and .081 of 26 and 14: four turned pairs are enough. Two rates of 120 independent
    # images, 50 and 30 of them, would have taken five.
    evidence = audited(answers(cells(30, 10))).evidence
    assert evidence.label_noise.tipping_point == TippingPoint(*ENDS, 4, 4 / 120, "significance")
    assert (evidence.effect_size, evidence.four_fifths, evidence.adjustment) == (None, None, None)
    kept = [point.kept for point in evidence.label_noise.points]
    assert kept[0] > 0.95 > kept[-1]


def test_a_difference_that_only_pairs_show_has_a_tipping_point():
    # 66 and 52 of 118: of independent images p is .07. Of 16 and 2 pairs it is .001, of 14 and 4 .031, of 13 and 5 .096.
    found = audited(answers(cells(16, 2, both=50, neither=50)))
    assert (found.verdict, found.evidence.label_noise.tipping_point.images) == ("disparity", 3)


@pytest.mark.parametrize("only", [(30, 10), (24, 16), (3, 2), (12, 0), (9, 8), (0, 0)])
@pytest.mark.parametrize("alone", [0, 7])
def test_the_verdict_on_swapped_pairs_is_that_of_the_findings(only, alone):
    def decided(first, second):
        given = answers(cells(first, second, both=150, neither=500 - first - second), alone=alone)
        given = replace(given, sets={"tone": np.unique(given.attributes["scene"], return_inverse=True)[1]})
        raw = findings(replace(ASKED, claims=(replace(HARM, ratio_tolerance=1.5),)), given, {"tone": ("dark", "light")}, SETTINGS)
        return given, *decide_verdicts(raw, SETTINGS, limited=False)

    given, [finding], _ = decided(sum(only), 0)
    pairs = given.attributes.assign(event=given.y_pred == "thief").pivot_table(index="scene", columns="tone", values="event", aggfunc="sum")
    known = pairs.notna().to_numpy().astype(int)
    table = ClusterTable(pairs.fillna(0).to_numpy().astype(int), known, np.ones(len(known), int))
    kinds, count = np.unique(np.hstack([table.events, table.n]), axis=0, return_counts=True)
    units = SetUnits(ClusterTable(kinds[:, :2], kinds[:, 2:], count), by_design=True)
    swapped = SwappedLabels.of(finding, units, 0.05, 0.05)
    assert swapped.only_one == (sum(only), 0)
    assert swapped.verdict(*only) == decided(*only)[2]


def test_sets_of_more_images_have_no_label_that_a_wrong_one_would_be():
    finding = audited(answers(cells(30, 10)))
    both = ClusterTable(np.array([[1, 0]]), np.array([[2, 1]]), np.array([40]))
    assert SwappedLabels.of(finding, SetUnits(both, by_design=True), 0.05, 0.05) is None
    assert SwappedLabels.of(finding, ClusterUnits(both, by_design=True), 0.05, 0.05) is None


def test_near_ties_the_other_way_are_judged_inside_pairs():
    # Of 30 scenes with a thief in the dark image alone 18 are open: 12 against 10 is no disparity, and 30 against 10 is one.
    given = answers(cells(30, 10), unsure={("thief", "nurse")})
    given.scores[36:60] = np.tile([[0.9, 0.1], [0.1, 0.9]], (12, 1))  # scenes 18 to 29, dark and light in turn
    found = audited(given)
    assert (found.verdict, found.evidence.near_ties) == ("disparity", "inconclusive")


def test_one_near_tie_leaves_a_difference_that_only_pairs_show():
    given = answers(cells(16, 2, both=50, neither=50))
    given.scores[-1] = [0.5 - 1e-7, 0.5 + 1e-7]
    found = audited(given)
    assert (found.verdict, found.evidence.near_ties) == ("disparity", "disparity")
