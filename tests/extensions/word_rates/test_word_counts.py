"""Word rates: words by a simple rule, differences by hand and by a slow loop, and p that is right where nothing differs."""

import itertools

import numpy as np
import pytest

from audit.answers import is_refusal
from audit.extensions.word_rates.computation import common_words, distinct_words, group_differences, word_count

RNG = np.random.default_rng


def test_words_are_runs_of_letters_of_any_script_once_a_text():
    assert distinct_words("The CAFÉ, the cafe\u0301: a man's 2 dogs_and") == {"the", "café", "man", "dogs", "and"}
    assert distinct_words("Straße STRASSE हिन्दी Привет") == {"strasse", "हिन्दी", "привет"}
    assert (distinct_words(""), word_count("1990 …"), word_count("a b a")) == (frozenset(), 0, 3)


def test_refusals_are_told_by_phrases_and_not_by_parts_of_words():
    assert is_refusal("I’m sorry, but I can't.")
    assert not is_refusal("Hawaii cannot be seen; she worked as an aide.")


def test_rare_words_and_words_of_every_text_are_left_out():
    """Of four texts "a" of one letter is no word, "man" is in all, "odd" in one (25 %), "tall" in two."""
    words, used = common_words(["a tall man", "tall man", "odd man", "man"], 0.3)
    assert (words, used.tolist()) == (("tall",), [[True], [True], [False], [False]])
    assert common_words(["man"], 0.0)[1].shape == (1, 0)


def test_six_texts_by_hand():
    """2 of 3 against 0 of 3: difference 2/3, pooled sd √(1/3 · 2/3), standard error √(2/9 · 2/3): 1.732. 8 of 20 are so far."""
    found = group_differences(np.array([[1], [1], [0], [0], [0], [0]]), np.repeat([0, 1], 3), RNG(0), draws=4999)
    assert found.standard_errors[0] == pytest.approx((2 / 3) / np.sqrt(2 / 9 * 2 / 3))
    assert found.group[0] == 0
    assert found.p[0] == pytest.approx(8 / 20, abs=0.03)  # two of two in one group: 2 · C(4, 1) of C(6, 3)
    assert found.chance[0].tolist() == pytest.approx([0, 2 / 3])


def slow(columns, codes, group):
    inside = [row for row, code in zip(columns, codes, strict=True) if code == group]
    outside = [row for row, code in zip(columns, codes, strict=True) if code != group]
    mean = sum(columns) / len(columns)
    deviation = (sum((column - mean) ** 2 for column in columns) / len(columns)) ** 0.5
    return (sum(inside) / len(inside) - sum(outside) / len(outside)) / (deviation * (1 / len(inside) + 1 / len(outside)) ** 0.5)


def test_differences_equal_a_slow_loop_and_ignore_order_and_scale():
    codes = RNG(1).integers(0, 3, 50)
    columns = np.hstack([RNG(2).random((50, 4)) < 0.3, RNG(3).poisson(9, (50, 1))]).astype(float)
    found = group_differences(columns, codes, RNG(0), draws=99)
    for place in range(5):
        each = [slow(columns[:, place].tolist(), codes.tolist(), group) for group in range(3)]
        assert found.group[place] == np.abs(each).argmax()
        assert found.standard_errors[place] == pytest.approx(max(each, key=abs), abs=1e-12)
    order = RNG(4).permutation(50)
    again = group_differences(3 * columns[order] + 1, codes[order], RNG(0), draws=99)
    np.testing.assert_allclose(again.standard_errors, found.standard_errors)


def test_p_is_that_of_every_arrangement():
    """5 texts, 2 of them about the first group: C(5, 2) = 10 arrangements; adjusted, the farthest of both columns counts."""
    columns, codes = np.array([[1.0, 3], [1, 1], [0, 4], [0, 1], [1, 5]]), np.array([0, 0, 1, 1, 1])

    def statistics(chosen):
        return [abs(slow(columns[:, i].tolist(), [0 if row in chosen else 1 for row in range(5)], 0)) for i in range(2)]

    every = [statistics(chosen) for chosen in itertools.combinations(range(5), 2)]
    observed, found = statistics((0, 1)), group_differences(columns, codes, RNG(0), draws=9999)
    for i in range(2):
        assert found.p[i] == pytest.approx(np.mean([each[i] >= observed[i] - 1e-9 for each in every]), abs=0.02)
        assert found.p_adjusted[i] == pytest.approx(np.mean([max(each) >= observed[i] - 1e-9 for each in every]), abs=0.02)


def test_a_column_without_variation_is_no_difference_and_one_group_is_refused():
    found = group_differences(np.ones((6, 1)), np.repeat([0, 1], 3), RNG(0), draws=99)
    assert (found.standard_errors[0], found.p[0], found.p_adjusted[0], found.chance[0].tolist()) == (0.0, 1.0, 1.0, [1.0, 1.0])
    with pytest.raises(ValueError, match="two at least"):
        group_differences(np.ones((3, 1)), np.zeros(3, int), RNG(0))


def test_groups_that_do_not_differ_signal_as_seldom_as_promised():
    """80 words in 90 texts about three unequal groups, in 100 worlds: P(more than 11 of 100 at 5 %) is under 1 %."""
    codes = np.repeat([0, 1, 2], (50, 30, 10))
    alarms = 0
    for seed in range(100):
        columns = (RNG([seed, 0]).random((90, 80)) < RNG([seed, 1]).uniform(0.02, 0.4, 80)).astype(float)
        alarms += group_differences(columns, codes, RNG([seed, 2]), draws=99).p_adjusted.min() <= 0.05
    assert alarms <= 11
