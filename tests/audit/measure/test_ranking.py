"""Metrics of ranked lists: by hand, by invariance, against slow loops, and the traps of other tools."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.measure.ranking import abs_bias_at_k, bias_at_k, max_skew_at_k, min_skew_at_k, ndkl, normalized_entropy_at_k, skew_at_k, top_k

# Ten images, the best first. "a": 5 of 10, of the first four 3; "b": 3 of 10, of the first four 1; "c": 2 of 10, none.
SCORES, GROUPS = np.arange(10.0)[::-1], np.array(list("aabacabcab"))[[0, 1, 3, 2, 5, 4, 6, 7, 8, 9]]


def test_the_skews_of_ten_images_by_hand():
    """First four: a a a b. a: (3/4) / (5/10) = 1.5; b: (1/4) / (3/10) = 5/6; c is due 4 · .2 = .8 images: not estimable."""
    assert GROUPS[:4].tolist() == ["a", "a", "a", "b"]
    assert [(each == GROUPS).sum() for each in "abc"] == [5, 3, 2]
    assert skew_at_k(SCORES, GROUPS == "a", 4) == pytest.approx(math.log(1.5))
    assert max_skew_at_k(SCORES, GROUPS, 4) == pytest.approx(math.log(1.5))
    assert min_skew_at_k(SCORES, GROUPS, 4) == pytest.approx(math.log(5 / 6))
    assert math.isnan(skew_at_k(SCORES, GROUPS == "c", 4))
    # Equal target: 1/3 each, so that c is due 4/3 images, and counts as one of four: (1/4) / (1/3).
    assert max_skew_at_k(SCORES, GROUPS, 4, equal=True) == pytest.approx(math.log(9 / 4))
    assert min_skew_at_k(SCORES, GROUPS, 4, equal=True) == pytest.approx(math.log(3 / 4))


def test_an_absent_group_counts_as_one_and_an_empty_one_is_not_estimable():
    groups = np.array(["a"] * 10 + ["b"] * 10)
    assert min_skew_at_k(-np.arange(20.0), groups, 8) == pytest.approx(math.log((1 / 8) / 0.5))  # 0 of 8, as 1 of 8
    assert math.isnan(skew_at_k(-np.arange(20.0), np.zeros(20, bool), 8))
    assert math.isnan(max_skew_at_k(-np.arange(4.0), np.array(list("abcd")), 3))  # each is due .75 images


def test_the_divergence_of_an_alternating_ranking_by_hand():
    """a b a b against one half each: ln 2, 0, (2/3) ln(4/3) + (1/3) ln(2/3), 0, weighed by 1, 1/log2(3), 1/2, 1/log2(5)."""
    third = 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    z = 1 + 1 / math.log2(3) + 1 / 2 + 1 / math.log2(5)
    assert ndkl(-np.arange(4.0), np.array(list("abab"))) == pytest.approx((math.log(2) + third / 2) / z)
    assert ndkl(-np.arange(4.0), np.array(list("abab")), start=2) == pytest.approx(third / 2 / (z - 1))
    assert ndkl(-np.arange(4.0), np.array(list("abab")), 2) == pytest.approx(math.log(2) / (1 + 1 / math.log2(3)))


def test_opposite_biases_cancel_and_their_absolute_values_do_not():
    """First query: 3 of a, 1 of b: 1/2. Second: 1 of a, 1 of b, two of neither: 0. Third: none of either: 0."""
    groups = np.array(list("aaabccabbb") + ["c"] * 4)
    scores = np.stack([-np.arange(14.0), np.isin(np.arange(14), (0, 3, 4, 5)) * 1.0, np.arange(14.0)])
    assert bias_at_k(scores, groups, 4, "a", "b") == pytest.approx(1 / 6)
    assert bias_at_k(scores, groups, 4, "b", "a") == pytest.approx(-1 / 6)
    both = np.stack([scores[0], -scores[0]])[:, :10]  # the other way round: one a after three b
    assert bias_at_k(both, groups[:10], 4, "a", "b") == 0.0
    assert abs_bias_at_k(both, groups[:10], 4, "a", "b") == 0.5


# ---- what must not matter ------------------------------------------------------------------------------------------------------------


def random_gallery(seed, n=60):
    rng = np.random.default_rng(seed)
    return rng.permutation(n) / n, rng.choice(list("abcd"), n, p=[0.5, 0.25, 0.15, 0.1]), int(rng.integers(1, n))


METRICS = (max_skew_at_k, min_skew_at_k, ndkl)


@pytest.mark.slow_except("ndkl")
@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 2**32))
def test_order_of_the_images_scale_of_the_scores_and_names_of_the_groups_change_nothing(metric, seed):
    scores, groups, k = random_gallery(seed)
    value = metric(scores, groups, k)
    order = np.random.default_rng(seed).permutation(len(scores))
    assert metric(scores[order], groups[order], k) == pytest.approx(value, nan_ok=True, abs=1e-12)
    assert metric(7 * scores - 3, groups, k) == pytest.approx(value, nan_ok=True, abs=1e-12)
    renamed = np.array([{"a": "zebra", "b": "b", "c": "ant", "d": ""}[group] for group in groups])
    assert metric(scores, renamed, k) == pytest.approx(value, nan_ok=True, abs=1e-12)


# ---- slow loops ----------------------------------------------------------------------------------------------------------------------


def slow_skews(scores, groups, k, equal):
    first = sorted(range(len(scores)), key=lambda i: -scores[i])[:k]
    names = sorted(set(groups))
    found = []
    for name in names:
        target = 1 / len(names) if equal else sum(group == name for group in groups) / len(groups)
        if k * target >= 1 - 1e-9:
            share = max(sum(groups[i] == name for i in first), 1) / k
            found.append(math.log(share / target))
    return found


def slow_ndkl(scores, groups, equal):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    names, total, z = sorted(set(groups)), 0.0, 0.0
    for i in range(1, len(order) + 1):
        divergence = 0.0
        for name in names:
            share = sum(groups[j] == name for j in order[:i]) / i
            target = 1 / len(names) if equal else sum(group == name for group in groups) / len(groups)
            divergence += share * math.log(share / target) if share else 0.0
        total += divergence / math.log2(i + 1)
        z += 1 / math.log2(i + 1)
    return total / z


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_every_metric_equals_a_slow_loop(seed, equal):
    scores, groups, k = random_gallery(seed)
    found = slow_skews(scores, groups, k, equal) or [math.nan]
    assert max_skew_at_k(scores, groups, k, equal=equal) == pytest.approx(max(found), abs=1e-12, nan_ok=True)
    assert min_skew_at_k(scores, groups, k, equal=equal) == pytest.approx(min(found), abs=1e-12, nan_ok=True)
    assert ndkl(scores, groups, equal=equal) == pytest.approx(slow_ndkl(scores, groups, equal), abs=1e-12)
    queries = np.stack([np.random.default_rng([seed, i]).permutation(60) for i in range(5)])
    biases = []
    for query in queries:
        first = [groups[i] for i in sorted(range(60), key=lambda i, query=query: -query[i])[:k]]
        a, b = first.count("a"), first.count("b")
        biases.append((a - b) / (a + b) if a + b else 0.0)
    assert bias_at_k(queries, groups, k, "a", "b") == pytest.approx(sum(biases) / 5, abs=1e-12)
    assert abs_bias_at_k(queries, groups, k, "a", "b") == pytest.approx(sum(map(abs, biases)) / 5, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_normalized_entropy_equals_a_slow_loop_and_ignores_names_scale_and_duplicates(seed):
    scores, groups, k = random_gallery(seed)
    first = [groups[i] for i in sorted(range(len(groups)), key=lambda i: -scores[i])[:k]]
    found = -sum(first.count(each) / k * math.log(first.count(each) / k) for each in set(first)) / math.log(len(set(groups)))
    entropy = normalized_entropy_at_k(scores, groups, k)
    assert entropy == pytest.approx(found, abs=1e-12)
    renamed = np.array([f"group {ord(group[0]) * 7 % 11}" for group in groups])
    assert len(set(renamed)) == len(set(groups))
    assert normalized_entropy_at_k(7 * scores - 3, renamed, k) == pytest.approx(entropy, abs=1e-12)
    assert normalized_entropy_at_k(np.repeat(scores, 2), np.repeat(groups, 2), 2 * k) == pytest.approx(entropy, abs=1e-12)


def test_normalized_entropy_by_hand():
    """Of four groups of unequal size: one alone is 0, two by halves ln 2 / ln 4, all four alike 1 though "a" has half of the images."""
    groups = np.array(list("abcdaaabbd"))
    assert normalized_entropy_at_k(np.array([0, 0, 0, 0, 3, 2, 1, 0, 0, 0.0]), groups, 3) == 0.0
    assert normalized_entropy_at_k(np.array([9, 8, 0, 0, 7, 0, 0, 6, 0, 0.0]), groups, 4) == pytest.approx(0.5)
    assert normalized_entropy_at_k(np.arange(10.0)[::-1], groups, 4) == pytest.approx(1.0)
    assert np.isnan(normalized_entropy_at_k(np.arange(4.0), np.array(list("aaaa")), 2))
    with pytest.raises(ValueError, match="k = 10 of a gallery of 10"):
        normalized_entropy_at_k(np.arange(10.0), groups, 10)


# ---- traps ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [10, 11, 0, -1])
def test_k_that_finds_every_image_or_none_is_refused_by_name(k):
    """At k = n the value is a constant of the data (P1 of the catalogue)."""
    for metric in (max_skew_at_k, min_skew_at_k):
        with pytest.raises(ValueError, match=f"k = {k} of a gallery of 10"):
            metric(SCORES, GROUPS, k)
    with pytest.raises(ValueError, match="k must lie within 1 and 9"):
        bias_at_k(SCORES[None], GROUPS, k, "a", "b")


def test_two_opposite_models_differ():
    groups = np.array(["a"] * 50 + ["b"] * 50)
    assert skew_at_k(-np.arange(100.0), groups == "a", 20) == pytest.approx(math.log(2))
    assert skew_at_k(np.arange(100.0), groups == "a", 20) == pytest.approx(math.log(0.1))


def test_exactly_k_images_are_found_among_ties_and_in_input_order():
    """`nlargest(keep="all")` gives 4 of these (P2)."""
    assert top_k(np.array([0.5, 0.9, 0.5, 0.5, 0.1]), 2).tolist() == [1, 0]
    assert len(top_k(np.zeros(1000), 7)) == 7


def test_a_group_that_is_due_less_than_one_image_is_not_called_over_represented():
    """By the floor of one in k, an absent group of 1 % would have a skew of ln(.1 / .01) = 2.3 among the first ten."""
    groups = np.array(["a"] * 99 + ["b"])
    assert max_skew_at_k(-np.arange(100.0), groups, 10) == pytest.approx(math.log(1 / 0.99))
