"""FairFace in the authors' layout: fairface_label_val.csv beside val/, made-up pictures, groups of unequal size, a missing age."""

import csv

from probes.faces import AGES, GENDERS
from tests.support.planted import picture

RACES = {"White": 45, "Black": 35, "Latino_Hispanic": 30, "East Asian": 12}


def make(folder):
    (folder / "val").mkdir()
    rows = []
    for race in (race for race, n in RACES.items() for _ in range(n)):
        name = f"val/{len(rows) + 1}.jpg"
        (folder / name).write_bytes(picture(len(rows), kind="JPEG"))
        age = "" if len(rows) == 7 else AGES[len(rows) // 3 % len(AGES)]
        rows.append((name, age, GENDERS[len(rows) % 5 < 2], race, "TRUE" if len(rows) % 2 else "FALSE"))
    with (folder / "fairface_label_val.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "age", "gender", "race", "service_test"), *rows])
    return ["--data", str(folder)]
