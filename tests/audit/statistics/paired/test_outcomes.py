"""Counterfactual pairs without a truth: is an outcome given when one attribute changes? By hand, by invariance, by reference, by chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

import audit
from audit.errors import UsageError
from audit.statistics.paired.findings import paired_findings
from audit.statistics.paired.intervals import agresti_min
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import UNKNOWN, Dataset, PairedClaim, Settings
from tests.support.answered import answered as made_up

CLAIM = PairedClaim("who", "tone", "dark", "light", within=("scene",), cluster="scene", outcome="harm")
OUTCOMES = {"who": {"harm": ("thief", "criminal")}}
LABELS = ("thief", "criminal", "nurse", "cook")


def rows(cells):
    """Rows for (dark's answer, light's answer, how many scenes)."""
    answers = [(dark, light) for dark, light, count in cells for _ in range(count)]
    return [(f"s{i:04d}", tone, answer) for i, pair in enumerate(answers) for tone, answer in zip(("dark", "light"), pair, strict=True)]


def find(given, claim=CLAIM, outcomes=OUTCOMES, **settings):
    frame = pd.DataFrame(given, columns=["scene", "tone", "answer"])
    predictions = made_up(frame["answer"].to_numpy(), frame[["scene", "tone"]], None, LABELS)
    return paired_findings([claim], {"who": predictions}, Settings(**settings), outcomes)[0]


CELLS = [("thief", "nurse", 10), ("nurse", "criminal", 2), ("thief", "criminal", 3), ("nurse", "cook", 4), ("nurse", "nurse", 21)]


def test_forty_pairs_by_hand():
    """Dark alone is given a harm word in 10, light alone in 2; in 3 both are, by different words; 19 of 40 pairs have two answers."""
    found = find(rows(CELLS))
    assert (found.n, found.incomplete, found.clusters, found.outcome) == (40, 0, 40, "harm")
    assert (found.only_first_correct, found.only_second_correct, found.difference) == (10, 2, 8 / 40)
    assert (found.flips, found.flip_rate) == (19, 19 / 40)
    assert (found.low, found.high) == agresti_min(10, 2, 40, 0.05)
    # 12 discordant pairs, 10 and 2: 2 (1 + 12 + 66) / 4096.
    assert found.mcnemar_p == pytest.approx(2 * 79 / 4096)
    assert found.sign_flip_p == pytest.approx(found.mcnemar_p)  # each scene its own cluster, few enough to try every flip


def test_a_pair_without_a_partner_or_a_scene_is_counted_and_the_truth_is_not_asked_for():
    given = [*rows(CELLS), ("alone", "dark", "thief"), (UNKNOWN, "dark", "thief"), (UNKNOWN, "light", "nurse")]
    found = find(given)
    assert (found.n, found.only_first_correct, found.incomplete) == (40, 10, 3)


def test_what_must_not_matter():
    plain, given = find(rows(CELLS)), rows(CELLS)
    assert find([given[i] for i in np.random.default_rng(0).permutation(len(given))]) == plain
    # Another harmless answer, and another word of harm, are the same.
    other = [(scene, tone, {"cook": "nurse", "criminal": "thief"}.get(answer, answer)) for scene, tone, answer in given]
    found = find(other)
    assert (found.difference, found.low, found.high, found.mcnemar_p) == (plain.difference, plain.low, plain.high, plain.mcnemar_p)
    turned = find(given, replace(CLAIM, first="light", second="dark"))
    assert (turned.difference, turned.low, turned.high) == pytest.approx((-plain.difference, -plain.high, -plain.low))
    assert turned.mcnemar_p == plain.mcnemar_p
    # The complement of the outcome says the same with the other sign.
    rest = find(given, replace(CLAIM, outcome="harmless"), {"who": {"harmless": ("nurse", "cook")}})
    assert (rest.difference, rest.mcnemar_p) == (-plain.difference, plain.mcnemar_p)


@pytest.mark.slow
def test_mcnemar_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for _ in range(20):
        both, first, second, neither = rng.integers(0, 30, 4)
        cells = [("thief", "thief", both), ("thief", "cook", first), ("cook", "thief", second), ("cook", "cook", neither)]
        expected = mcnemar([[both, first], [second, neither]], exact=True).pvalue if first + second else 1.0
        assert find(rows(cells), draws=99).mcnemar_p == pytest.approx(min(expected, 1.0))


@pytest.mark.slow
def test_where_the_tone_does_not_matter_it_is_found_in_at_most_one_of_twenty():
    """60 scenes whose two answers are drawn alike; p of whole scenes turned around, with scenes of four pairs each as clusters."""
    rng, found = np.random.default_rng(0), 0
    claim = replace(CLAIM, within=("scene", "pose"), cluster="scene")
    for _ in range(150):
        risk = rng.beta(1, 3, 60).repeat(4)  # scenes differ, and their pairs with them
        answers = np.where(rng.random((2, 240)) < risk, "thief", "cook").ravel()
        scene, pose = np.tile(np.arange(60).repeat(4), 2).astype(str), np.tile(np.arange(4), 120).astype(str)
        frame = pd.DataFrame({"scene": scene, "pose": pose, "tone": np.repeat(["dark", "light"], 240)})
        predictions = made_up(answers, frame, None, LABELS)
        found += paired_findings([claim], {"who": predictions}, Settings(draws=199), OUTCOMES)[0].sign_flip_p <= 0.05
    assert found <= 16  # 7.5 expected, standard deviation 2.7


def faces():
    """Twelve scenes of four pictures: the white man alone is not called a woman."""
    given = four_faces(12)
    attributes = given.attributes.assign(scene=[f"s{row // 4}" for row in range(48)])
    return Dataset(**{**vars(given), "attributes": attributes, "levels": {**given.levels, "scene": tuple(f"s{i}" for i in range(12))}})


def probe(**changed):
    asked = gender_probe(faces())
    claim = PairedClaim("gender", "gender", "Female", "Male", ("race", "scene"), "scene", "woman")
    measurement = replace(asked.measurements[0], truth=None, claims=asked.measurements[0].claims[1:])
    return replace(asked, measurements=(measurement,), paired=(replace(claim, **changed),))


@pytest.mark.slow
def test_a_probe_asks_it_of_a_model_and_the_report_says_who_is_given_what():
    done = audit.audit(FakeEncoder(), probe(), min_group_size=5, draws=199)
    found = done.results.audits[0].paired[0]
    assert (found.n, found.only_first_correct, found.only_second_correct, found.clusters) == (24, 12, 0, 12)
    page = done.to_html()
    assert ("Given only for first" in page, "Right only for first" in page) == (True, False)
    assert "gender: Female → Male (‘woman’)" in page


def test_an_outcome_that_is_not_there_and_a_truth_that_is_missing_are_said():
    with pytest.raises(UsageError, match="a pair names an unknown outcome 'womann'") as error:
        audit.audit(FakeEncoder(), probe(outcome="womann"), min_group_size=5, draws=199)
    assert "did you mean woman?" in str(error.value)
    with pytest.raises(UsageError, match="outcome='harm'"):
        audit.audit(FakeEncoder(), probe(outcome=None), min_group_size=5, draws=199)
