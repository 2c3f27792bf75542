"""Tagging's own labels: those that are planted for one gender are found and named in the section, random ones are not."""

import numpy as np
import pytest

import audit
import probes
from audit.types import LoadOptions
from reports.render import render
from strictio.images.decode import decode
from tests.probes.made.tagging import make
from tests.support.page_text import text_of
from tests.support.planted import DIMENSIONS, Refuser, pixels, text_direction

WORDS = probes.get("tagging").analyses[0].labels
PLANTED = {"Female": ("nanny", "brown hair", "a smile"), "Male": ("mobster", "a necktie")}


class Tagger(Refuser):
    """Fits the planted labels to the portraits of each gender, and a microphone to every portrait."""

    # At 100, the chance cosines of four random directions would leave the worst of four labels under 4 %.
    logit_scale = 25.0

    def __init__(self, folder):
        dataset = probes.get("tagging").load(LoadOptions(folder))
        self.rows = {}
        for content, gender in zip(dataset.images, dataset.attributes["gender"], strict=True):
            labels = (*PLANTED.get(gender, ()), "a microphone")
            self.rows[pixels(decode(content).image)] = np.sum([text_direction(WORDS[label][0]) for label in labels], axis=0)

    def encode_images(self, images):
        return np.stack([self.rows.get(pixels(image), text_direction("a picture that is no portrait")) for image in images])


class Random(Refuser):
    """Gives every portrait labels that have nothing to do with who is shown."""

    def __init__(self, seed):
        self.seed = seed

    def encode_images(self, images):
        drawn = [np.random.default_rng([self.seed, *pixels(image)]) for image in images]
        return np.stack([rng.normal(size=DIMENSIONS) for rng in drawn])


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    """64 women, 45 men, one who is not known."""
    folder = tmp_path_factory.mktemp("portraits")
    make(folder)
    return folder


def asked(model, portraits):
    return audit.audit(model=model, probe="tagging", data=portraits, draws=199, no_cache=True)


def signals(results):
    found = results.audits[0].analyses["taggings"]
    return {
        (each.attribute, each.threshold, label.label, label.most) for each in found for label in each.labels if label.verdict == "signal"
    }


@pytest.mark.slow
def test_labels_that_are_planted_for_a_gender_are_found_at_both_thresholds_and_said_in_the_section(portraits):
    found = asked(Tagger(portraits), portraits).results
    expected = {
        ("gender", threshold, label, gender) for threshold in (0.005, 0.04) for gender, labels in PLANTED.items() for label in labels
    }
    assert signals(found) == expected
    page = " ".join(text_of(render(found)).split())
    assert "10 of 820 comparisons (each label by each attribute and threshold; false discovery rate 5 %) are beyond chance." in page
    assert "By gender, labels above 0.5 %: 5 of 205 labels beyond chance." in page
    assert "in 100.0 % of 64 images, Male in 0.0 % of 45 images" in page
    labels = {label.label: label for label in found.audits[0].analyses["taggings"][0].labels}
    assert labels["a microphone"].counts == (64, 45)
    assert labels["nanny"].counts == (64, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_model_gives_labels_and_no_signal_and_is_not_called_fair(portraits, seed):
    found = asked(Random(seed), portraits).results
    assert signals(found) == set()
    assert sum(sum(label.counts) for label in found.audits[0].analyses["taggings"][0].labels) > 500
    page = " ".join(text_of(render(found)).split())
    assert "None of 820 comparisons" in page
    assert "it is undecided whether groups get labels unequally often." in page
