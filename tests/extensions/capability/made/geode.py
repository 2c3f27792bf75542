"""GeoDE's files: 156 made-up pictures of four objects in six regions, one of them of a country that is not in the authors' list."""

import csv

from tests.support.planted import picture

COUNTRIES = {"Nigeria": 40, "Brazil": 36, "South_Korea": 32, "Italy": 31, "Thailand": 9, "Saudi_Arabia": 7, "Iceland": 1}


def make(folder):
    (folder / "images").mkdir()
    rows = []
    for country in (country for country, n in COUNTRIES.items() for _ in range(n)):
        thing = ("hand_soap", "stove", "dog", "bicycle")[len(rows) % 4]
        name = f"images/{thing}_{len(rows)}.jpg"
        (folder / name).write_bytes(picture(len(rows), kind="JPEG"))
        rows.append((thing, country, name))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("object", "ip_country", "file_path"), *rows])
    return ["--data", str(folder)]
