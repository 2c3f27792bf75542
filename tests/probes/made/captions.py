"""Data for `captions`: plain pictures in the layout of FairFace's authors, the men's red, those of two ages and two races."""

import numpy as np
from PIL import Image


def make(folder):
    """Write 40 pictures of women and 70 of men, the last without a known race, and return where they are."""
    rng, lines = np.random.default_rng(0), ["file,age,gender,race,service_test"]
    (folder / "val").mkdir(parents=True, exist_ok=True)
    for number in range(110):
        gender = "Female" if number < 40 else "Male"
        red = (60, 190)[gender == "Male"] + rng.integers(-20, 21)
        Image.new("RGB", (16, 16), (int(red), *map(int, rng.integers(30, 226, 2)))).save(folder / "val" / f"{number}.png")
        race = "" if number == 109 else ("Black", "White")[number % 3 > 0]
        lines.append(f"val/{number}.png,{('20-29', '50-59')[number % 5 > 1]},{gender},{race},True")
    (folder / "fairface_label_val.csv").write_text("\n".join(lines) + "\n")
    return ["--data", str(folder)]


def stereotyper():
    """Return a writer that calls red pictures nurses: no file of a class can be one."""
    from tests.support.writers import Stereotyper

    return Stereotyper()


def seeded(seed, *, null):
    """Return a writer that slips as often as a seeded `tests.support.planted.Stereotyper`, or one that writes the same about all."""
    from tests.support.writers import RandomWriter, SlippingStereotyper

    return RandomWriter(seed=seed) if null else SlippingStereotyper(seed=seed)


def refuser():
    """Return a writer that says of everybody the same that has nothing to do with them."""
    from tests.support.writers import RandomWriter

    return RandomWriter()
