"""PAIRS in its authors' layout: eleven scenes of work, four of a possible crime, four of status; made-up pictures, one image missing."""

import io

import numpy as np
from PIL import Image

SCENES = {
    "occupations": ("airplane", "apron", "bank", "blackboard", "computer", "desk", "headset", "scrubs", "studying", "taxi", "vest"),
    "potential_crime": ("courtroom", "money", "running", "window"),
    "status": ("car", "home", "garden", "street"),
}
MISSING = "occupations/desk/black_woman.png"


def make(folder):
    number = 0
    for part, scenes in SCENES.items():
        for scene in scenes:
            (folder / "data" / part / scene).mkdir(parents=True)
            for person in ("black_man", "black_woman", "white_man", "white_woman"):
                name = f"{part}/{scene}/{person}.png"
                number += 1
                if name == "status/car/white_man.png":
                    name = name.replace("white_man", "white_man1")
                if name != MISSING:
                    (folder / "data" / name).write_bytes(_picture(number))
    return ["--data", str(folder)]


def _picture(number):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
