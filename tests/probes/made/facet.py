"""FACET's layout: annotations/annotations.csv beside imgs_1 to imgs_3, two people a picture, annotators who disagree, a missing tone."""

import csv

from probes.people.facet import CLASSES
from tests.support.planted import picture

AGES = ("young", "middle", "older", "na")
GENDERS = ("masc", "fem", "non_binary", "na")
TONES = [*map(str, range(1, 11)), "na"]


def make(folder):
    (folder / "annotations").mkdir()
    header = ["person_id", "filename", "class1", "class2", "bounding_box"]
    header += [f"gender_presentation_{each}" for each in GENDERS] + [f"age_presentation_{each}" for each in AGES]
    header += [f"skin_tone_{each}" for each in TONES]
    rows = []
    for number in range(75):
        name = f"sa_{number}.jpg"
        place = folder / f"imgs_{number % 3 + 1}"
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(picture(number, (32, 16), "JPEG"))
        rows += [person(2 * number + side, name, 16 * side) for side in (0, 1)]
    with (folder / "annotations" / "annotations.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return ["--data", str(folder)]


def person(row, name, left):
    box = repr({"x": float(left), "y": 0.0, "width": 16.0, "height": 16.0, "rotation": 0})
    gender = "na" if row == 7 else "non_binary" if row == 8 else "masc" if row % 5 < 3 else "fem"
    tone = row % 4 * 2 + 1
    votes = {} if row == 11 else {str(tone): 2, str(tone + 1): 1}
    return (
        row, name, CLASSES[row * 7 % 52], CLASSES[3] if row == 20 else "", box, *(int(each == gender) for each in GENDERS),
        *(int(each == AGES[row % 3]) for each in AGES), *(votes.get(each, 0) for each in TONES),
    )  # fmt: skip
