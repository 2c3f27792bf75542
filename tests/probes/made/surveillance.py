"""Frames of made-up cameras: groups of unequal size, one gender missing, some rows without a close caption, an object or a name."""

import csv

from tests.support.planted import picture

SCENES = ("an empty car park", "a crossing in the rain", "a shop at night", "a school yard", "a station hall", "a path in a park", "a bank")
GROUPS = {("woman", "Black"): 40, ("man", "Black"): 35, ("woman", "White"): 50, ("man", "White"): 36}


def make(folder):
    (folder / "frames").mkdir()
    rows = []
    for (gender, race), n in GROUPS.items():
        for _ in range(n):
            place = len(rows)
            (folder / "frames" / f"{place}.png").write_bytes(picture(place))
            scenes = [SCENES[(place + step) % len(SCENES)] for step in range(6)]
            close = "" if place % 10 == 9 else f"{scenes[0]} with a red lorry"
            thing = ("", "") if place % 8 == 7 else ("a backpack", "yes" if place % 3 else "no")
            named = (f"Quillon Vance {place % 12}", "yes") if place % 6 else ("", "")
            person = ("" if place == 5 else gender, race)
            rows.append((f"frames/{place}.png", f"day {place}", *scenes, close, *thing, *named, *person))
    header = ("image", "scene", "caption", *(f"other_{i}" for i in range(1, 6)), "close", "object", "present", "name", "public_figure")
    with (folder / "surveillance.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([(*header, "gender", "race"), *rows])
    return ["--data", str(folder)]
