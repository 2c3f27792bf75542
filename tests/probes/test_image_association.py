"""A probe that compares pictures of people with two sets of pictures (iEAT): a planted association is found, and none where none is."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import audit

PROBE = Path(__file__).parent / "own_kind" / "rooms.py"
KITCHEN, OFFICE = 0, 1


class Colours:
    """Every picture is its mean colour: red is a kitchen, green an office."""

    logit_scale = 100.0

    def encode_images(self, images):
        return np.stack([np.asarray(image, float).reshape(-1, 3).mean(axis=0) for image in images])

    def encode_texts(self, texts):
        return np.ones((len(texts), 3))


def made(folder, favour):
    """Write 80 people, of whom women are redder by `favour`, and six pictures of either room."""
    rng, rows = np.random.default_rng(3), []
    people = [(person, "") for person in ("woman", "man") for _ in range(40)]
    for number, (person, room) in enumerate([*people, *[("", "kitchen")] * 6, *[("", "office")] * 6]):
        colour = rng.integers(90, 160, 3)
        if room or (person == "woman" and favour):
            colour[OFFICE if room == "office" else KITCHEN] += 90 if room else favour
        Image.new("RGB", (8, 8), tuple(map(int, colour))).save(folder / f"{number}.png")
        rows.append((f"{number}.png", person, room))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "person", "room"), *rows])
    return folder / "labels.csv"


@pytest.mark.extension("association")
@pytest.mark.slow_except("0-none")
@pytest.mark.parametrize(("favour", "verdict"), [(60, "signal"), (0, "none")])
def test_women_who_look_like_kitchens_are_found_and_colours_by_chance_are_not(tmp_path, favour, verdict):
    out = tmp_path / "out"
    audit.audit(model=Colours(), probe=PROBE, data=made(tmp_path, favour), out=out, draws=999, cache_root=tmp_path / "cache")
    (found,) = audit.load(out).results.audits[0].analyses["associations"]
    (women,) = found.groups
    assert (found.first, found.second, found.images, women.group, women.n) == ("kitchen", "office", (6, 6), "woman", 40)
    assert (women.verdict == "signal") == (verdict == "signal")
    assert (women.effect_size > 1) == (verdict == "signal")
    page = (out / "report.html").read_text("utf-8")
    assert "Every image is compared with two sets of images (iEAT)." in page
