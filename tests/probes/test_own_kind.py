"""A probe of your own kind in one file: boxes, counts of annotators and a ranking. CONTRIBUTING.md names it."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.command import command
from tests.support.planted import picture

PROBE = Path(__file__).parent / "own_kind" / "stalls.py"
MODEL = """
from tests.support.planted import Refuser


class Model(Refuser):
    pass
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stalls")
    rows = []
    for number in range(80):
        (folder / f"{number}.png").write_bytes(picture(number, (40, 24)))
        box = {"x": 4, "y": 4, "width": 24, "height": 16}
        rows.append((f"{number}.png", box, "left" if number % 5 < 3 else "right", 1 + number % 2, 1 - number % 2, 0))
    rows += [("0.png", "", "left", 1, 0, 0), ("1.png", [0, 0, 0, 9], "right", 1, 0, 0)]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "box", "hand", "tone_1", "tone_2", "tone_3"), *rows])
    (folder / "model.py").write_text(MODEL)
    ran = command(
        "--model", f"{folder / 'model.py'}:Model", "--probe", PROBE, "--data", folder / "labels.csv", "--out", folder / "out", "--no-cache"
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads((folder / "out" / "results.json").read_text("utf-8"))["audits"][0], folder / "out"


def test_it_takes_at_most_60_lines():
    assert len(PROBE.read_text("utf-8").splitlines()) <= 60


def test_boxes_are_images_and_unusable_ones_are_counted(found):
    data = found[0]["data"]
    assert (data["used"], data["listed"], data["cluster"], data["clusters"]) == (80, 82, "picture", 80)
    assert {exclusion["reason"]["code"]: exclusion["count"] for exclusion in data["exclusions"]} == {"no_box": 1, "box_without_area": 1}


def test_annotators_who_disagree_share_an_image(found):
    # 40 images have two votes for tone 1, 40 one for each: sums of shares 60 and 20, of 80 and 40 images.
    by_tone = next(finding for finding in found[0]["findings"] if finding["attributes"] == ["tone"])
    assert [(rate["group"], rate["n"]) for rate in by_tone["by_group"]] == [(["1"], 80), (["2"], 40), (["3"], 0)]
    assert [rate["effective_n"] for rate in by_tone["by_group"][:2]] == pytest.approx([60**2 / (40 + 40 / 4), 40])
    assert by_tone["overall"]["n"] == 80
    assert found[0]["data"]["groups"]["tone"] == {"1": 80, "2": 40, "3": 0}
    assert found[0]["data"]["several"] == ["tone"]


@pytest.mark.extension("ranking")
def test_people_are_ranked_by_hand_and_not_by_shares(found):
    by_hand, by_tone = found[0]["rankings"]
    assert by_hand["reason"] is None
    assert by_tone["reason"]["code"] == "gallery_of_shares"


@pytest.mark.extension("ranking")
def test_the_page_says_how_images_count(found):
    page = (found[1] / "report.html").read_text("utf-8")
    assert "an image counts in several groups, in proportion to the values" in page
    assert "images count in several groups in proportion" in page
