"""UTKFace in its file-name format: made-up pictures, races of unequal size, two names that lack the race."""

from tests.support.planted import picture

RACES = (34, 32, 31, 12, 8)
MALFORMED = ("39_1_20170116174525125.jpg.chip.jpg", "61_3_0_20170109150557335.jpg.chip.jpg")


def make(folder):
    races = [race for race, n in enumerate(RACES) for _ in range(n)]
    names = [f"{row * 7 % 91}_{int(row % 5 < 2)}_{race}_{20170116174525125 + row}.jpg.chip.jpg" for row, race in enumerate(races)]
    for number, name in enumerate([*names, *MALFORMED]):
        (folder / name).write_bytes(picture(number, kind="JPEG"))
    return ["--data", str(folder)]
