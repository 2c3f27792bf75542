"""Shares of groups: four images by hand, plain attributes as the case of whole shares, and a slow loop."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.engine.shares import findings_by_share
from audit.statistics.counts import expanded, level_shares
from audit.statistics.findings import findings
from audit.testing import four_faces
from audit.types import UNKNOWN, Claim, LabelSet, Measurement, Predictions, Settings

LABELS = LabelSet("x", ("yes", "no"), {"yes": ("yes",), "no": ("no",)})
BY_TONE = Claim("selection_rate", ("tone",), "yes")
ASKED = Measurement(
    "x", "?", LABELS, "v1", (BY_TONE, Claim("selection_rate", ("gender",), "yes", primary=False)), outcomes={"yes": ("yes",)}
)
SETTINGS = Settings(min_group_size=1, draws=99)
LEVELS = {"tone": ("3", "4", "5", UNKNOWN), "gender": ("F", "M")}


def dataset(several=("tone",)):
    return replace(four_faces(), levels=LEVELS, several=several)


def predictions(tones, answers, genders=None, weight=None):
    frame = pd.DataFrame({"tone": list(tones), "gender": genders or ["F", "M"] * (len(tones) // 2)}, dtype="str")
    return Predictions(
        ("yes", "no"), ("yes", "no"), np.zeros((len(frame), 0), np.float32), np.array(answers), None, frame,
        np.zeros(0, np.float32), weight=weight,
    )  # fmt: skip


def random_predictions(seed, n=300):
    """Images with one to four votes for three tones of unequal frequency, some unknown."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(["3", "4", "5"], rng.integers(1, 5), p=[0.6, 0.3, 0.1]) for _ in range(n)]
    tones = ["|".join(sorted(each)) if rng.random() > 0.1 else UNKNOWN for each in drawn]
    return predictions(tones, rng.choice(["yes", "no"], n, p=[0.3, 0.7]), rng.choice(["F", "M"], n).tolist())


def rates(finding):
    return {rate.group: rate.value for rate in finding.by_group if rate.value is not None}


def test_four_images_by_hand():
    # In tone 3: shares 1, 2/3, 1/4, of which 1 and 1/4 say yes. In tone 4: 1/3 and 3/4, of which 3/4. Unknown: one, no.
    given = predictions(["3", "3|3|4", "3|4|4|4", UNKNOWN], ["yes", "no", "yes", "no"])
    by_tone, by_gender = findings_by_share(ASKED, given, dataset(), SETTINGS)
    assert rates(by_tone)[("3",)] == pytest.approx((1 + 1 / 4) / (1 + 2 / 3 + 1 / 4), abs=1e-15)
    assert rates(by_tone)[("4",)] == pytest.approx((3 / 4) / (1 / 3 + 3 / 4), abs=1e-15)
    assert [(rate.group, rate.n, rate.events) for rate in by_tone.by_group] == [
        (("3",), 3, 2), (("4",), 2, 1), (("5",), 0, 0), ((UNKNOWN,), 1, 0),
    ]  # fmt: skip
    # Kish's: (23/12)^2 / (1 + 4/9 + 1/16) = 3.6736 / 1.5069; all images once: 4, half of them yes.
    assert by_tone.by_group[0].effective_n == pytest.approx((23 / 12) ** 2 / (1 + 4 / 9 + 1 / 16))
    assert (by_tone.overall.n, by_tone.overall.events, by_tone.overall.value, by_tone.overall.effective_n) == (4, 2, 0.5, pytest.approx(4))
    assert rates(by_gender) == {("F",): 1.0, ("M",): 0.0}


def test_whole_shares_are_the_plain_attribute():
    given = predictions(["3", "4", "4", "5"] * 10, (["yes", "no", "yes"] * 14)[:40])
    assert expanded(given, ("tone",)).weight is None
    by_share = findings_by_share(ASKED, given, dataset(), SETTINGS)
    assert by_share == findings(ASKED, given, LEVELS, SETTINGS)
    same_votes = predictions(["3|3", "4|4|4", "4", "5|5"] * 10, given.y_pred)
    assert rates(findings_by_share(ASKED, same_votes, dataset(), SETTINGS)[0]) == rates(by_share[0])


@pytest.mark.slow_except("False")
@pytest.mark.parametrize("weighted", [False, True])
def test_rates_equal_a_slow_loop(weighted):
    given = random_predictions(1)
    weight = np.random.default_rng(2).uniform(0.1, 5, len(given.y_pred)) if weighted else None
    given = replace(given, weight=weight)
    found = findings_by_share(ASKED, given, dataset(), SETTINGS)[0]
    for rate in found.by_group:
        of_all = of_yes = 0.0
        for row, text in enumerate(given.attributes["tone"]):
            own = Counter(text.split("|"))
            share = own[rate.group[0]] / own.total() * (1 if weight is None else weight[row])
            of_all += share
            of_yes += share * (given.y_pred[row] == "yes")
        assert rate.value == pytest.approx(of_yes / of_all, rel=0, abs=1e-12)
    assert found.overall.value == pytest.approx(np.average(given.y_pred == "yes", weights=weight), rel=0, abs=1e-12)
    assert found.overall.n == 300


@pytest.mark.slow
def test_the_order_of_images_and_of_votes_does_not_matter_and_doubling_leaves_rates():
    given = random_predictions(3)
    found = findings_by_share(ASKED, given, dataset(), SETTINGS)[0]
    rows = np.random.default_rng(0).permutation(300)
    turned = given.attributes["tone"].map(lambda text: "|".join(text.split("|")[::-1]))
    other = replace(given, attributes=given.attributes.assign(tone=turned).iloc[rows].reset_index(drop=True), y_pred=given.y_pred[rows])
    assert findings_by_share(ASKED, other, dataset(), SETTINGS)[0] == found
    twice = predictions([*given.attributes["tone"]] * 2, [*given.y_pred] * 2)
    doubled = findings_by_share(ASKED, twice, dataset(), SETTINGS)[0]
    assert list(rates(doubled).values()) == pytest.approx(list(rates(found).values()), abs=1e-12)
    assert [rate.effective_n for rate in doubled.by_group] == pytest.approx([2 * rate.effective_n for rate in found.by_group])


def test_shares_sum_to_one_and_two_attributes_multiply():
    given = predictions(["3|4", "3|3|5"], ["yes", "no"], ["F|M", "F"])
    image, _, share = level_shares(given.attributes["tone"])
    assert np.bincount(image, share).tolist() == pytest.approx([1, 1])
    both = expanded(given, ("tone", "gender"))
    assert list(zip(both.attributes["tone"], both.attributes["gender"], both.weight.round(3), strict=True)) == [
        ("3", "F", 0.25), ("3", "M", 0.25), ("4", "F", 0.25), ("4", "M", 0.25), ("3", "F", 0.667), ("5", "F", 0.333),
    ]  # fmt: skip
    assert both.cluster.tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.slow
def test_chance_gives_no_small_p_and_a_planted_gap_is_found():
    """Answers that no vote has to do with: of 20 seeds at most 5 below 5 % (the binomial's 99.97 %)."""
    settings = Settings(min_group_size=5, draws=99)
    below = sum(findings_by_share(ASKED, random_predictions(seed, 150), dataset(), settings)[0].gap.p <= 0.05 for seed in range(20))
    assert below <= 5
    given = random_predictions(5)
    planted = replace(given, y_pred=np.where(given.attributes["tone"].str.contains("5"), "yes", given.y_pred))
    assert findings_by_share(ASKED, planted, dataset(), settings)[0].gap.p == 0.01
