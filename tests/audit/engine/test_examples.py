"""Examples: few, small, without metadata, and only where they were asked for; right and wrong answers only where the data say so."""

import base64
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

import audit
from audit.engine.examples import OF_EACH_KIND, SIDE, thumbnail, with_examples, with_pictures
from audit.results import Example
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe
from probes.faces import load as load_faces
from probes.prompts import emoji_drawings
from reports.render import render
from reports.sections.results.picture_rows import picture_rows
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


def test_a_probe_without_answers_has_no_examples(audited):
    found, data = audited
    done = replace(found.audited[0], predictions={})
    assert with_examples(done, data, 2) == done


@pytest.mark.slow
def test_the_least_certain_images_come_first_and_no_more_than_there_are(audited):
    found, data = audited
    examples = with_examples(found.audited[0], data, 2).result.examples
    assert len(examples) == 2
    for example in examples:
        red, green, _ = np.asarray(opened(example.jpeg).convert("RGB"), float).mean(axis=(0, 1))
        assert abs(red - green) < 10
    assert len(with_examples(found.audited[0], data, 100).result.examples) == 10


@pytest.mark.slow
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


# ---- right and wrong answers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def answered(fake_encoder):
    """40 women and 40 men, drawn in red and green; of the women, 10 are drawn in green and taken for men."""
    shades = [(255, 0, 0)] * 30 + [(0, 255, 0)] * 50
    attributes = pd.DataFrame({"gender": ["Female"] * 40 + ["Male"] * 40}, index=[f"secret-{i}.png" for i in range(80)])
    levels = {"gender": ("Female", "Male")}
    data = Dataset("shades", [photo(shade) for shade in shades], attributes, levels, "5" * 64, "made", "CC BY 4.0", showable=True)
    labels = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
    asked = Measurement("gender", "Which?", labels, "test v1", (Claim("accuracy", ("gender",)),), truth="gender")
    probe = Probe("shades", "Which?", lambda options: data, (asked,), "made", "none", (), ("the rest",))
    fake_encoder.axes = {"woman": [1.0, 0.0, 0.0], "man": [0.0, 1.0, 0.0]}
    return audit.audit(fake_encoder, probe), data


@pytest.mark.slow
def test_three_right_and_three_wrong_answers_of_every_group_are_shown_if_the_data_allow_it(answered):
    found, _ = answered
    (result,) = found.results.audits
    shown = [(picture.group, picture.right, picture.truth, picture.answer) for picture in result.pictures.pictures]

    # The worse group comes first; no man is taken for a woman.
    assert shown == [
        *[(("Female",), True, "Female", "Female")] * OF_EACH_KIND,
        *[(("Female",), False, "Female", "Male")] * OF_EACH_KIND,
        *[(("Male",), True, "Male", "Male")] * OF_EACH_KIND,
    ]
    for picture in result.pictures.pictures:
        red, green, _ = np.asarray(opened(picture.jpeg).convert("RGB"), float).mean(axis=(0, 1))
        assert (red > green) == (picture.answer == "Female")


def test_the_page_shows_the_answers_with_the_licence_and_without_names(answered):
    found, _ = answered
    page = render(found.results)
    figure = page.partition('<figure class="shown">')[2].partition("</figure>")[0]

    assert figure.count('<img src="data:image/jpeg;base64,') == 9
    assert figure.count("‘Male’, not ‘Female’") == 3
    assert "CC BY 4.0" in figure
    assert "secret-" not in page
    assert "This report contains 9 small copies of them, as the licence allows, without file names." in page
    assert [(row.group, len(row.right), len(row.wrong)) for row in picture_rows(found.results.audits[0])] == [
        ("Female", 3, 3),
        ("Male", 3, 0),
    ]


@pytest.mark.slow
def test_data_that_say_nothing_and_faces_show_no_image(answered, fairface_dir):
    found, data = answered
    bare = replace(found.audited[0], result=replace(found.audited[0].result, pictures=None))

    assert with_pictures(bare, replace(data, showable=False), 0).result.pictures is None
    assert with_pictures(bare, data, 0).result.pictures == found.results.audits[0].pictures
    assert not load_faces(LoadOptions(fairface_dir)).showable
    assert emoji_drawings.load(LoadOptions(None)).showable
