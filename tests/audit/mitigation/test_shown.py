"""Answers of the shown half under a map, computed without mapping its images: those that mapped embeddings give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.linear_maps import LinearMap, orthogonal_projection, unit
from audit.measure import predict
from audit.mitigation.shown import ShownHalf
from audit.types import UNKNOWN, Claim, LabelSet, Measurement, ModelRecord
from audit.whatif.asked import AskedMeasurement

D, N = 12, 600
KINDS = ("cup", "jar", "pot")
PROMPTS = {kind: (f"a {kind}", f"one {kind}") for kind in KINDS}
"""Two prompts of each kind: their mean is taken after the map."""


RECORD = ModelRecord("m", "k", "f", "s", 0, D, "float32", "softmax", 20.0, None, "a", "p", "t")


def half(combine="argmax", rule="softmax", towers=("image", "text"), truth="kind"):
    rng = np.random.default_rng(5)
    answers = {} if combine == "argmax" else {"cup": "vessel", "jar": "vessel"}
    labels = LabelSet("kinds", KINDS, PROMPTS, answers=answers, combine=combine)
    measurement = Measurement("kind", "Which?", labels, "made v1", (Claim("accuracy", ("side",)),), truth=truth)
    kinds = np.array(["cup", "jar", "pot"] if combine == "argmax" else ["vessel", "vessel", "pot"])[rng.integers(3, size=N)].astype(object)
    kinds[:7] = UNKNOWN
    attributes = pd.DataFrame({"kind": kinds, "side": np.array(["l", "r"])[rng.integers(2, size=N)]}, dtype="str")
    texts = {text: rng.normal(size=D).astype("f4") for texts in PROMPTS.values() for text in texts}
    record = replace(RECORD, score_rule=rule, logit_bias=-1.0 if rule == "sigmoid" else None)
    images = (rng.normal(size=(N, D)) * rng.uniform(0.1, 9, (N, 1))).astype("f4")
    return ShownHalf(AskedMeasurement(measurement, record, images, texts, attributes), None, (), towers)


def by_mapping(shown, change):
    """Every embedding times the matrix, and the audit's own way to answer."""
    task, matrix = shown.task, change.matrix
    images = unit(task.image_embeddings) @ matrix.T if "image" in shown.towers else task.image_embeddings
    texts = {prompt: matrix @ unit(vector) for prompt, vector in task.text_embeddings.items()}
    return predict(task.measurement, task.record, images, texts, task.attributes)


RNG = np.random.default_rng(8)
MAPS = {
    "symmetric": orthogonal_projection(RNG.normal(size=(2, D))),
    "oblique": LinearMap(RNG.normal(size=(D, 2)), 0.3 * RNG.normal(size=(2, D))),
}


@pytest.mark.parametrize("towers", [("image", "text"), ("text",)])
@pytest.mark.parametrize("form", MAPS)
@pytest.mark.parametrize(("combine", "rule"), [("argmax", "softmax"), ("sum", "softmax"), ("sum", "sigmoid")])
@pytest.mark.parametrize("truth", ["kind", None])
def test_answers_are_those_of_mapped_embeddings(towers, form, combine, rule, truth):
    shown = half(combine, rule, towers, truth)
    ours, theirs = shown.answers(MAPS[form]), by_mapping(shown, MAPS[form])
    assert len(ours.y_pred) == N - 7 * (truth is not None)
    assert ours.y_pred.tolist() == theirs.y_pred.tolist()
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)  # stored in single precision
    np.testing.assert_allclose(ours.margin, theirs.margin, atol=1e-6)
    assert ours.attributes.equals(theirs.attributes)
    assert (ours.y_true is None) == (theirs.y_true is None)
    assert truth is None or ours.y_true.tolist() == theirs.y_true.tolist()
    assert ours.y_pred.tolist() != shown.task.answers().y_pred.tolist()  # the map changes some answers
