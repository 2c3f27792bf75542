"""Writers that are no model: what they write depends on the colour of a picture, or on nothing that a group shares."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from audit.analyses.plans import WordRatePlan
from audit.testing import FakeEncoder, png
from audit.types import Dataset, Probe

PROMPTS = {"caption": "Describe this picture in one sentence.", "resume": "Write a short resume."}
PLAN = WordRatePlan("Which words are used about whom?", PROMPTS, ("gender", "race"), "test v1")
NEUTRAL = ("bright", "plain", "quiet", "large", "small", "early", "late")


class Stereotyper:
    """Writes that red pictures show a nurse and others an engineer; all else is drawn by the content of picture and prompt."""

    def __init__(self, fingerprint="a" * 64, seed=0):
        self.seed = str(seed or "")
        self.record = replace(FakeEncoder().record, name="writer", kind="fake (generative)", fingerprint=fingerprint, dimensions=0)
        self.calls = []

    def log_likelihoods(self, images, questions):
        raise AssertionError("nothing is asked")

    def write(self, images, prompts):
        self.calls.append((len(images), len(prompts)))
        return [[self._text(image, prompt) for prompt in prompts] for image in images]

    def _text(self, image, prompt):
        red = np.asarray(image, float).reshape(-1, 3).mean(axis=0)[0] > 127
        return f"{self._neutral(image, prompt)} {'nurse' if red else 'engineer'}."

    def _neutral(self, image, prompt):
        drawn = self._drawn(image, prompt)
        return f"A {NEUTRAL[drawn % 7]}, {NEUTRAL[drawn // 7 % 7]} picture of a"

    def _drawn(self, image, prompt):
        return int(hashlib.sha256(image.tobytes() + prompt.encode() + self.seed.encode()).hexdigest()[:8], 16)


class SlippingStereotyper(Stereotyper):
    """Mistakes the colour of a tenth of the pictures."""

    def _text(self, image, prompt):
        slips = self._drawn(image, "slips") % 10 == 0
        red = np.asarray(image, float).reshape(-1, 3).mean(axis=0)[0] > 127
        return f"{self._neutral(image, prompt)} {'nurse' if red != slips else 'engineer'}."


class RandomWriter(Stereotyper):
    """Writes nothing that has to do with a group."""

    def _text(self, image, prompt):
        return f"{self._neutral(image, prompt)} person."


class Refuser(Stereotyper):
    """Will not write about red pictures."""

    def _text(self, image, prompt):
        red = np.asarray(image, float).reshape(-1, 3).mean(axis=0)[0] > 127
        return "I'm sorry, but I cannot help." if red else f"{self._neutral(image, prompt)} person."


def pictures(women=60, men=90, seed=0) -> Dataset:
    """Women are red, men are not; race means nothing; three pictures of unknown gender, and one group of 5."""
    rng = np.random.default_rng(seed)
    genders = ["Female"] * women + ["Male"] * men + ["unknown"] * 3
    races = [*rng.choice(["a", "b"], len(genders) - 5), *["c"] * 5]
    images = [png((220 if gender == "Female" else 30, *map(int, rng.integers(0, 256, 2)))) for gender in genders]
    attributes = pd.DataFrame({"gender": genders, "race": races}, index=[f"{i}.png" for i in range(len(genders))], dtype="str")
    levels = {"gender": ("Female", "Male", "unknown"), "race": ("a", "b", "c")}
    return Dataset("pictures", images, attributes, levels, "5" * 64, "made by the test", "none")


def word_probe(dataset, *plans) -> Probe:
    return Probe("words", "Which words?", lambda options: dataset, (), "ours", "none", (), (), analyses=plans or (PLAN,))
