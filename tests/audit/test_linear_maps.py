"""Linear maps against their formulas on small matrices, other libraries, and what must not matter."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression

from audit.errors import DataError
from audit.linear_maps import (
    LinearMap,
    Whitening,
    calibrated_projection,
    contrast,
    linear_erasure,
    mean_differences,
    mean_differences_within,
    orthogonal_projection,
    random_projection,
    turned_at_random,
    unit,
)

STRENGTHS = (0.0, 10.0, 100.0, 1000.0)
"""Of calibration, as they are tried."""


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_projection_by_its_formula():
    """I - V (V'V)^-1 V' with the directions as columns of V; idempotent, symmetric, and nothing is left along V."""
    directions = rng().normal(size=(3, 7))
    v = directions.T
    projection = orthogonal_projection(directions).matrix
    np.testing.assert_allclose(projection, np.eye(7) - v @ np.linalg.inv(v.T @ v) @ v.T, atol=1e-12)
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-12)
    np.testing.assert_allclose(projection, projection.T)
    np.testing.assert_allclose(projection @ v, 0, atol=1e-12)


def test_directions_that_depend_on_each_other_count_once():
    directions = rng().normal(size=(1, 5))
    once, twice = orthogonal_projection(directions).matrix, orthogonal_projection(np.vstack([directions, 2 * directions])).matrix
    np.testing.assert_allclose(twice, once, atol=1e-12)
    assert np.trace(twice) == pytest.approx(4)


def test_the_calibrated_projection_by_its_formula_and_at_strength_zero():
    source = rng(1)
    directions, first, second = source.normal(size=(1, 6)), source.normal(size=(4, 6)), source.normal(size=(4, 6))
    apart = unit(first) - unit(second)
    spread = sum(np.outer(z, z) for z in apart) / 4
    expected = orthogonal_projection(directions).matrix @ np.linalg.inv(np.eye(6) + 1000 * spread)
    np.testing.assert_allclose(calibrated_projection(directions, first, second, 1000).matrix, expected, atol=1e-12)
    np.testing.assert_allclose(
        calibrated_projection(directions, first, second, 0.0).matrix, orthogonal_projection(directions).matrix, atol=1e-12
    )


def test_pairs_come_together_as_the_strength_grows():
    source = rng(3)
    directions = source.normal(size=(1, 8))
    first, second = (source.normal(size=(3, 8)) for _ in range(2))
    apart = contrast(first, second)
    lengths = [np.linalg.norm(apart @ calibrated_projection(directions, first, second, s).matrix.T, axis=1).max() for s in STRENGTHS]
    assert (np.diff(lengths) < 0).all()

    def cosine(strength):
        one, other = (side @ calibrated_projection(directions, first, second, strength).matrix.T for side in (unit(first), unit(second)))
        return (unit(one) * unit(other)).sum(axis=1).mean()

    assert cosine(STRENGTHS[-1]) > cosine(STRENGTHS[0])


def test_a_map_of_few_directions_is_its_matrix():
    """Mapped embeddings, their lengths, and the transposed map, for maps that are symmetric, oblique and of full rank."""
    source = rng(4)
    units, codes = grouped(200)
    maps = [
        orthogonal_projection(source.normal(size=(2, 6))),
        calibrated_projection(*(source.normal(size=(3, 6)) for _ in range(3)), 1000.0),
        linear_erasure(mean_differences(units, codes), Whitening.of(units)),
        LinearMap(*(source.normal(size=shape) for shape in ((6, 6), (6, 6)))),
    ]
    for change in maps:
        np.testing.assert_allclose(change.mapped(units), units @ change.matrix.T, atol=1e-12)
        np.testing.assert_allclose(change.lengths(units), np.linalg.norm(units @ change.matrix.T, axis=1), atol=1e-12)
        np.testing.assert_allclose(change.transposed.matrix, change.matrix.T, atol=1e-12)
    alone = orthogonal_projection(np.eye(6)[:1])
    assert 0 < alone.lengths(np.eye(6)[:1])[0] < 1e-7


# ---- from images whose groups are known


def grouped(n=400, d=6, groups=3, seed=0):
    """Embeddings that vary more along some axes than others, with a shift for each group; the groups are of unequal size."""
    source = rng(seed)
    codes = np.searchsorted([5, 8][: groups - 1], np.arange(n) % 10, side="right")
    raw = source.normal(size=(n, d)) * np.linspace(0.2, 1.5, d) + 3 + source.normal(size=(groups, d))[codes]
    return unit(raw), codes


def test_mean_differences_span_the_covariance_with_the_group():
    units, codes = grouped()
    covariance = (units - units.mean(axis=0)).T @ np.eye(3)[codes] / len(units)
    projection = orthogonal_projection(mean_differences(units, codes)).matrix
    assert np.trace(projection) == pytest.approx(4)
    assert np.linalg.matrix_rank(covariance, tol=1e-9) == 2
    np.testing.assert_allclose(projection @ covariance, 0, atol=1e-15)
    means = np.stack([(units @ projection.T)[codes == group].mean(axis=0) for group in range(3)])
    np.testing.assert_allclose(means, np.tile(means[0], (3, 1)), atol=1e-14)


def test_the_order_of_images_and_the_names_of_groups_do_not_matter():
    units, codes = grouped()
    classes = np.arange(len(codes)) % 4
    order, names = rng(1).permutation(len(codes)), np.array([2, 0, 1])

    def projections(units, codes, classes):
        differences = mean_differences(units, codes)
        within = mean_differences_within(units, codes, classes)
        return (
            orthogonal_projection(differences).matrix,
            orthogonal_projection(within).matrix,
            linear_erasure(differences, Whitening.of(units)).matrix,
        )

    for one, other in zip(
        projections(units, codes, classes), projections(units[order], names[codes][order], (3 - classes)[order]), strict=True
    ):
        np.testing.assert_allclose(other, one, atol=1e-10)


def test_maps_turn_with_the_embeddings_and_count_every_image_alike():
    units, codes = grouped()
    turn, _ = np.linalg.qr(rng(2).normal(size=(6, 6)))
    before = linear_erasure(mean_differences(units, codes), Whitening.of(units, 0.0)).matrix
    after = linear_erasure(mean_differences(units @ turn, codes), Whitening.of(units @ turn, 0.0)).matrix
    np.testing.assert_allclose(after, turn.T @ before @ turn, atol=1e-9)
    twice = mean_differences(np.vstack([units, units]), np.tile(codes, 2))
    np.testing.assert_allclose(twice, mean_differences(units, codes), atol=1e-14)


def test_differences_within_true_answers_leave_the_answers_alone():
    """Classes x and y, groups z apart inside both; 90 of 100 images of group 0 are of class x, 10 of 100 of group 1."""
    x, y, z = np.eye(3)
    classes = np.repeat([0, 1, 0, 1], [90, 10, 10, 90])
    codes = np.repeat([0, 1], 100)
    units = np.stack([x, y])[classes] + 0.3 * np.outer(1 - 2 * codes, z)
    within = mean_differences_within(units, codes, classes)
    np.testing.assert_allclose(within, [[0, 0, 0.6]], atol=1e-14)
    np.testing.assert_allclose(mean_differences(units, codes), [[0.8, -0.8, 0.6]], atol=1e-14)


def test_a_class_without_all_groups_is_not_used_and_one_is_needed():
    units, codes = grouped(60, groups=2)
    classes = np.where(np.arange(60) < 40, 0, 1)
    lacking = codes.copy()
    lacking[40:] = 0
    expected = mean_differences(units[:40], codes[:40])
    np.testing.assert_allclose(mean_differences_within(units, lacking, classes), expected, atol=1e-14)
    with pytest.raises(DataError, match="no true answer has images of all groups"):
        mean_differences_within(units, lacking, lacking)


def test_group_means_are_those_of_pandas_and_an_empty_group_is_refused():
    units, codes = grouped()
    means = pd.DataFrame(units).groupby(codes).mean().to_numpy()
    np.testing.assert_allclose(mean_differences(units, codes), means[:-1] - means[-1], atol=1e-14)
    with pytest.raises(DataError, match="a group has no image"):
        mean_differences(units, np.where(codes == 1, 2, codes))


def test_one_class_within_which_all_images_lie_gives_the_plain_differences():
    units, codes = grouped()
    np.testing.assert_allclose(mean_differences_within(units, codes, np.zeros_like(codes)), mean_differences(units, codes), atol=1e-15)


def test_whitening_whitens_and_shrinks_as_ledoit_and_wolf():
    units, _ = grouped()
    plain = Whitening.of(units, 0.0)
    np.testing.assert_allclose(plain.matrix, sqrtm(np.linalg.inv(np.cov(units.T, bias=True))).real, atol=1e-8)
    np.testing.assert_allclose(plain.matrix @ plain.inverse, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(np.cov((units @ plain.matrix).T, bias=True), np.eye(6), atol=1e-10)
    shrunk = Whitening.of(units)
    np.testing.assert_allclose(shrunk.inverse @ shrunk.inverse, ledoit_wolf(units)[0], atol=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, None])
def test_erasure_by_another_formula_and_nothing_covaries_afterwards(shrinkage):
    """P = I - D (D'S^-1 D)^-1 D'S^-1 with the differences as columns of D: the projection along D that S^-1 makes orthogonal."""
    units, codes = grouped()
    d, whitening = mean_differences(units, codes).T, Whitening.of(units, shrinkage)
    inverse = whitening.matrix @ whitening.matrix
    erasure = linear_erasure(d.T, whitening).matrix
    np.testing.assert_allclose(erasure, np.eye(6) - d @ np.linalg.inv(d.T @ inverse @ d) @ d.T @ inverse, atol=1e-9)
    np.testing.assert_allclose(erasure @ erasure, erasure, atol=1e-10)
    covariance = (units - units.mean(axis=0)).T @ np.eye(3)[codes] / len(units)
    np.testing.assert_allclose(erasure @ covariance, 0, atol=1e-14)


def test_erasure_changes_embeddings_less_than_any_other_map_with_that_effect():
    units, codes = grouped()
    centred = units - units.mean(axis=0)
    differences = mean_differences(units, codes)

    def changed(matrix):
        return float(((centred @ matrix.T - centred) ** 2).sum())

    least = changed(linear_erasure(differences, Whitening.of(units, 0.0)).matrix)
    assert least < changed(orthogonal_projection(differences).matrix)
    erasure = linear_erasure(differences, Whitening.of(units, 0.0)).matrix
    for seed in range(20):  # every other one is this plus something that ignores the differences
        other = erasure + 0.05 * rng(seed).normal(size=(6, 6)) @ orthogonal_projection(differences).matrix
        np.testing.assert_allclose(other @ differences.T, 0, atol=1e-12)
        assert changed(other) > least


def test_no_linear_classifier_recognises_groups_after_erasure():
    """scikit-learn's, on the very images on which the map was fitted: all weights are zero, everybody gets the shares of the groups."""
    units, codes = grouped(2000)
    fitted = {}
    for name, mapped in (
        ("before", units),
        ("after", units @ linear_erasure(mean_differences(units, codes), Whitening.of(units)).matrix.T),
    ):
        fitted[name] = LogisticRegression(C=1e6, tol=1e-8, max_iter=2000).fit(100 * (mapped - mapped.mean(axis=0)), codes)
        fitted[name, "shares"] = fitted[name].predict_proba(100 * (mapped - mapped.mean(axis=0)))
    assert np.ptp(fitted["before", "shares"], axis=0).max() > 0.5
    np.testing.assert_allclose(fitted["after", "shares"], np.tile(np.bincount(codes) / 2000, (2000, 1)), atol=1e-4)


def test_a_random_projection_takes_away_as_many_directions():
    projection = random_projection(3, 9, rng()).matrix
    assert np.trace(projection) == pytest.approx(6)
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-12)


def test_a_turned_projection_does_to_a_random_space_what_it_did_to_its_own():
    source = np.random.default_rng(0)
    directions, first, second = source.normal(size=(2, 12)), source.normal(size=(3, 12)), source.normal(size=(3, 12))
    planned = calibrated_projection(directions, first, second, 5.0)
    matrix = planned.matrix
    basis = np.linalg.svd(np.vstack([directions, contrast(first, second)]), full_matrices=False)[2]
    np.testing.assert_allclose(basis.T @ basis @ (matrix - np.eye(12)) @ basis.T @ basis, matrix - np.eye(12), atol=1e-9)
    moved = turned_at_random(planned, basis, source).matrix
    np.testing.assert_allclose(np.linalg.svd(moved)[1], np.linalg.svd(matrix)[1], atol=1e-9)
    assert not np.allclose(moved, matrix)
