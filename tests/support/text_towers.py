"""Text towers that are no models: one that puts women near to care, and one that puts everything anywhere."""

TOWERS = '''
"""Towers that are asked about texts alone."""
import hashlib
import numpy as np

from probes.prompts.associations import WOMEN, WORK

SEED = 0

def _drawn(text):
    return np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) + SEED).normal(size=32)

class TextStereotyper:
    """Puts women, and "she", near to words of care."""
    logit_scale = 10.0
    def encode_images(self, images):
        return np.ones((len(images), 32))
    def encode_texts(self, texts):
        care = {*WORK["care"], *(f"a person called {name}" for name in WOMEN)}
        rows = np.stack([_drawn(text) for text in texts])
        rows[:, 0] += [8.0 * (text in care or text.startswith("she ")) for text in texts]
        return rows

class RandomTower(TextStereotyper):
    def encode_texts(self, texts):
        return np.stack([_drawn(text) for text in texts])
'''


def write_towers(folder):
    """Write towers that are asked about texts alone."""
    (path := folder / "towers.py").write_text(TOWERS)
    return path
