"""The methods on planted halves, and their random counterparts: what is shuffled, and what stays as it is."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from audit.errors import UsageError
from audit.extensions.mitigate.methods import METHODS, FitInputs, GroupShuffle, default_method, fit_map, random_map
from audit.linear_maps import mean_differences, orthogonal_projection, unit
from audit.plans import Direction

D = 24
AXES = np.eye(D)
DIRECTION = Direction((("a man", "a woman"),), (("a male cook", "a female cook"), ("a male nurse", "a female nurse")))
TEXTS = {
    "a man": AXES[0] + 0.4 * AXES[3], "a woman": AXES[0] - 0.4 * AXES[3], "a male cook": AXES[1] + 0.4 * AXES[3] + 0.2 * AXES[4],
    "a female cook": AXES[1] - 0.4 * AXES[3] - 0.2 * AXES[4],
    "a male nurse": AXES[2] + 0.4 * AXES[3], "a female nurse": AXES[2] - 0.4 * AXES[3],
}  # fmt: skip


def inputs(n=400, groups=2, seed=0, **changes):
    """Groups differ along axis 3, and true answers along axes 0 to 2."""
    rng = np.random.default_rng(seed)
    codes, classes = rng.integers(groups, size=n), rng.integers(3, size=n)
    raw = AXES[classes] + 0.5 * np.outer(codes - 0.5, AXES[3]) + 0.1 * rng.normal(size=(n, D))
    made = {"units": unit(raw), "codes": codes, "classes": classes, "clusters": np.arange(n), "direction": DIRECTION, "texts": TEXTS}
    return FitInputs(**(made | changes))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_removes_the_planted_direction(method):
    half = inputs()
    fit = fit_map(method, half)
    assert fit.rank == 1
    kept = np.abs(half.units @ fit.map.matrix.T @ AXES[3]).mean() / np.abs(half.units @ AXES[3]).mean()
    assert kept < 0.5
    answers = unit(half.units @ fit.map.matrix.T)[:, :3].argmax(axis=1)
    assert (answers == half.classes).mean() > 0.99


def test_methods_depend_on_what_they_say_they_depend_on():
    half = inputs()
    renamed = replace(half, codes=1 - half.codes)
    for name, method in METHODS.items():
        np.testing.assert_allclose(fit_map(name, renamed).map.matrix, fit_map(name, half).map.matrix, atol=1e-9)
        other = replace(half, codes=np.roll(half.codes, 7))
        assert np.allclose(fit_map(name, other).map.matrix, fit_map(name, half).map.matrix, atol=1e-9) == (not method.by_groups)


def test_the_default_is_within_true_answers_where_there_are_any():
    assert default_method(inputs()) == "mean-difference-within-class"
    assert default_method(inputs(classes=None)) == "leace"


def test_an_image_of_unknown_true_answer_counts_where_no_true_answer_is_needed():
    """A third of the images: a fit within true answers is that of the other images; a plain one is that of all."""
    half = inputs()
    known = np.arange(len(half.codes)) % 3 > 0
    some = replace(half, classes=np.where(known, half.classes, -1))
    fewer = replace(half, units=half.units[known], codes=half.codes[known], classes=half.classes[known], clusters=half.clusters[known])
    for method in ("mean-difference", "leace"):
        assert np.array_equal(fit_map(method, some).map.matrix, fit_map(method, half).map.matrix)
        assert not np.allclose(fit_map(method, fewer).map.matrix, fit_map(method, half).map.matrix)
    within = "mean-difference-within-class"
    assert np.array_equal(fit_map(within, some).map.matrix, fit_map(within, fewer).map.matrix)
    for codes in shuffles(some, 20):  # among images of the same answer, or of unknown answers
        assert [codes[some.classes == kind].sum() for kind in range(-1, 3)] == [
            half.codes[some.classes == kind].sum() for kind in range(-1, 3)
        ]


@pytest.mark.parametrize(
    ("method", "changes", "message", "fix"),
    [
        ("mean-difference-within-class", {"classes": None}, "no true answers within which", "--method leace"),
        ("projection", {"direction": None}, "plans no prompts about the attribute", "--method leace"),
        ("calibrated-projection", {"direction": Direction(DIRECTION.pairs)}, "that should mean the same", "--method projection"),
    ],
)
def test_what_a_method_needs_and_the_question_lacks(method, changes, message, fix):
    with pytest.raises(UsageError, match=message) as caught:
        fit_map(method, inputs(**changes))
    assert fix in caught.value.fix


def test_a_map_may_remove_an_eighth_of_the_dimensions():
    """3 of 24 with four groups, 4 with five."""
    assert fit_map("leace", inputs(groups=4)).rank == 3
    with pytest.raises(UsageError, match="would remove 4 of 24 dimensions"):
        fit_map("leace", inputs(groups=5))


# ---- random maps


@pytest.mark.parametrize("method", ["mean-difference", "leace", "projection"])
def test_random_maps_remove_as_many_directions(method):
    fit = fit_map(method, inputs(groups=3))
    random = random_map(fit, np.random.default_rng(0)).matrix
    assert D - np.linalg.matrix_rank(random) == fit.rank
    assert not np.allclose(random, random_map(fit, np.random.default_rng(1)).matrix)


def test_a_random_calibrated_map_has_the_same_effect_elsewhere():
    fit = fit_map("calibrated-projection", inputs())
    lengths = [np.linalg.svd(change.matrix)[1] for change in (fit.map, random_map(fit, np.random.default_rng(0)))]
    np.testing.assert_allclose(*lengths, atol=1e-9)


def shuffles(half, draws=200):
    rng = np.random.default_rng(3)
    shuffle = GroupShuffle.of(half)
    return [shuffle.draw(rng) for _ in range(draws)]


def test_independent_images_exchange_groups_within_a_true_answer():
    half = inputs(60)
    for codes in shuffles(half, 20):
        for kind in range(3):
            inside = half.classes == kind
            assert Counter(codes[inside]) == Counter(half.codes[inside])
    changed = np.mean([codes != half.codes for codes in shuffles(half)], axis=0)
    assert 0.1 < changed.min() <= changed.max() < 0.9  # by the share of the other group among images of the same answer


def test_a_person_keeps_one_group_and_persons_exchange_theirs():
    """Twenty persons with three photographs each; the true answer is the person's own."""
    persons = np.repeat(np.arange(20), 3)
    half = inputs(60, clusters=persons, codes=(persons % 2), classes=(persons // 10))
    for codes in shuffles(half, 20):
        assert all(len(set(codes[persons == person])) == 1 for person in range(20))
        assert [codes[half.classes == kind].sum() for kind in (0, 1)] == [15, 15]
    assert any(codes.tolist() != half.codes.tolist() for codes in shuffles(half, 3))


def test_roles_drawn_in_all_groups_exchange_groups_inside():
    """Ten roles, each drawn six times, three of them women."""
    roles, codes = np.repeat(np.arange(10), 6), np.tile([0, 0, 0, 1, 1, 1], 10)
    half = inputs(60, clusters=roles, codes=codes, classes=roles % 3)
    for shuffled in shuffles(half, 20):
        assert [shuffled[roles == role].sum() for role in range(10)] == [3] * 10
    assert 0.3 < np.mean([shuffled != codes for shuffled in shuffles(half)]) < 0.7


def test_persons_of_several_true_answers_keep_one_group_too():
    persons = np.repeat(np.arange(20), 3)
    half = inputs(60, clusters=persons, codes=persons % 2, classes=np.tile([0, 1, 2], 20))
    for codes in shuffles(half, 20):
        assert all(len(set(codes[persons == person])) == 1 for person in range(20))
    assert len({tuple(codes) for codes in shuffles(half, 20)}) > 15


def test_shuffled_groups_have_no_direction():
    """The differences of shuffled groups are a fraction of the planted one, for a fit within true answers as well."""
    half, rng = inputs(2000), np.random.default_rng(0)
    planted = np.linalg.norm(mean_differences(half.units, half.codes))
    shuffle = GroupShuffle.of(half)
    lengths = [np.linalg.norm(mean_differences(half.units, shuffle.draw(rng))) for _ in range(20)]
    assert max(lengths) < planted / 10
    for name in ("mean-difference", "mean-difference-within-class", "leace"):
        matrix = shuffle.refitted(name, half, rng).matrix
        assert np.linalg.matrix_rank(matrix) == D - 1
        assert np.abs(half.units @ matrix.T @ AXES[3]).mean() > 0.5 * np.abs(half.units @ AXES[3]).mean()


def test_the_map_is_the_projection_of_the_differences():
    half = inputs(groups=3)
    fit = fit_map("mean-difference", half)
    np.testing.assert_allclose(fit.map.matrix, orthogonal_projection(mean_differences(half.units, half.codes)).matrix)
