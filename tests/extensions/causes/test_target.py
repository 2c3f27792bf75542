"""What the trainer is handed for gradients: the images that the outcome counts, with the weights and answers of the outcome."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

from audit.errors import UsageError
from audit.extensions.causes.record import PlannedRate
from audit.extensions.causes.target import TARGET, check_measurement, write_target
from audit.types import Dataset, LabelSet, Measurement
from strictio.folders import Folder
from tests.extensions.causes.samples import INFLUENCE, plan

LABELS = LabelSet(
    "role", ("judge", "student", "pupil"), {"judge": ("a judge", "the judge"), "student": ("a student",), "pupil": ("a pupil",)}
)
MEASUREMENT = Measurement("role", "Who?", replace(LABELS, answers={"pupil": "student"}), "p v1", (), truth="role")


def picture(level):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (level, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_images_have_the_weights_of_the_outcome_and_unreadable_ones_have_none(tmp_path):
    attributes = pd.DataFrame({
        "gender": ["woman", "woman", "man", "man", "woman", "man", "woman"],
        "role": ["judge", "judge", "judge", "student", "unknown", "judge", "judge"],
    })  # fmt: skip
    images = [picture(0), picture(1), picture(2), picture(3), picture(4), picture(5), b"not an image"]
    dataset = Dataset("people", images, attributes, {"gender": ("man", "woman")}, "5" * 64, "made by the test", "none")
    outcome = PlannedRate("role", "planted answer", {"gender": "woman"}, {"gender": "man"}, {}, {"judge": "student"})
    folder = Folder.of(tmp_path, make=True)
    write_target(plan(outcome=outcome), INFLUENCE, (MEASUREMENT, dataset), folder)
    made = json.loads((tmp_path / TARGET).read_text())
    # Women: two readable judges, 1/2 each. Men: two judges, -1/2 each. The student and the unknown do not count. A pupil is a student.
    assert [(image["file"], image["weight"], image["texts"]) for image in made["images"]] == [
        ("00000000", 0.5, [1, 2]), ("00000001", 0.5, [1, 2]), ("00000002", -0.5, [1, 2]), ("00000005", -0.5, [1, 2]),
    ]  # fmt: skip
    assert (tmp_path / "images" / "00000005").read_bytes() == images[5]
    assert made["prompts"] == [["a judge", "the judge"], ["a student"], ["a pupil"]]
    assert made["groups"]["flags"] == {"where": {}, "words": ["flags"]}
    assert made["batches"] == 8


def test_answers_without_fixed_labels_are_refused():
    check_measurement(MEASUREMENT)
    with pytest.raises(UsageError, match="cannot be used with the measurement 'role'"):
        check_measurement(replace(MEASUREMENT, kind="row_options"))
