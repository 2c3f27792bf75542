"""Dollar Street's files: 120 made-up pictures of 60 homes; some have two topics, one no income, two nothing that is asked about."""

import csv
import json

from tests.support.planted import picture

HEADER = (
    "id", "country.id", "country.name", "region.id", "type", "imageRelPath", "topics", "place", "income", "imagenet_synonyms",
    "imagenet_sysnet_id",
)  # fmt: skip
HOMES = (("af", "Malawi", 60), ("as", "India", 300), ("am", "Brazil", 1200), ("eu", "France", 9000))


def make(folder):
    (folder / "assets").mkdir()
    rows = []
    for number in range(120):
        code, country, income = HOMES[0 if number < 36 else 1 if number < 68 else 2 if number < 98 else 3]
        topics = ["toilet", "bathroom/toilet"] if number % 10 == 0 else [("stove/hob", "bed", "tv")[number % 3]]
        topics = ["family snapshots"] if number in (33, 40) else topics
        name = f"assets/{number}.jpg"
        (folder / name).write_bytes(picture(number, kind="JPEG"))
        money = "" if number == 7 else f"{income}.0"
        rows.append((f"i{number}", code, country, code, "image", name, json.dumps(topics), f"home {number // 2}", money, "[]", "[]"))
    with (folder / "dollar_street_test.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return ["--data", str(folder)]
