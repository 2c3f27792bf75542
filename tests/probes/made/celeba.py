"""CelebA's files: 150 made-up pictures of 90 people, a part of training that is left out, and few blond men."""

from tests.support.planted import picture

NAMES = ("Blond_Hair", "Eyeglasses", "Male", "Smiling", "Young")


def make(folder):
    (folder / "img_align_celeba").mkdir()
    attributes, parts, people = [str(160), " ".join(NAMES)], [], []
    for row in range(160):
        name, male = f"{row + 1:06d}.jpg", row % 5 < 2
        blond = row % 4 == 0 if not male else row % 12 == 0
        signs = [blond, row % 3 == 0, male, row % 2 == 0, row % 7 < 4]
        attributes.append("  ".join([name, *("1" if sign else "-1" for sign in signs)]))
        parts.append(f"{name} {0 if row % 16 == 15 else 2}")
        people.append(f"{name} {row // 2 * 2 if row < 140 else row}")
        (folder / "img_align_celeba" / name).write_bytes(picture(row, kind="JPEG"))
    for file, lines in (("list_attr_celeba.txt", attributes), ("list_eval_partition.txt", parts), ("identity_CelebA.txt", people)):
        (folder / file).write_text("\n".join(lines) + "\n")
    return ["--data", str(folder)]
