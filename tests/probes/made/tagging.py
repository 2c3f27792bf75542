"""Portraits with a table of gender and party: groups of unequal size, two spellings of gender, one that is not known."""

import csv

from tests.support.planted import picture


def make(folder):
    rows = [("file", "gender", "party")]
    for number in range(110):
        name = f"{number:03}.png"
        (folder / name).write_bytes(picture(number))
        gender = "" if number == 3 else ("F", "Male", "woman")[0 if number < 30 else 1 if number < 75 else 2]
        rows.append((name, gender, ("first", "second")[number % 7 < 3]))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return ["--data", str(folder)]
