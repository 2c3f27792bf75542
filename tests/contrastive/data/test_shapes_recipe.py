"""A run as short as can be of the shapes recipe learns colour and count; the benchmark of objectives counts samples rightly."""

import pytest

from benchmarks.training import objectives as comparison
from contrastive.config import read_config
from contrastive.data.shapes import KINDS, ShapeImages
from contrastive.loss import Contrast
from contrastive.training import loop
from tests.support.zero_shot import caption_scores, shape_accuracy, shape_captions

pytestmark = pytest.mark.usefixtures("one_thread")


def asked(training, inputs):
    new = ShapeImages(144, seed=1)
    images = inputs.preprocess([new.image(index) for index in range(144)])
    scores = caption_scores(training.model, Contrast(), images, inputs.tokenizer(shape_captions()))
    return shape_accuracy(scores, range(len(KINDS)))


@pytest.mark.slow
def test_the_first_steps_of_the_recipe_are_learned_from():
    inputs = loop.prepare(read_config("shapes", ["optim.steps=6", "optim.warmup=2", "optim.lr=2e-3", "data.batch=48"]))
    training = loop.start(inputs)
    first, *_, last = [loop.take_step(training, inputs)["loss"] for _ in range(6)]
    assert last < first
    assert asked(training, inputs).keys() == {"colour", "shape", "count", "size"}


@pytest.mark.slow
def test_an_eighth_of_the_recipe_already_tells_new_pictures_apart():
    # At twice its rate: a run as short as this has no time for bare words anyway.
    inputs = loop.prepare(read_config("shapes", ["optim.steps=60", "optim.warmup=10", "optim.lr=2e-3", "data.batch=96"]))
    training = loop.start(inputs)
    before = asked(training, inputs)
    for _ in range(60):
        loop.take_step(training, inputs)
    after = asked(training, inputs)
    assert before["colour"] < 0.5
    assert before["count"] < 0.6
    assert after["colour"] >= 0.9
    assert after["count"] >= 0.85


def test_samples_to_a_target_lie_on_a_line_over_their_logarithm():
    curve = [(100, 0.2), (400, 0.6), (800, 0.5)]
    # 0.4 is half-way between 100 and 400 in the logarithm.
    assert [comparison.samples_to(curve, share) for share in (0.1, 0.4, 0.6)] == pytest.approx([100, 200, 400])
    assert comparison.samples_to(curve, 0.7) is None


def test_seeds_are_averaged_point_by_point():
    assert comparison.mean_of([[(10, 0.2), (20, 0.6)], [(10, 0.4), (20, 1.0)]]) == [(10, pytest.approx(0.3)), (20, 0.8)]


def test_the_table_states_the_ratio_that_was_measured(tmp_path):
    # The weakest reaches 0.4, so the samples to 0.2 and 0.4 are compared: 800 for itself, and on the others' lines over the logarithm.
    curves = {"caption": [(100, 0.0), (800, 0.5)], "bag-of-words": [(100, 0.1), (800, 0.4)], "contrastive": [(100, 0.0), (200, 0.95)]}
    assert comparison.targets(curves) == (0.2, 0.4)
    caption, bag, contrastive = comparison.table(curves).splitlines()[1:]
    quick, slow = 100 * 2 ** (0.4 / 0.95), 100 * 8 ** (0.4 / 0.5)
    assert f"{slow:,.0f} ({slow / quick:.2f}x)" in caption
    assert f"800 ({800 / quick:.2f}x)" in bag
    assert contrastive.count("(1.00x)") == 2
    comparison.draw(curves, tmp_path)
    drawing = (tmp_path / "objectives.svg").read_text()
    assert all(kind in drawing for kind in curves)
