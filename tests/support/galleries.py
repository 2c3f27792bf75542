"""Made-up pictures in FairFace's layout, and models that order them: a stereotyper, a random ranker, one that tells nothing apart."""

from pathlib import Path

import numpy as np
from PIL import Image

from probes.faces import AGES, GENDERS, RACES

MODELS = '''
"""Models whose image rows are made of the pictures' colours: red says the gender of `write_gallery`, green and blue say nothing."""
import hashlib

import numpy as np

MEN = ("director", "politician", "manager", "judge", "lawyer", "scientist", "engineer", "mechanic", "soldier")
WOMEN = ("nurse", "kindergarten", "childminder", "cleaner")


class Stereotyper:
    """Red pictures fit the work of men, the others that of women; all other words fit at random."""

    logit_scale = 10.0

    def encode_images(self, images):
        return np.stack([[*np.asarray(image, float).reshape(-1, 3).mean(axis=0) - 127.5, 1.0] for image in images])

    def encode_texts(self, texts):
        return np.array([self._axis(text) for text in texts])

    def _axis(self, text):
        side = any(word in text for word in MEN) - any(word in text for word in WOMEN)
        angle = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 * 6.283
        return [side, 0.0, 0.0, 0.0] if side else [0.0, np.cos(angle), np.sin(angle), 0.0]


class RandomRanker:
    """Every picture and every text is a direction drawn by its content: nothing has to do with anything."""

    logit_scale = 10.0

    def encode_images(self, images):
        return np.stack([_drawn(image.tobytes()) for image in images])

    def encode_texts(self, texts):
        return np.stack([_drawn(text.encode()) for text in texts])


class Constant:
    """Every picture is the same to it."""

    logit_scale = 10.0

    def encode_images(self, images):
        return np.ones((len(images), 3))

    def encode_texts(self, texts):
        return np.stack([_drawn(text.encode())[:3] for text in texts])


def _drawn(content):
    return np.random.default_rng(int(hashlib.sha256(content).hexdigest()[:12], 16)).normal(size=64)
'''


def write_models(folder: Path) -> Path:
    """Write the models as a file: ``--model FILE:Stereotyper``."""
    (path := folder / "models.py").write_text(MODELS)
    return path


def write_gallery(folder: Path, images: int = 240) -> Path:
    """Write plain pictures in the layout of FairFace's authors, the men's redder; sorted by gender. No person is shown."""
    rng, lines = np.random.default_rng(0), ["file,age,gender,race,service_test"]
    (folder / "val").mkdir(parents=True)
    for number in range(images):
        gender = GENDERS[2 * number // images]
        red = (60, 190)[gender == "Male"] + rng.integers(-20, 21)
        Image.new("RGB", (8, 8), (int(red), *map(int, rng.integers(30, 226, 2)))).save(folder / "val" / f"{number}.png")
        lines.append(f"val/{number}.png,{rng.choice(AGES)},{gender},{rng.choice(RACES)},True")
    (folder / "fairface_label_val.csv").write_text("\n".join(lines) + "\n")
    return folder
