"""Log ratios of words between groups: by hand, against other libraries, under what must not matter, and on planted data."""

import math

import numpy as np
import pytest
from scipy.stats.contingency import relative_risk
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.extensions.words.cooccurrence import CaptionedGroups, comparisons, word_ratios
from audit.statistics.intervals import score_ratio
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import cluster_table
from benchmarks.conclusions.words import coverage


def groups_of(group_m, captions_m, names="abc"):
    return CaptionedGroups(tuple(names[: max(group_m) + 1]), np.array(group_m), np.array(captions_m))


def ratios(groups, events, alpha=0.05):
    """Return (word, group) -> ratio; `events`: for each word the captions of each image that contain it."""
    events = np.array(events)
    word, image = np.nonzero(events)
    names = [f"w{i}" for i in range(len(events))]
    return {(ratio.word, ratio.group): ratio for ratio in word_ratios(names, word, image, events[word, image], groups, alpha)}


def one_caption_each(events, n):
    """Return groups of images with one caption each, of which the first so many have the word."""
    group = np.repeat(np.arange(len(n)), n)
    row = np.concatenate([np.arange(many) < event for event, many in zip(events, n, strict=True)])
    return groups_of(group.tolist(), [1] * len(group)), [row.astype(int)]


def test_a_ratio_worked_out_by_hand():
    # Images with 2, 1 | 2, 1 | 1 captions; the word in 2, 0 | 1, 0 | 1 of them.
    # a: 2 of 3 against 2 of 4: ln(4 / 3). b: 1 of 3 against 3 of 4: ln(4 / 9). c: 1 of 1 against 3 of 6: ln 2.
    found = ratios(groups_of([0, 0, 1, 1, 2], [2, 1, 2, 1, 1]), [[2, 0, 1, 0, 1]])
    logs = {group: round(found["w0", group].log_ratio, 12) for group in "abc"}
    assert logs == {"a": round(math.log(4 / 3), 12), "b": round(math.log(4 / 9), 12), "c": round(math.log(2), 12)}
    first = found["w0", "a"]
    assert (first.events, first.images, first.rate, first.rate_others) == (2, 1, 2 / 3, 0.5)


def test_images_without_group_or_captions_are_left_out():
    groups = groups_of([0, 0, 1, -1, -2, 1], [1, 1, 1, 1, 1, 0])
    found = ratios(groups, [[1, 0, 1, 1, 1, 0]])
    assert (groups.captions.tolist(), groups.images.tolist()) == ([2, 1], [2, 1])
    assert (found["w0", "a"].rate, found["w0", "b"].rate) == (0.5, 1.0)


def test_one_caption_each_gives_the_score_interval():
    # 20 of 100 against 10 of 100: the ratio 2; Koopman's interval is [1.007, 4.024], which the skewness correction moves a little.
    found = ratios(*one_caption_each([20, 10], [100, 100]))["w0", "a"]
    low, high = (float(end) for end in score_ratio(20, 100, 10, 100, 0.05, skewness=True))
    assert (math.exp(found.low), math.exp(found.high)) == pytest.approx((low, high))
    assert (math.exp(found.low), math.exp(found.high)) == pytest.approx((1.007, 4.024), rel=0.05)
    assert (found.low_adjusted, found.high_adjusted) == (found.low, found.high)  # one word, two groups: one comparison


@pytest.mark.parametrize(("events", "n"), [((400, 900), (3000, 9000)), ((5000, 100), (20_000, 20_000))])
def test_many_captions_agree_with_scipy_and_statsmodels(events, n):
    found = ratios(*one_caption_each(events, n))["w0", "a"]
    ends = math.exp(found.low), math.exp(found.high)
    known = relative_risk(events[0], n[0], events[1], n[1])
    assert math.exp(found.log_ratio) == pytest.approx(known.relative_risk)
    assert ends == pytest.approx(tuple(known.confidence_interval(0.95)), rel=0.01)
    assert ends == pytest.approx(confint_proportions_2indep(events[0], n[0], events[1], n[1], "score", "ratio"), rel=0.01)


def test_several_captions_per_image_are_clusters():
    rng = np.random.default_rng(0)
    captions, group = rng.integers(1, 6, 300), rng.integers(0, 3, 300)
    events = np.array([rng.binomial(captions, rng.beta(1, 4, 300)) for _ in range(2)])
    found = ratios(groups_of(group.tolist(), captions.tolist()), events)
    for word, (name, code) in [(word, pair) for word in range(2) for pair in zip("abc", range(3), strict=True)]:
        # The same from one row per caption, group against rest, as an audit counts clusters.
        cluster = np.repeat(np.arange(300), captions)
        event = np.concatenate([np.arange(n) < e for n, e in zip(captions, events[word], strict=True)])
        units = ClusterUnits(cluster_table(cluster, (group[cluster] != code).astype(int), event, 2))
        ends = units.ratios(np.array([0]), np.array([1]), 0.05)
        ratio = found[f"w{word}", name]
        assert (math.exp(ratio.low), math.exp(ratio.high)) == pytest.approx((ends[0][0], ends[1][0]))
        assert (ratio.events, ratio.images) == (events[word][group == code].sum(), (events[word][group == code] > 0).sum())


def test_copies_of_a_caption_do_not_narrow_the_interval():
    groups, [row] = one_caption_each([40, 20], [200, 200])
    once = ratios(groups, [row])["w0", "a"]
    thrice = ratios(groups_of(groups.group_m.tolist(), (3 * groups.captions_m).tolist()), [3 * row])["w0", "a"]
    assert thrice.log_ratio == pytest.approx(once.log_ratio)
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)
    independent = ratios(*one_caption_each([120, 60], [600, 600]))["w0", "a"]
    assert thrice.high - thrice.low > 1.5 * (independent.high - independent.low)


@pytest.mark.parametrize("captions", [1, 3])
def test_a_word_that_one_side_lacks_has_one_limit(captions):
    group, n = [0] * 100 + [1] * 100, [captions] * 200
    found = ratios(groups_of(group, n), [[1] * 30 + [0] * 170, [0] * 200, [captions] * 200])
    only, never = found["w0", "a"], found["w0", "b"]
    assert (only.log_ratio, only.high, only.low > 0, only.direction) == (None, None, True, 1)
    assert (never.log_ratio, never.low, never.high < 0, never.direction) == (None, None, True, -1)
    assert only.low == pytest.approx(-never.high)
    nowhere, everywhere = found["w1", "a"], found["w2", "a"]
    assert (nowhere.log_ratio, nowhere.low, nowhere.high, nowhere.direction) == (None, None, None, 0)
    assert (everywhere.log_ratio, everywhere.low < 0 < everywhere.high) == (0.0, True)


def test_order_of_images_and_names_of_groups_do_not_matter():
    rng = np.random.default_rng(1)
    captions, group = rng.integers(1, 4, 200), rng.integers(0, 3, 200)
    events = np.array([rng.binomial(captions, 0.2) for _ in range(4)])
    order, renamed = rng.permutation(200), np.array([2, 0, 1])
    one = ratios(groups_of(group.tolist(), captions.tolist()), events)
    other = ratios(groups_of(group[order].tolist(), captions[order].tolist()), events[:, order])
    assert other == one
    moved = ratios(groups_of(renamed[group].tolist(), captions.tolist()), events)
    for word in range(4):
        for code, name in enumerate("abc"):
            mine, same = one[f"w{word}", name], moved[f"w{word}", "abc"[renamed[code]]]
            assert (same.log_ratio, same.low, same.high_adjusted) == pytest.approx((mine.log_ratio, mine.low, mine.high_adjusted))


def test_intervals_are_adjusted_for_every_word_and_group():
    assert (comparisons(1, 2), comparisons(20, 2), comparisons(20, 7)) == (1, 20, 140)
    groups, [row] = one_caption_each([20, 10], [100, 100])
    alone = ratios(groups, [row], alpha=0.05 / 20)["w0", "a"]
    among = ratios(groups, [row] * 20)["w0", "a"]
    assert (among.low_adjusted, among.high_adjusted) == pytest.approx((alone.low, alone.high))
    assert among.low == ratios(groups, [row])["w0", "a"].low


@pytest.mark.slow
@pytest.mark.parametrize("captions", [1, 3])
def test_planted_words_are_found_and_sized(captions):
    """10 plants of 200 or more captions; the slow test has 200 repetitions."""
    found = coverage(captions, repetitions=20)
    assert found.covered >= 0.9
    assert found.strong == 1.0  # every plant of a factor of e was found, after correction for 40 ratios
    assert found.wrong_side == 0


@pytest.mark.slow
@pytest.mark.parametrize("captions", [1, 3, 5])
def test_planted_words_are_found_and_sized_in_200_repetitions(captions):
    found = coverage(captions, repetitions=200)
    assert 0.93 <= found.covered <= 0.99
    assert (found.strong, found.wrong_side) == (pytest.approx(1.0, abs=0.01), 0)
    assert found.all_covered >= 0.93  # the adjusted intervals, all at once
