"""Encoders that understand some languages: the others they embed by their letters, which carry no meaning."""

import hashlib
from functools import cache

import numpy as np

from probes.prompts.languages import codes, language

OTHERS = codes()[1:]
WIDTH = 48


@cache
def drawn(text):
    """A direction that depends on the letters alone."""
    row = np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)).normal(size=WIDTH)
    return row / np.linalg.norm(row)


@cache
def meanings(code):
    """Text -> its English translation: pairs of words, people, occupations, and their captions."""
    words = language(code)
    found = {text: english for contrast in words.contrasts for text, english in zip(contrast.texts, contrast.english, strict=True)}
    found |= {form: f"a {name}" for name, forms in words.occupations.items() for form in forms}
    found |= {text: f"a {name}" for name, text in words.people.items()}
    return found | {words.photo(text): f"a photo of {english}" for text, english in found.items()}


@cache
def of_care(code):
    """The words of care, and women's names and pronouns."""
    words = language(code)
    care = {*words.forms_of("nurse", "childminder", "cleaner", "care worker"), *words.care}
    return {*care, *map(words.photo, care), *words.called(words.women), *words.she}


class Polyglot:
    """Reads English and the languages in `understood`; bright images show women, dark ones men."""

    name = "polyglot"
    logit_scale = 50.0

    def __init__(self, understood=("de", "zh"), care=0.0):
        self.understood, self.care = understood, care

    def encode_texts(self, texts):
        return np.stack([self.row(text) for text in texts])

    def row(self, text):
        english = next((meanings(code)[text] for code in self.understood if text in meanings(code)), text)
        row = drawn(english.removeprefix("a photo of ")) + 0.3 * english.startswith("a photo of ") * drawn("photo") + 0.1 * drawn(text)
        return row + self.care * any(text in of_care(code) for code in self.understood) * drawn("the axis of care")

    def encode_images(self, images):
        return np.stack([self.face(np.asarray(image, float)) for image in images])

    def face(self, pixels):
        woman = pixels[..., 0].mean() > 127
        noise = np.random.default_rng(int(pixels.sum())).normal(size=WIDTH) / WIDTH**0.5
        shown = drawn("a person") + 0.8 * drawn("a woman" if woman else "a man") + 0.3 * drawn("photo") + 0.3 * noise
        return shown + self.care * woman * drawn("the axis of care")
