"""Folders of transformers' image classifiers: the probabilities of its pipeline, and nothing of them is run."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers as hf

from audit.errors import DataError, UnsafeError
from audit.measure.zero_shot import probabilities_of_logits
from audit.models import load
from audit.types import Classifier, Encoder, model_type
from tests.support.classifiers import FAMILIES, folder, vit
from tests.support.model_folders import edited, evil, noise_and_colours, refused
from tests.support.notes import sentences


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("people") / "vit")


@pytest.fixture
def copy(people, tmp_path):
    return shutil.copytree(people, tmp_path / "copy")


def of_pipeline(path, images):
    """One dictionary of probabilities per image, as the peers' pipeline gives them."""
    pipe = hf.pipeline("image-classification", model=str(path), top_k=100_000)
    return [{row["label"]: row["score"] for row in pipe(image)} for image in images]


def probabilities(classifier, images):
    return probabilities_of_logits(classifier.encode_images(images).astype(float), classifier.record)


@pytest.mark.slow_except("convnext")
@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_are_those_of_the_pipeline(family, tmp_path):
    path = folder(tmp_path / family, FAMILIES[family], ("a", "b", "c"))
    classifier, images = load(str(path)), noise_and_colours((300, 64))
    assert isinstance(classifier, Classifier)
    assert not isinstance(classifier, Encoder)
    assert model_type(classifier) == "classifier"
    assert classifier.labels == ("a", "b", "c")
    own = probabilities(classifier, images)
    assert np.ptp(own, axis=0).min() > 1e-4, "a constant would be equal for the wrong reason"
    for row, expected in zip(own, of_pipeline(path, images), strict=True):
        np.testing.assert_allclose(row, [expected[label] for label in classifier.labels], atol=1e-5)


def test_a_multi_label_model_gives_each_label_its_own_probability(tmp_path):
    path = folder(tmp_path / "several", vit, ("a", "b", "c"), problem_type="multi_label_classification")
    classifier, images = load(str(path)), noise_and_colours((300, 64))
    assert classifier.record.score_rule == "sigmoid"
    for row, expected in zip(probabilities(classifier, images), of_pipeline(path, images), strict=True):
        np.testing.assert_allclose(row, [expected[label] for label in "abc"], atol=1e-5)


def test_a_single_label_gets_its_complement(tmp_path):
    path = folder(tmp_path / "one", vit, ("unsafe",))
    classifier, images = load(str(path)), noise_and_colours((300, 64))
    assert classifier.labels == ("unsafe", "not unsafe")
    for row, expected in zip(probabilities(classifier, images), of_pipeline(path, images), strict=True):
        np.testing.assert_allclose(row, [expected["unsafe"], 1 - expected["unsafe"]], atol=1e-5)
    assert any("given from 50" in text for text in sentences(classifier.record.notes))


def test_equal_names_are_told_apart_and_thousands_of_labels_are_read(tmp_path):
    names = [f"class {number}" for number in range(5000)]
    names[134] = names[517] = "crane"
    classifier = load(str(folder(tmp_path / "many", vit, names)))
    assert len(classifier.labels) == len(set(classifier.labels)) == 5000
    assert (classifier.labels[134], classifier.labels[517], classifier.labels[0]) == ("crane (134)", "crane (517)", "class 0")
    assert classifier.encode_images(noise_and_colours((300, 64))).shape == (12, 5000)


def test_labels_without_names_are_said_to_be_guessed(tmp_path):
    classifier = load(str(folder(tmp_path / "unnamed", vit, ("LABEL_0", "LABEL_1"))))
    assert any(text.startswith("Guessed") for text in sentences(classifier.record.notes))


def test_the_fingerprint_is_that_of_weights_labels_and_preprocessing(people, copy):
    first = load(str(people)).record.fingerprint
    assert load(str(copy)).record.fingerprint == first
    edited(copy / "preprocessor_config.json", {"image_mean": [0.1, 0.2, 0.3]})
    assert load(str(copy)).record.fingerprint != first


def test_the_untrained_control_has_other_weights(people):
    classifier, images = load(str(people)), noise_and_colours((300, 64))
    control = classifier.untrained(1)
    assert control.record.fingerprint != classifier.record.fingerprint
    assert not np.allclose(control.encode_images(images), classifier.encode_images(images))


# ---- refused ---------------------------------------------------------------------------------------------------------------------------


def test_pickled_weights_that_run_code_are_refused(copy, tmp_path):
    (copy / "model.safetensors").unlink()
    canary = tmp_path / "CANARY"
    torch.save({"classifier.weight": evil(canary)}, copy / "pytorch_model.bin")
    refused(copy, UnsafeError)
    assert not canary.exists()


def test_code_of_an_author_is_refused(copy, tmp_path):
    canary = tmp_path / "CANARY"
    (copy / "x.py").write_text(f"open({str(canary)!r}, 'w')\nclass M: pass\n")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForImageClassification": "x.M"}}))
    refused(copy, UnsafeError, "asks for code")
    assert not canary.exists()


def test_weights_that_do_not_fit_the_labels_are_refused(copy):
    edited(copy / "config.json", {"id2label": {"0": "a", "1": "b", "2": "c"}})
    refused(copy, DataError, "do not fit")


def test_a_regression_is_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "problem_type": "regression"}))
    refused(copy, DataError, "predicts numbers")


def test_a_folder_without_preprocessing_is_refused(copy):
    (copy / "preprocessor_config.json").unlink()
    refused(copy, DataError, "no preprocessor_config.json")


def test_a_name_that_is_no_class_of_its_type_is_not_a_classifier(copy):
    edited(copy / "config.json", {"architectures": ["MineForImageClassification"]})
    refused(copy, DataError, "no tokenizer")
