"""Examples: few, small, without metadata, and only where they were asked for."""

import base64
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

import audit
from audit.engine.examples import SIDE, thumbnail, with_examples
from audit.results import Example
from audit.types import Claim, Dataset, LabelSet, Measurement, Probe
from reports.render import render
from strictio.images.decode import decode


def photo(colour, size=(400, 200), **saved):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", **saved)
    return buffer.getvalue()


def opened(example):
    return Image.open(io.BytesIO(base64.b64decode(example)))


def test_a_thumbnail_is_small_and_holds_no_metadata():
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    drawn = opened(thumbnail(decode(photo("red", exif=exif, comment=b"a secret comment")).image))
    assert drawn.size == (SIDE, SIDE // 2)
    assert not drawn.getexif()
    assert b"secret" not in base64.b64decode(thumbnail(decode(photo("red", exif=exif, comment=b"a secret comment")).image))


@pytest.fixture
def audited(fake_encoder):
    # Mean colours between red ("woman") and green ("man"): the middle one is the least certain.
    shades = [(255, 0, 0), (200, 60, 0), (130, 128, 0), (60, 200, 0), (0, 255, 0)] * 2
    attributes = pd.DataFrame({"gender": ["Female", "Male"] * 5}, index=[f"secret-{i}.jpg" for i in range(10)])
    data = Dataset("shades", [photo(shade) for shade in shades], attributes, {"gender": ("Female", "Male")}, "5" * 64, "made", "CC BY 4.0")
    labels = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
    asked = Measurement("gender", "Which?", labels, "test v1", (Claim("accuracy", ("gender",)),), truth="gender")
    probe = Probe("shades", "Which?", lambda options: data, (asked,), "made", "none", (), ("the rest",))
    fake_encoder.axes = {"woman": [1.0, 0.0, 0.0], "man": [0.0, 1.0, 0.0]}
    return audit.audit(fake_encoder, probe), data


def test_the_least_certain_images_come_first_and_no_more_than_there_are(audited):
    found, data = audited
    examples = with_examples(found.audited[0], data, 2).result.examples
    assert len(examples) == 2
    for example in examples:
        red, green, _ = np.asarray(opened(example.jpeg).convert("RGB"), float).mean(axis=(0, 1))
        assert abs(red - green) < 10
    assert len(with_examples(found.audited[0], data, 100).result.examples) == 10


def test_the_page_folds_them_away_with_the_licence_and_without_names(audited):
    found, data = audited
    result = with_examples(found.audited[0], data, 3).result
    page = render(replace(found.results, audits=(result,)))
    plain = render(found.results)
    assert page.count('<img src="data:image/jpeg;base64,') == 3
    assert "<details>\n<summary>Examples: may show people</summary>" in page
    assert "CC BY 4.0" in page.split("Examples: may show people")[1].split("</details>")[0]
    assert "secret-" not in page
    assert "<img" not in plain
    assert "This report contains neither images nor names of image files." in plain


@pytest.mark.parametrize("text", ['"><script>', "a b", "../x", ""])
def test_a_result_that_is_no_picture_is_refused(text):
    with pytest.raises(ValidationError):
        Example("gender", text)
