"""Linear probes: as scikit-learn and a plain minimiser have them, by hand, and on whichever side of a split images belong."""

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize

from audit.extensions.few_shot.computation import best_strength, learned_answers, shots_of, split_units, units_of
from probes.prompts import emoji_drawings
from tests.support.tiny import write_checkpoint


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    from audit.models.spec import load

    return load(str(write_checkpoint(tmp_path_factory.mktemp("model") / "ckpt.pt")))


def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = [Image.fromarray((image * 15).astype(np.uint8)).resize((32, 32)).convert("RGB") for image in found.images[:400]]
    return pictures, found.target[:400].astype(str)


def drawings():
    folder = emoji_drawings.drawings_folder()
    names = list(emoji_drawings.drawing_names(folder).items())[::3]
    pictures = [Image.open(folder / f"{stem}.png").convert("RGBA").convert("RGB") for stem, _ in names]
    return pictures, np.array([tone for _, (*_, tone) in names])


@pytest.mark.slow
@pytest.mark.parametrize("data", [digits, drawings])
def test_accuracy_is_that_of_scikit_learn_on_the_embeddings_of_our_own_encoder(encoder, data):
    """By scikit-learn alone: unit length, LogisticRegression in all dimensions, a weak and a strong penalty."""
    from sklearn.linear_model import LogisticRegression

    pictures, labels = data()
    vectors = np.concatenate([encoder.encode_images(pictures[start : start + 64]) for start in range(0, len(pictures), 64)])
    parts = split_units(labels, units_of(list(map(str, range(len(labels))))), np.random.default_rng(0))
    unit = vectors.astype(float) / np.linalg.norm(vectors, axis=1, keepdims=True)
    for strength in (1.0, 100.0):
        for rows in (parts.train, parts.train[shots_of(labels[parts.train], 4, np.random.default_rng(1))]):
            plain = LogisticRegression(C=strength, max_iter=1000).fit(unit[rows], labels[rows])
            answers, shares, classes = learned_answers(vectors[rows], labels[rows], vectors[parts.test], strength)
            ours = float(np.mean(answers == labels[parts.test]))
            assert ours == pytest.approx(plain.score(unit[parts.test], labels[parts.test]), abs=1e-3)
            assert classes == tuple(plain.classes_)
            np.testing.assert_allclose(shares, plain.predict_proba(unit[parts.test]), atol=5e-3)


def test_two_classes_are_as_a_plain_minimiser_of_the_penalised_loss_has_them():
    """C times the sum of -log p, plus half the squared weights, without a penalty on the intercept."""
    rng = np.random.default_rng(0)
    train, labels = rng.normal(size=(12, 30)), np.array(["a", "b"] * 6)
    unit, sign, strength = train / np.linalg.norm(train, axis=1, keepdims=True), np.where(labels == "b", 1.0, -1.0), 10.0

    def loss(w):
        return strength * np.logaddexp(0, -sign * (unit @ w[:-1] + w[-1])).sum() + w[:-1] @ w[:-1] / 2

    found = minimize(loss, np.zeros(31)).x
    test = rng.normal(size=(8, 30))
    expected = 1 / (1 + np.exp(-(test / np.linalg.norm(test, axis=1, keepdims=True) @ found[:-1] + found[-1])))
    np.testing.assert_allclose(learned_answers(train, labels, test, strength)[1][:, 1], expected, atol=2e-3)


def test_neither_the_length_of_embeddings_nor_their_order_changes_answers():
    rng = np.random.default_rng(2)
    train, labels, test = rng.normal(size=(30, 8)), np.array(list("abc") * 10), rng.normal(size=(20, 8))
    first = learned_answers(train, labels, test, 10.0)[0]
    np.testing.assert_array_equal(learned_answers(7 * train, labels, test / 3, 10.0)[0], first)
    order = rng.permutation(30)
    np.testing.assert_array_equal(learned_answers(train[order], labels[order], test, 10.0)[0], first)


def test_what_belongs_together_stays_on_one_side_and_every_class_is_learned():
    """60 images: 30 pairs of equal content, of which some also share a person. Half of 10 units a class is learned from."""
    contents = [f"c{row // 2}" for row in range(60)]
    people = [f"p{row // 4}" if row < 20 else f"alone {row}" for row in range(60)]
    units = units_of(contents, people)
    assert len(set(units.tolist())) == 5 + 20
    labels = np.array([("a", "b", "c")[row // 20] for row in range(60)])
    parts = split_units(labels, units, np.random.default_rng(0))
    sides = [set(units[rows].tolist()) for rows in (parts.train, parts.held_out, parts.test)]
    assert len(set().union(*sides)) == sum(map(len, sides))
    assert sum(map(len, sides)) == 25
    assert len(sides[1]) == (3 + 5 + 5) // 5
    assert set(labels[parts.train]) == {"a", "b", "c"} == set(labels[parts.test])


def test_shots_are_of_each_class_and_a_class_with_fewer_gives_all_it_has():
    """Five of a, two of b: three shots are three of a and both of b."""
    labels = np.array(list("aaaaabb"))
    drawn = shots_of(labels, 3, np.random.default_rng(0))
    assert labels[drawn].tolist() == list("aaabb")
    assert len(set(drawn.tolist())) == 5


def test_the_penalty_is_chosen_on_held_out_images_alone():
    """Without any it is 1. Of penalties that answer alike the strongest is taken: two points on two axes are told by every one."""
    points, labels = np.array([[1.0, 0], [0, 1.0], [1.0, 0.1], [0.1, 1.0]]), np.array(list("abab"))
    assert best_strength(points, labels, [np.array([0, 1])], np.array([], int)) == 1.0
    assert best_strength(points, labels, [np.array([0, 1])], np.array([2, 3])) == 0.1
