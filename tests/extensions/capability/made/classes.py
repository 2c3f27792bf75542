"""A table of 101 made-up pictures of four classes from two regions of unequal size, one without a region."""

import csv

from tests.support.planted import picture

REGIONS = {"north": 70, "south": 31}


def make(folder):
    rows = []
    for region in (region for region, n in REGIONS.items() for _ in range(n)):
        name = f"{len(rows)}.png"
        (folder / name).write_bytes(picture(len(rows)))
        rows.append((name, ("boat", "apple", "traffic_light", "cup")[len(rows) % 4], "" if len(rows) == 5 else region))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "class", "region"), *rows])
    return ["--data", str(folder)]
