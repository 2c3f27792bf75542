"""Association tests: by hand, against enumeration and slow loops, and what must not matter."""

import itertools
import math

import numpy as np
import pytest

from audit.measure.association import (
    associations,
    groups_against_rest,
    sc_eat,
    weat,
)

RNG = np.random.default_rng


def plain_cosine(u, v):
    return float(np.dot(u, v) / math.sqrt(np.dot(u, u) * np.dot(v, v)))


def slow_association(w, a, b):
    return sum(plain_cosine(w, each) for each in a) / len(a) - sum(plain_cosine(w, each) for each in b) / len(b)


def slow_effect(first, second):
    both = [*first, *second]
    mean = sum(both) / len(both)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in both) / (len(both) - 1))
    return (sum(first) / len(first) - sum(second) / len(second)) / deviation


def enumerated_p(values, size):
    """Return the two-sided p over every way to choose the first set."""

    def statistic(chosen):
        inside = [values[i] for i in chosen]
        outside = [values[i] for i in range(len(values)) if i not in chosen]
        found = sum(inside) / len(inside) - sum(outside) / len(outside)
        return abs(found)

    observed, every = statistic(range(size)), list(itertools.combinations(range(len(values)), size))
    return sum(statistic(chosen) >= observed - 1e-9 for chosen in every) / len(every)


def sets(seed, x=5, y=4, a=3, b=6, d=7):
    return [RNG([seed, i]).normal(size=(n, d)) for i, n in enumerate((x, y, a, b))]


def test_four_targets_by_hand():
    """s: 1, .6 for X and -.6, -1 for Y; means .8 and -.8, sd over both √(2.72 / 3) = .9522: d = 1.6803; p: 2 of 6."""
    a, b = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    x, y = np.array([[2.0, 0.0], [8.0, 2.0 * 0.0]]), np.array([[0.0, 3.0], [0.0, 1.0]])
    np.testing.assert_allclose(associations(x, a, b), [1, 1])
    x = np.array([[1.0, 0.0], [(0.6 + math.sqrt(2 - 0.36)) / 2, (-0.6 + math.sqrt(2 - 0.36)) / 2]])  # cos - sin = .6 at length 1
    y = x[::-1, ::-1]
    np.testing.assert_allclose(associations(np.concatenate([x, y]), a, b), [1, 0.6, -0.6, -1])
    found = weat(x, y, (a, b), RNG(0))
    assert found.effect_size == pytest.approx(1.6 / math.sqrt(2.72 / 3))
    assert (found.p, found.exact, found.arrangements) == (pytest.approx(1 / 3), True, 6)
    assert weat(y, x, (a, b), RNG(0)).effect_size == pytest.approx(-found.effect_size)


@pytest.mark.parametrize("seed", range(12))
def test_effect_and_exact_p_equal_slow_loops_and_enumeration_on_unequal_sets(seed):
    x, y, a, b = sets(seed)
    found = weat(x, y, (a, b), RNG(0))
    of_x, of_y = ([slow_association(w, a, b) for w in targets] for targets in (x, y))
    assert found.effect_size == pytest.approx(slow_effect(of_x, of_y), abs=1e-12)
    assert (found.exact, found.arrangements) == (True, math.comb(9, 5))
    assert found.p == pytest.approx(enumerated_p([*of_x, *of_y], 5), abs=1e-12)
    for target, single in zip(x, sc_eat(x, (a, b), RNG(0)), strict=True):
        near, far = ([plain_cosine(target, word) for word in words] for words in (a, b))
        assert single.effect_size == pytest.approx(slow_effect(near, far), abs=1e-12)
        assert single.p == pytest.approx(enumerated_p([*near, *far], 3), abs=1e-12)


def test_equal_targets_tie_in_the_exact_p_whatever_the_order_of_a_sum():
    """All of X are one vector, all of Y another: of C(8, 4) = 70 arrangements, two are as extreme."""
    x, y, a, b = sets(3)
    found = weat(np.tile(x[0], (4, 1)), np.tile(y[0], (4, 1)), (a, b), RNG(0))
    assert found.p == pytest.approx(2 / 70)
    assert abs(found.effect_size) == pytest.approx(2 * math.sqrt(7 / 8))  # saturated: with so few it says little


def test_drawn_p_agrees_with_the_exact_one(monkeypatch):
    x, y, a, b = sets(2, x=8, y=8)
    exact = weat(x, y, (a, b), RNG(0))
    monkeypatch.setattr("audit.measure.association.MOST_ENUMERATED", 100)
    drawn = weat(x, y, (a, b), RNG(1), draws=20000)
    assert (exact.exact, drawn.exact, exact.arrangements, drawn.arrangements) == (True, False, 12870, 20000)
    assert drawn.p == pytest.approx(exact.p, abs=0.012)
    assert (drawn.null_low, drawn.null_high) == pytest.approx((exact.null_low, exact.null_high), abs=0.06)
    assert weat(x, y, (a, b), RNG(1), draws=20000) == drawn  # the generator alone decides


@pytest.mark.slow
def test_the_false_alarm_rate_is_that_of_the_level():
    """400 pairs of sets from one law, 30 targets each: at most 7.5 % below .05 (5 % expected, 3 standard errors)."""
    p = []
    for seed in range(400):
        x, y, a, b = sets(seed, x=30, y=30)
        p.append(weat(x, y, (a, b), RNG(seed), draws=199).p)
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.083
    assert 0.45 < np.mean(p) < 0.56


def test_a_planted_association_is_found_and_its_d_says_which_way():
    x, y, a, b = sets(0, x=40, y=40, d=7)
    a, b = a + 3 * np.eye(7)[0], b - 3 * np.eye(7)[0]
    x, y = x + np.eye(7)[0], y - np.eye(7)[0]
    found = weat(x, y, (a, b), RNG(0))
    assert found.p == pytest.approx(1 / 10000)
    assert found.effect_size > 1
    assert found.null_low < 0 < found.null_high < 0.6


def test_lengths_and_order_do_not_matter():
    x, y, a, b = sets(4)
    expected = weat(x, y, (a, b), RNG(0))
    scaled = weat(x * np.arange(1, 6)[:, None], 9 * y[::-1], (a[::-1], 3 * b), RNG(0))
    assert scaled.effect_size == pytest.approx(expected.effect_size, abs=1e-12)
    assert scaled.p == expected.p


def test_targets_that_do_not_vary_have_no_effect_size_and_no_significance():
    x, _, a, b = sets(5)
    found = weat(np.tile(x[0], (3, 1)), np.tile(x[0], (3, 1)), (a, b), RNG(0))
    assert math.isnan(found.effect_size)
    assert found.p == 1.0


@pytest.mark.parametrize(("x", "y"), [(1, 5), (5, 1)])
def test_a_set_of_one_is_refused(x, y):
    x, y, a, b = sets(0, x=x, y=y)
    with pytest.raises(ValueError, match="needs two members of each set"):
        weat(x, y, (a, b), RNG(0))


# ---- groups of images ----------------------------------------------------------------------------------------------------------------


def test_each_group_against_the_rest_is_weat_with_that_group_as_targets():
    rng = RNG(0)
    images, codes, (a, b) = rng.normal(size=(90, 7)), rng.choice(3, 90, p=[0.5, 0.3, 0.2]), sets(1)[2:]
    images[codes == 2] += a.mean(axis=0)
    found = groups_against_rest(associations(images, a, b), codes, RNG(1), draws=4000)
    for code, each in enumerate(found):
        alone = weat(images[codes == code], images[codes != code], (a, b), RNG(2), draws=4000)
        assert each.effect_size == pytest.approx(alone.effect_size, abs=1e-12)
        assert each.p == pytest.approx(alone.p, abs=0.03)
        assert (each.null_low, each.null_high) == pytest.approx((alone.null_low, alone.null_high), abs=0.05)
    assert found[2].p == pytest.approx(1 / 4001)


def test_two_groups_are_each_others_rest():
    values, codes = RNG(0).normal(size=50), np.repeat([0, 1], [20, 30])
    first, second = groups_against_rest(values, codes, RNG(1), draws=499)
    assert first.effect_size == pytest.approx(-second.effect_size)
    assert first.p == second.p


def test_images_that_are_all_as_near_have_no_effect_size():
    (first, _) = groups_against_rest(np.full(40, 0.3), np.repeat([0, 1], 20), RNG(0), draws=99)
    assert math.isnan(first.effect_size)
    assert first.p == 1.0
