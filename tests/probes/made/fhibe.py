"""FHIBE's layout: a version's folder with its table and images, three images a person, several pronouns, ancestries, withdrawn images."""

import csv

from tests.support.planted import picture

VERSION = "fhibe.20250716.u.gT5_rFTA_downsampled_public"
HEADER = (
    "image_id", "filepath", "subject_id", "age", "pronoun", "ancestry", "natural_skin_color", "apparent_skin_color", "scene", "person_bbox",
)  # fmt: skip
PRONOUNS = (
    "['0. She/her/hers']",
    "['0. She/her/hers']",
    "['1. He/him/his']",
    "['1. He/him/his']",
    "['0. She/her/hers', '2. They/them/their']",
)
ANCESTRY = ("['0. Africa']", "['11. Asia']", "['11. Asia', '17. Europe']", "['14. South-eastern Asia']", "['17. Europe']")
SKIN = ("0. I (Very light)", "2. III (Intermediate)", "4. V (Brown)")
WITHDRAWN = (5, 50)


def make(folder):
    root = folder / VERSION / "data"
    table = root / "processed" / "fhibe_downsampled"
    table.mkdir(parents=True)
    rows = []
    for number in range(180):
        subject, image = f"subject{number // 3:03d}", f"image{number:03d}"
        place = root / "raw" / "fhibe_downsampled" / subject / image
        place.mkdir(parents=True)
        if number not in WITHDRAWN:
            (place / f"main_{image}.png").write_bytes(picture(number, (24, 20)))
        who = number // 3
        pronoun = "['5. Prefer not to say']" if who == 7 else PRONOUNS[who % 5]
        path = f"data/raw/fhibe_downsampled/{subject}/{image}/main_{image}.png"
        rows.append((
            image, path, subject, 18 + who * 7 % 60, pronoun, ANCESTRY[who * 2 % 5], SKIN[0], SKIN[who % 3], "11. Indoor: Workplace",
            "[2, 2, 16.0, 16.0]",
        ))  # fmt: skip
    with (table / "fhibe_downsampled.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return ["--data", str(folder)]
