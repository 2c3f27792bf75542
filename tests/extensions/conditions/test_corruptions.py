"""Corrupted pictures: nothing at strength 0, more at each strength, always the same, and the word that is printed can be seen."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from audit.extensions.conditions.corruptions import CORRUPTIONS, corruption, under, word_overlay
from audit.testing import four_faces, png
from strictio.images.decode import decode
from tests.support.planted import picture

PICTURE = picture(7, (48, 40))


def pixels(content):
    return np.asarray(decode(content).image, float)


def smooth():
    """A picture as cameras take them: a slope of grey with a dark square, so that blur, contrast and pixels show."""
    grey = np.tile(np.linspace(60, 180, 48), (40, 1)) + np.random.default_rng(3).normal(0, 20, (40, 48))
    grey[10:30, 15:33] = 20
    return _file(np.stack([np.clip(grey, 0, 255).astype(np.uint8)] * 3, axis=2))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_strength_0_keeps_every_byte_and_each_further_one_changes_more(name):
    content = smooth()
    assert corruption(name, 0)(0, content) == content
    moved = [np.abs(pixels(corruption(name, at)(0, content)) - pixels(content)).mean() for at in range(1, 6)]
    assert all(later > 0.9 * earlier for earlier, later in pairwise(moved))  # squares that fit the picture's own pixels change less
    assert moved[4] > 1.3 * moved[0]
    assert moved[0] > 0.2
    assert corruption(name, 3)(5, content) == corruption(name, 3)(0, content)  # whatever its row
    assert decode(corruption(name, 5)(0, PICTURE)).image.size == (48, 40)


def test_parameters_by_hand():
    grey = png((100, 100, 100))
    assert pixels(corruption("brightness", 1)(0, grey))[0, 0].tolist() == [126, 126, 126]  # 100 + 25.5, rounded to even
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, 4:] = 200  # mean 100: a tenth of the contrast leaves 90 and 110
    flat = corruption("contrast", 5)(0, _file(half))
    assert {*pixels(flat)[..., 0].ravel().tolist()} == {90.0, 110.0}
    coarse = pixels(corruption("pixelate", 5)(0, smooth()))
    assert len(np.unique(coarse[0], axis=0)) <= 10  # a fifth of 48
    noise = pixels(corruption("Gaussian noise", 5)(0, png((128, 128, 128), (64, 64)))) / 255
    assert noise.std() == pytest.approx(0.26, abs=0.02)  # clipped at both ends
    shot = pixels(corruption("shot noise", 2)(0, png((128, 128, 128), (64, 64)))) / 255
    assert shot.std() == pytest.approx(np.sqrt(128 / 255 / 25), abs=0.01)  # Poisson


def _file(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["defocus blur", "motion blur"])
def test_blur_keeps_the_mean_and_a_plain_picture(name):
    plain = png((10, 200, 90), (40, 40))
    assert corruption(name, 5)(0, plain) != plain  # encoded anew
    assert (pixels(corruption(name, 5)(0, plain)) == pixels(plain)).all()
    assert pixels(corruption(name, 5)(0, smooth())).mean() == pytest.approx(pixels(smooth()).mean(), abs=3)


def test_a_word_is_printed_on_the_lower_quarter():
    content = png((255, 0, 0), (80, 80))
    with_word = pixels(word_overlay(["dog"])(0, content))
    assert (with_word[:60] == pixels(content)[:60]).all()
    strip = with_word[60:]
    assert (strip[0] == 255).all()
    assert (strip.min(axis=2) < 60).mean() > 0.05  # black ink
    other = pixels(word_overlay(["a much longer word"])(0, content))
    assert (other[60:] != strip).any()
    assert (other[60:, [0, -1]] == 255).all()  # it ends before the edge
    assert pixels(word_overlay(["x"])(0, picture(1, (8, 8))))[0, 0].tolist() == pixels(picture(1, (8, 8)))[0, 0].tolist()


def test_changes_lie_one_after_the_other():
    faces = four_faces()
    changed = under(faces, [3, 1], [corruption("JPEG", 0), corruption("brightness", 1), word_overlay(["p", "q", "r", "s"])])
    assert list(changed.attributes.index) == ["d", "b"] * 3
    assert changed.images[0] == faces.images[3]
    assert changed.images[5] == word_overlay(["", "q"])(1, faces.images[1])
