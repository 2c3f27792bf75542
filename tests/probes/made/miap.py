"""MIAP's layout: boxes of the test part beside test/, two people a picture, groups of unequal size, a group's box, an empty box."""

import csv

from tests.support.planted import picture

HEADER = (
    "ImageID", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded", "IsTruncated", "IsGroupOf", "IsDepictionOf",
    "IsInsideOf", "GenderPresentation", "AgePresentation",
)  # fmt: skip
GENDERS = ["Predominantly Feminine"] * 5 + ["Predominantly Masculine"] * 4 + ["Unknown"]
AGES = ("Young", "Middle", "Middle", "Older", "Unknown")


def make(folder):
    (folder / "test").mkdir()
    rows = []
    for number in range(70):
        name = f"{number:016x}"
        (folder / "test" / f"{name}.jpg").write_bytes(picture(number, (32, 16), "JPEG"))
        for person, (left, right) in enumerate([("0.0", "0.5"), ("0.5", "1.0")]):
            row = 2 * number + person
            right = left if row == 9 else right
            rows.append(
                (name, "/m/01g317", 1, left, right, "0.0", "1.0", 0, 0, int(row == 4), 0, 0, GENDERS[row % 10], AGES[row // 10 % 5])
            )
    with (folder / "open_images_extended_miap_boxes_test.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return ["--data", str(folder)]
