"""The two halves: by cluster, from a seed that the data determine, and refused where a half could show nothing."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError
from audit.extensions.mitigate.halves import LEFT_OUT, fitted_groups, fitted_half, identifiers_sha256, require_units, split_seed
from audit.measure.embedded import fit_half


def test_the_seed_follows_from_the_data_alone():
    """The first 32 bits of the sha256 of "halves of a" and "halves of b", in every version: another seed gives other results."""
    assert (split_seed("a"), split_seed("b")) == (0xFAF307B0, 0x5C48529F)


def test_groups_that_could_fill_no_half_are_left_out():
    """30 images a half: A has 60, B 61, C 59."""
    attribute = pd.Series(["A"] * 60 + ["B"] * 61 + ["C"] * 59 + ["unknown"] * 9, name="side")
    codes, groups = fitted_groups(attribute, ("C", "B", "A"), 30)
    assert groups == ("B", "A")
    assert [int((codes == code).sum()) for code in (0, 1, LEFT_OUT)] == [61, 60, 68]
    with pytest.raises(DataError, match="fewer than two groups of 'side' have 122 images, 61 in each half") as caught:
        fitted_groups(attribute, ("C", "B", "A"), 61)
    assert "C: 59, B: 61, A: 60" in caught.value.why


def test_halves_are_those_of_the_what_ifs_where_groups_have_enough_clusters():
    units = [f"person {i // 2}" for i in range(200)]
    codes = np.arange(200) % 2
    assert fitted_half(units, codes, 5).tolist() == fit_half(units, 5).tolist()


@pytest.mark.slow
def test_rare_groups_are_halved_by_themselves():
    """30 people of group B among 1,000: half of them are 15, in any seed, where chance would give 15 only sometimes."""
    units = [f"person {i}" for i in range(1030)]
    codes = np.array([0] * 1000 + [1] * 30)
    plain = [int(fit_half(units, seed)[codes == 1].sum()) for seed in range(40)]
    assert min(plain) < 15 < max(plain)
    for seed in range(40):
        half = fitted_half(units, codes, seed)
        assert half[codes == 1].sum() == 15
        assert 450 <= half.sum() <= 550
        require_units(units, codes, half, ("A", "B"), "person")


def test_images_of_a_cluster_stay_together_and_their_order_does_not_matter():
    rng = np.random.default_rng(0)
    owner = rng.integers(0, 60, 400)
    units, codes = [f"scene {i}" for i in owner], (owner < 34).astype(int)
    half = fitted_half(units, codes, 3)
    assert not {unit for unit, fit in zip(units, half, strict=True) if fit} & {
        unit for unit, fit in zip(units, half, strict=True) if not fit
    }
    order = rng.permutation(400)
    assert fitted_half([units[i] for i in order], codes[order], 3).tolist() == half[order].tolist()


def test_14_clusters_of_a_group_in_a_half_are_refused_with_the_count():
    units, codes = [f"person {i}" for i in range(129)], np.array([0] * 100 + [1] * 29)
    half = fitted_half(units, codes, 0)
    with pytest.raises(DataError, match=r"the group 'B' has 14 clusters \(person\) in the \w+ half") as caught:
        require_units(units, codes, half, ("A", "B"), "person")
    assert "15 are needed" in caught.value.why


def test_identifiers_are_hashed_in_any_order():
    assert identifiers_sha256(["b", "a"]) == identifiers_sha256(["a", "b"]) != identifiers_sha256(["a", "c"])
