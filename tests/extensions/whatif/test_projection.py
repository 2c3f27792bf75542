"""Projections against their formulas on small matrices, and a planted direction that they find."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score

from audit.errors import UsageError
from audit.extensions.whatif.projection import drop_dimensions, most_telling, mutual_information, project
from audit.linear_maps import calibrated_projection, orthogonal_projection, removed_share, unit
from audit.measure.embedded import AskedMeasurement
from audit.measure.zero_shot import cosine_scores
from audit.types import LabelSet, Measurement, ModelRecord

RECORD = ModelRecord("m", "k", "f", "s", 0, 3, "float32", "softmax", 10.0, None, "a", "p", "t")


def rng(seed=0):
    return np.random.default_rng(seed)


def asked(images, texts):
    labels = tuple(texts)
    rows = pd.DataFrame({"g": ["x"] * len(images)}, dtype="str")
    measurement = Measurement("m", "?", LabelSet("l", labels, {label: (label,) for label in labels}), "p", ())
    return AskedMeasurement(
        measurement, RECORD, np.asarray(images, float), {label: np.asarray(vector, float) for label, vector in texts.items()}, rows
    )


def test_projected_texts_and_images_where_a_projection_that_is_not_symmetric_is_applied_from_the_left():
    source = rng(4)
    images, directions = source.normal(size=(50, 6)), source.normal(size=(1, 6))
    texts = {"a": source.normal(size=6), "b": source.normal(size=6)}
    projection = orthogonal_projection(directions)
    given = asked(images, texts)
    np.testing.assert_allclose(
        project(given, projection, directions).text_embeddings["a"], projection.matrix @ unit(texts["a"]), atol=1e-12
    )
    assert project(given, projection, directions).image_embeddings is given.image_embeddings
    both = project(given, projection, directions, images=True)
    np.testing.assert_allclose(both.image_embeddings @ directions[0], 0, atol=1e-12)
    expected = cosine_scores(images @ projection.matrix, np.stack(list(texts.values())) @ projection.matrix)
    assert both.answers().y_pred.tolist() == np.array(["a", "b"])[expected.argmax(axis=1)].tolist()
    source = rng(9)
    directions, first, second = source.normal(size=(1, 6)), source.normal(size=(2, 6)), source.normal(size=(2, 6))
    projection = calibrated_projection(directions, first, second, 100.0)
    assert not np.allclose(projection.matrix, projection.matrix.T)
    text = source.normal(size=6)
    text -= 0.9 * (text @ unit(directions)[0]) * unit(directions)[0]
    after = project(asked(source.normal(size=(4, 6)), {"a": text, "b": text + 1}), projection, directions, images=True)
    np.testing.assert_allclose(after.text_embeddings["a"], projection.matrix @ unit(text), atol=1e-12)


def test_lengths_and_rotations_do_not_matter():
    source = rng(5)
    images, directions = source.normal(size=(80, 5)), source.normal(size=(1, 5))
    texts = {label: source.normal(size=5) + 3 * np.eye(5)[i] for i, label in enumerate("abc")}
    turn, _ = np.linalg.qr(source.normal(size=(5, 5)))

    def answers(scale, turn):
        given = asked(scale * images @ turn, {label: vector @ turn for label, vector in texts.items()})
        turned = directions @ turn
        return project(given, orthogonal_projection(turned), turned, images=True).answers().y_pred.tolist()

    assert answers(1.0, np.eye(5)) == answers(7.0, np.eye(5)) == answers(1.0, turn)


def test_a_query_about_the_attribute_is_refused():
    directions = np.array([[1.0, -1.0, 0.0]])
    texts = {"a doctor": [0.2, 0.0, 1.0], "a man": [1.0, -0.8, 0.3]}
    assert removed_share(directions, np.array(list(texts.values()))) == pytest.approx([0.02 / 1.04, 1.62 / 1.73])
    with pytest.raises(UsageError, match="'a man' is itself about the attribute"):
        project(asked(np.eye(3), texts), orthogonal_projection(directions), directions)


def test_mutual_information_equals_scikit_learn():
    source = rng(6)
    codes = source.integers(0, 3, 600)
    vectors = source.normal(size=(600, 5)) + np.outer(codes, [1.0, 0.0, 0.3, 0.0, -2.0])
    found = mutual_information(vectors, codes, bins=8)
    for coordinate in range(5):
        edges = np.quantile(vectors[:, coordinate], np.arange(1, 8) / 8)
        assert found[coordinate] == pytest.approx(mutual_info_score(np.searchsorted(edges, vectors[:, coordinate]), codes), rel=1e-9)
    assert most_telling(found, 2).tolist() == [4, 0]
    assert most_telling(np.array([0.1, 0.3, 0.3, 0.2]), 2).tolist() == [1, 2]  # equals in order


def test_dropping_none_changes_nothing_and_dropping_one_forgets_it():
    source = rng(7)
    images = source.normal(size=(60, 4))
    texts = {label: source.normal(size=4) for label in "ab"}
    given = asked(images, texts)
    assert drop_dimensions(given, []).answers().scores == pytest.approx(given.answers().scores, abs=1e-6)
    dropped = drop_dimensions(given, [1, 3])
    assert dropped.image_embeddings.shape == (60, 2)
    changed = asked(images + source.normal(size=60)[:, None] * np.array([0, 0, 0, 0]), texts)
    assert drop_dimensions(changed, [1, 3]).answers().y_pred.tolist() == dropped.answers().y_pred.tolist()
    expected = cosine_scores(unit(images)[:, [0, 2]], np.stack([unit(texts[label])[[0, 2]] for label in "ab"]))
    assert dropped.answers().y_pred.tolist() == np.array(["a", "b"])[expected.argmax(axis=1)].tolist()


def planted(source, bias):
    """Images of two genders; 'nurse' and 'doctor' differ along what they show, and by `bias` along gender."""
    gender, job = np.repeat([1.0, -1.0], 200), np.tile([1.0, -1.0], 200)
    images = np.stack([gender, job, np.full(400, 2.0)], axis=1) + 0.4 * source.normal(size=(400, 3))
    texts = {"nurse": np.array([bias, 1.0, 2.0]), "doctor": np.array([-bias, -1.0, 2.0])}
    return asked(images, texts), gender > 0, job > 0


def gap(given, gender):
    nurse = given.answers().y_pred == "nurse"
    return abs(nurse[gender].mean() - nurse[~gender].mean())


def test_a_planted_direction_is_removed_and_a_random_one_is_not():
    source = rng(8)
    given, gender, job = planted(source, 0.8)
    directions = np.array([[1.0, 0.0, 0.0]])
    after = project(given, orthogonal_projection(directions), directions)
    assert gap(given, gender) > 0.25
    assert gap(after, gender) < 0.08
    right = [((each.answers().y_pred == "nurse") == job).mean() for each in (given, after)]
    assert right[1] > right[0]
    chance = []
    for _ in range(100):
        random = source.standard_normal((1, 3))
        if removed_share(random, np.stack(list(given.text_embeddings.values()))).max() <= 0.5:
            chance.append(gap(project(given, orthogonal_projection(random), random), gender))
    assert len(chance) > 30
    assert np.mean(np.array(chance) > gap(after, gender)) > 0.8


def test_the_mean_of_several_prompts_is_taken_after_the_projection():
    directions = np.array([[0.0, 0.0, 1.0]])
    texts = {"x": [1.0, 0.0, 0.2], "y": [0.0, 1.0, 0.2], "z": [-1.0, -1.0, 0.0]}
    given = asked([[1.0, 0.9, 0.0], [-1.0, -1.0, 0.1]], texts)
    label_set = LabelSet("l", ("xy", "z"), {"xy": ("x", "y"), "z": ("z",)})
    given = replace(given, measurement=replace(given.measurement, label_set=label_set))
    after = project(given, orthogonal_projection(directions), directions).answers()
    assert after.y_pred.tolist() == ["xy", "z"]
