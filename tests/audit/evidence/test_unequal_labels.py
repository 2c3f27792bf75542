"""True labels that are wrong more often for one group: by hand, by trying every set of labels, and under what must not matter."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from audit.statistics.label_errors import flattering_errors, independent_errors, unequal_errors
from audit.statistics.metrics import METRICS, row_events
from audit.types import Claim
from reports.text.evidence import unequal_labels_sentence
from tests.audit.evidence.test_collect import audited

POSITIVE = frozenset({"yes"})
OTHER = {"yes": "no", "no": "yes"}


def rate(metric, truth, answers):
    rows = row_events(SimpleNamespace(y_true=truth, y_pred=answers), METRICS[metric], None if metric == "accuracy" else POSITIVE)
    return rows, (rows.event.sum() / rows.counted.sum() if rows.counted.any() else None)


def fewest_by_trying(metric, truth, answers, other, tolerance):
    """Flip every set of the labels that count, and return the size of the smallest that brings the rate to within the tolerance."""
    rows, _ = rate(metric, truth, answers)
    places, sign = np.flatnonzero(rows.counted), 1 if METRICS[metric].better == "high" else -1
    sizes = []
    for wrong in product([False, True], repeat=len(places)):
        true = truth.copy()
        flipped = places[list(wrong)]
        true[flipped] = [OTHER[each] for each in truth[flipped]]
        corrected = rate(metric, true, answers)[1]
        if corrected is not None and sign * (other - corrected) <= tolerance + 1e-9:
            sizes.append(len(flipped))
    return min(sizes, default=None)


@pytest.mark.slow_except("true_positive_rate", "false_negative_rate", "false_positive_rate", "true_negative_rate", "precision")
@pytest.mark.parametrize(
    "metric", ["accuracy", "true_positive_rate", "false_negative_rate", "false_positive_rate", "true_negative_rate", "precision"]
)
def test_no_smaller_set_of_wrong_labels_explains_it(metric):
    rng = np.random.default_rng(len(metric))
    tried = 0
    for _ in range(60):
        n, tolerance = int(rng.integers(4, 10)), float(rng.choice([0.05, 0.1, 0.25]))
        truth, answers = rng.choice(["yes", "no"], n).astype(object), rng.choice(["yes", "no"], n).astype(object)
        rows, worst = rate(metric, truth, answers)
        high = METRICS[metric].better == "high"
        of, k = int(rng.integers(5, 30)), 1
        wrong_other = int(rng.integers(0, of // 3 + 1))
        other = 1 - wrong_other / of if high else wrong_other / of
        if worst is None or (other - worst if high else worst - other) <= tolerance:
            continue
        tried, counted = tried + 1, int(rows.counted.sum())
        k = int(rows.event.sum())
        wrong = counted - k if high else k
        leaves = METRICS[metric].denominator in ("positive", "negative")
        found = unequal_errors((wrong, wrong_other), (counted, of), tolerance, leaves=leaves)
        expected = fewest_by_trying(metric, truth, answers, other, tolerance)
        # Where every image that counts would have to leave, nothing is left to have a rate.
        assert found == expected or (leaves and expected is None and found == counted)
    assert tried > 10


def test_the_difference_of_both_error_rates_is_what_matters():
    # 70 and 90 of 100 right, tolerance 5 points: 15 labels of the first; with 4 wrong labels of the second 19, still 15 points more.
    assert unequal_errors((30, 10), (100, 100), 0.05, leaves=False) == 15
    assert unequal_errors((30, 10 - 4), (100, 100), 0.05, leaves=False) == 19


def test_images_given_twice_need_the_same_share():
    assert unequal_errors((60, 20), (200, 200), 0.05, leaves=False) == 2 * unequal_errors((30, 10), (100, 100), 0.05, leaves=False)
    assert unequal_errors((30, 10), (100, 1000), 0.05, leaves=False) == 24  # 6 of 100 against 1 of 100
    assert unequal_errors((14, 10), (100, 100), 0.05, leaves=False) is None


@pytest.mark.parametrize("answers", [2, 3, 7])
def test_labels_drawn_wrong_at_that_rate_show_the_gap(answers):
    rng, n, worst, other, tolerance = np.random.default_rng(answers), 400_000, 0.78, 0.93, 0.05
    share = independent_errors(worst, other, tolerance, answers)
    assert share > other - worst - tolerance
    true = rng.integers(answers, size=n)
    shifted = rng.integers(1, answers, size=(2, n))
    given = np.where(rng.random(n) < other - tolerance, true, (true + shifted[0]) % answers)
    recorded = np.where(rng.random(n) < share, (true + shifted[1]) % answers, true)
    assert np.mean(given == recorded) == pytest.approx(worst, abs=0.003)


def test_a_disparity_carries_it_in_every_rate_of_right_and_wrong():
    # Right in 700 and 900 of 1,000: 150 labels, 15 points; true accuracy .85 shows as .85 - .7 e = .7 at e = 21.4 %.
    cells = {("A", "yes", "yes"): 350, ("A", "yes", "no"): 150, ("A", "no", "no"): 350, ("A", "no", "yes"): 150}
    cells |= {("B", "yes", "yes"): 450, ("B", "yes", "no"): 50, ("B", "no", "no"): 450, ("B", "no", "yes"): 50}
    claims = tuple(Claim(metric, ("race",), outcome) for metric, outcome in (
        ("accuracy", None), ("true_positive_rate", "yes"), ("false_positive_rate", "yes"), ("selection_rate", "yes")))  # fmt: skip
    result = audited(cells, {"race": ("A", "B")}, claims, {"yes": ("yes",)})
    accuracy, misses, alarms = (finding.evidence.label_noise.truth for finding in result.findings[:3])
    assert (accuracy.worst, accuracy.comparison, accuracy.images, accuracy.share) == (("A",), ("B",), 150, 0.15)
    assert accuracy.independent == pytest.approx(0.15 / 0.7)
    # 150 of 500 positives missed, 50 of 500 of the others': (150 - x) / (500 - x) <= .15 from x = 89 on.
    assert (misses.worst, misses.images, misses.independent) == (("A",), 89, None)
    assert (alarms.worst, alarms.images) == (("A",), 89)
    assert result.findings[3].evidence.label_noise is None  # a share given at equal true shares has its error rates for that
    said = unequal_labels_sentence(result.findings[0]).replace("\u00a0", " ")
    assert accuracy.of_comparison == 150  # (100 + 150) / 1,000 are wrong then, 5 points less than 30 %
    assert said == (
        "If the labels of B are right, 150 labels of A (15.0 %), each hiding a right answer, or 21.4 % regardless of the answers, would "
        "have to be wrong for the gap to lie within the tolerance of 5 points; if those of A are right, 150 labels of B, each hiding a "
        "wrong answer."
    )
    assert unequal_labels_sentence(result.findings[3]) == ""


def test_the_names_of_groups_do_not_matter():
    def found(first, second):
        cells = {(first, "yes", "yes"): 700, (first, "yes", "no"): 300, (second, "yes", "yes"): 900, (second, "yes", "no"): 100}
        return audited(cells, {"race": tuple(sorted((first, second)))}, (Claim("accuracy", ("race",)),), {}).findings[0]

    one, other = (found(*names).evidence.label_noise.truth for names in (("A", "B"), ("Z", "B")))
    assert (one.images, one.share, one.comparison) == (other.images, other.share, other.comparison)


def test_as_few_wrong_labels_of_the_better_group_explain_it_alone():
    """Wrong in 260 of 1,000 and in 130 of 1,000: 80 labels of either bring the gap of 13 points to 5."""
    assert unequal_errors((260, 130), (1000, 1000), 0.05, leaves=False) == 80
    assert flattering_errors((260, 130), (1000, 1000), 0.05, leaves=False) == 80
    # Of true positives the image leaves: 130 of 1,000 - y are 21 % where y is 381.
    assert flattering_errors((260, 130), (1000, 1000), 0.05, leaves=True) == 381
    assert flattering_errors((100, 0), (100, 10), 0.05, leaves=True) is None
