"""Counterfactual pairs, by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError, UsageError
from audit.statistics.intervals import wilson
from audit.statistics.multiplicity import holm
from audit.statistics.null import mcnemar_p
from audit.statistics.paired.findings import paired_findings
from audit.statistics.paired.intervals import agresti_min
from audit.types import UNKNOWN, PairedClaim, Settings
from tests.support.answered import answered as made_up

CLAIM = PairedClaim("jobs", "gender", "woman", "man", within=("job", "tone"), cluster="job")
EACH_ALONE = replace(CLAIM, cluster="tone")  # `pairs` gives each pair a tone of its own
LABELS = ("judge", "cook")


def answered(rows):
    """Predictions from (job, tone, gender, answer); the job is the truth."""
    frame = pd.DataFrame(rows, columns=["job", "tone", "gender", "answer"])
    return made_up(frame["answer"].to_numpy(), frame[["job", "tone", "gender"]], frame["job"].to_numpy(), LABELS)


def pairs(cells):
    """Rows for (job, women's answer, men's answer, how many tones)."""
    tones = iter(range(10_000))
    rows = []
    for job, woman, man, count in cells:
        for _ in range(count):
            tone = f"t{next(tones)}"
            rows += [(job, tone, "woman", woman), (job, tone, "man", man)]
    return rows


def find(rows, claim=CLAIM, **settings):
    return paired_findings([claim], {"jobs": answered(rows)}, Settings(**settings))[0]


FOUR = [
    ("judge", "light", "woman", "cook"), ("judge", "light", "man", "judge"),
    ("judge", "dark", "woman", "cook"), ("judge", "dark", "man", "judge"),
    ("cook", "light", "woman", "cook"), ("cook", "light", "man", "cook"),
    ("cook", "dark", "woman", "judge"), ("cook", "dark", "man", "judge"),
]  # fmt: skip


def test_four_pairs_by_hand_and_a_flip_that_is_wrong_both_times():
    """Judges: both women are taken for cooks. Cooks: a pair is right, a pair is wrong alike. Two flips of four, both lost by women."""
    finding = find(FOUR)
    assert (finding.n, finding.incomplete, finding.flips, finding.flip_rate) == (4, 0, 2, 0.5)
    # Two jobs, of which one flips: no more is known than of one pair that flips half (Student's quantile of two cases is 12.7).
    assert (finding.flip_low, finding.flip_high) == pytest.approx([float(end) for end in wilson(0.5, 1, 0.05)])
    assert (finding.only_first_correct, finding.only_second_correct, finding.difference) == (0, 2, -0.5)
    assert (finding.low, finding.high) == agresti_min(0, 0.5, 1, 0.05)
    assert finding.mcnemar_p == 0.5  # 2 * (1/2)^2
    assert (finding.clusters, finding.cluster_attribute) == (2, "job")
    assert finding.sign_flip_p == 1.0  # the two pairs are one drawing in two tones: of 2 flips both reach the size 2
    assert (finding.measurement, finding.attribute, finding.first, finding.second) == ("jobs", "gender", "woman", "man")
    # cook -> judge and cook -> nurse are both wrong and yet different.
    rows = [("cook", "light", "woman", "judge"), ("cook", "light", "man", "nurse")]
    finding = find(rows)
    assert (finding.flips, finding.only_first_correct, finding.only_second_correct, finding.mcnemar_p) == (1, 0, 0, 1.0)


def test_golden_discordant_pairs():
    """1,556 pairs, of which the first alone is right in 25 and the second alone in 10."""
    rows = pairs([("judge", "judge", "judge", 1521), ("judge", "judge", "cook", 25), ("judge", "cook", "judge", 10)])
    finding = find(rows, EACH_ALONE)
    assert (finding.n, finding.only_first_correct, finding.only_second_correct) == (1556, 25, 10)
    assert (finding.low, finding.high) == (pytest.approx(0.00209, abs=5e-6), pytest.approx(0.01716, abs=5e-6))
    assert finding.mcnemar_p == pytest.approx(0.016674, abs=5e-7)
    assert finding.difference == 15 / 1556


def test_whole_clusters_change_sign_together_and_each_pair_its_own_cluster_is_the_exact_sign_test():
    """Ten jobs of six pairs each, every woman wrong: 2 of 2^10 flips; pair by pair it would be 2 of 2^60."""
    rows = pairs([(f"job{i}", "cook", f"job{i}", 6) for i in range(10)])
    finding = find(rows)
    assert finding.clusters == 10
    assert finding.sign_flip_p == 2 / 2**10
    assert finding.mcnemar_p == 2 / 2**60
    rows = pairs([("judge", "cook", "judge", 9), ("judge", "judge", "cook", 2), ("judge", "judge", "judge", 30)])
    assert find(rows, EACH_ALONE).sign_flip_p == pytest.approx(mcnemar_p(9, 2), rel=1e-12)


def test_copies_of_a_pair_within_its_cluster_tell_nothing_new():
    """Forty jobs, in twelve of which only the man is named right, in four only the woman; once, and six times each."""
    answers = [(f"job{i}", "cook" if i < 12 else f"job{i}", "cook" if 12 <= i < 16 else f"job{i}") for i in range(40)]
    once, copied = (find(pairs([(*answer, copies) for answer in answers])) for copies in (1, 6))
    assert once.difference == copied.difference == -8 / 40
    assert (once.low, once.high) == agresti_min(4, 12, 40, 0.05)
    assert (once.flip_low, once.flip_high) == wilson(16, 40, 0.05)
    for one, six in ((once.low, copied.low), (once.flip_low, copied.flip_low)):
        assert one - 0.02 < six <= one  # a little wider: Student's quantile
    for one, six in ((once.high, copied.high), (once.flip_high, copied.flip_high)):
        assert one <= six < one + 0.02


def test_a_set_with_one_side_only_is_counted_as_incomplete():
    finding = find([*FOUR, ("judge", "medium", "woman", "judge"), ("cook", "medium", "man", "cook")])
    assert (finding.n, finding.incomplete) == (4, 2)
    finding = find([*FOUR, ("judge", UNKNOWN, "woman", "judge"), ("judge", UNKNOWN, "man", "cook"), (UNKNOWN, "light", "man", "cook")])
    assert (finding.n, finding.incomplete, finding.flips) == (4, 3, 2)
    # Other levels of the attribute take no part.
    finding = find([*FOUR, ("judge", "light", "person", "cook"), ("judge", "light", UNKNOWN, "cook")])
    assert (finding.n, finding.incomplete) == (4, 0)


@pytest.mark.parametrize("rows", [[("judge", "light", "woman", "judge")], [("judge", "light", "person", "judge")]])
def test_without_a_complete_pair_nothing_is_estimated(rows):
    finding = find(rows)
    assert (finding.n, finding.clusters, finding.mcnemar_p, finding.sign_flip_p) == (0, 0, 1.0, 1.0)
    assert (finding.flip_rate, finding.flip_low, finding.flip_high) == (None,) * 3
    assert (finding.difference, finding.low, finding.high) == (None,) * 3


def test_neither_the_order_of_the_images_nor_the_seed_of_hashing_matters():
    rows = pairs([(f"job{i}", "cook" if i % 3 else f"job{i}", f"job{i}" if i % 5 else "judge", 1 + i % 4) for i in range(30)])
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert find(rows) == find(shuffled)
    assert find(rows, draws=99).sign_flip_p >= 1 / 100  # more than 14 clusters differ: drawn, never 0
    assert find(rows, seed=1).sign_flip_p == pytest.approx(find(rows).sign_flip_p, abs=0.02)


def test_swapping_first_and_second_changes_signs_only():
    back = replace(CLAIM, first="man", second="woman")
    forth, reverse = find(FOUR), find(FOUR, back)
    assert (reverse.difference, reverse.low, reverse.high) == (-forth.difference, -forth.high, -forth.low)
    assert (reverse.flips, reverse.mcnemar_p, reverse.sign_flip_p) == (forth.flips, forth.mcnemar_p, forth.sign_flip_p)


def test_holm_over_the_claims():
    strong = pairs([(f"job{i}", "cook", f"job{i}", 6) for i in range(10)])
    weak = pairs([(f"job{i}", "cook" if i < 5 else f"job{i}", f"job{i}", 1) for i in range(10)])
    other = replace(CLAIM, measurement="others")
    found = paired_findings([CLAIM, other], {"jobs": answered(weak), "others": answered(strong)}, Settings())
    assert [finding.sign_flip_p for finding in found] == [2 / 2**5, 2 / 2**10]
    assert [finding.p_adjusted for finding in found] == holm(np.array([2 / 2**5, 2 / 2**10])).tolist() == [2 / 2**5, 4 / 2**10]
    assert paired_findings([], {}, Settings()) == ()


def test_two_images_on_one_side_and_a_pair_in_two_clusters_are_refused():
    with pytest.raises(DataError, match="not a unique member of a pair") as error:
        find([*FOUR, FOUR[0]])
    assert "judge × light" in str(error.value)
    claim = replace(CLAIM, within=("tone",))
    with pytest.raises(DataError, match="differ in 'job'"):
        find([("judge", "light", "woman", "judge"), ("cook", "light", "man", "cook")], claim)


def test_names_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match="no measurement 'jobs'"):
        paired_findings([CLAIM], {"job": answered(FOUR)}, Settings())
    with pytest.raises(UsageError, match="no attribute 'jobb'") as error:
        find(FOUR, replace(CLAIM, within=("jobb",)))
    assert "did you mean job?" in str(error.value)
    with pytest.raises(UsageError, match="need a true answer"):
        paired_findings([CLAIM], {"jobs": replace(answered(FOUR), y_true=None)}, Settings())
