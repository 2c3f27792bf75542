"""A checkpoint that gives planted embeddings, from pixels and prompts: every direction in it is known, and nothing was trained.

An image's embedding is in the red values of every second pixel; a text's embedding is the mean of those of its tokens, which are chosen so
that given prompts get given directions.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from audit.data.assemble import fingerprint
from audit.plans import Direction, WhatIfPlan
from audit.types import Claim, Dataset, LabelSet, Measurement, Probe
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe

D, SIDE, LARGEST = 64, 16, 4.0
"""Dimensions, pixels, and the largest number in an embedding that a pixel can hold."""


def planted_clip(path: Path, prompts: Mapping[str, np.ndarray]) -> Path:
    """Write a checkpoint that gives every prompt its vector (but for its length), and `picture` its own."""
    tokenizer = train_bpe(list(prompts), vocab_size=700, context=16)
    width = 2 * (D + 1)
    text = TextConfig(16, tokenizer.vocab_size, width, 1, head_width=width, causal=False, pooling="mean")
    model = CLIP(ModelConfig(D, ConvConfig(SIDE, (6,)), text, activation="relu"), torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for weight in (*model.transformer.parameters(), model.positional_embedding):
            weight.zero_()  # a block that adds nothing
        model.token_embedding.weight.copy_(_tokens(tokenizer, prompts))
        model.text_projection.zero_()
        model.text_projection[:D] = torch.eye(D)
        convolution, norm = model.visual.layers[0], model.visual.layers[1]
        convolution.weight.zero_()
        for channel in range(3):  # each colour and its negative, so that the activation loses nothing
            convolution.weight[channel, channel, 1, 1], convolution.weight[3 + channel, channel, 1, 1] = 1.0, -1.0
        norm.eval()
        model.visual.proj.zero_()
        red, negative = np.arange(D), 3 * (SIDE // 2) ** 2 + np.arange(D)
        model.visual.proj[red, red], model.visual.proj[negative, red] = 1.0, -1.0
        model.logit_scale.fill_(np.log(20.0))
    save(path, Checkpoint(model, Preprocess(SIDE, (0.5,) * 3, (0.5,) * 3), tokenizer))
    return path


def _tokens(tokenizer, prompts):
    """Token embeddings ``(v, -v, s, -s)``, all of one length, so that the layer norm is a factor; s fills up the length."""
    rows = [np.bincount(tokenizer.encode(prompt), minlength=tokenizer.vocab_size) for prompt in prompts]
    bags = np.stack(rows).astype(float)
    vectors = np.linalg.lstsq(bags, np.stack(list(prompts.values())), rcond=None)[0]
    lengths = (vectors**2).sum(axis=1)
    rest = np.sqrt(1.01 * lengths.max() - lengths)[:, None]
    return torch.tensor(np.hstack([vectors, -vectors, rest, -rest]), dtype=torch.float32)


def picture(vector: np.ndarray) -> bytes:
    """Return the PNG of a picture whose embedding is the vector, up to rounding to bytes."""
    pixels = np.full((SIDE, SIDE, 3), 127, np.uint8)
    values = np.clip(np.round(127.5 * (1 + vector / LARGEST)), 0, 255)
    pixels[::2, ::2, 0] = values.reshape(SIDE // 2, SIDE // 2)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# ---- planted gaps ----------------------------------------------------------------------------------------------------------------------

KINDS, SIDES = ("cup", "jar", "pot", "urn"), ("left", "right")
BETA = (0.5, -0.5, 0.15, -0.15)
FINDING = "kind/true_positive_rate[cup]/side"


class Planted:
    """Images of four kinds and two groups, whose recall of the first kind differs between the groups as `case` says.

    Prompts for the groups differ along the planted direction, up to `noise` in every dimension; one pair is as precise as the mean of eight
    with a noise of .05. Nothing depends on the other attributes; their prompts differ along directions drawn at random. "many errors":
    nothing is planted, and images are hard to tell.
    """

    def __init__(self, case: str = "shared", seed: int = 0, n: int = 2400, pairs: int = 1, noise: float = 0.05 / 8**0.5, others: int = 0):
        spread = 0.4 if case == "many errors" else 0.16
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.normal(size=(D, D)))[0].T
        image, word, u, v, q = basis[0], basis[1], basis[2], basis[3], basis[4:8]
        beta = {"compensating": (0.16, 0, 0, 0), "nothing": (0, 0, 0, 0), "many errors": (0, 0, 0, 0)}.get(case, BETA)
        lean = 0.2 * u + 0.98 * v if case == "other direction" else u
        side, kind = rng.integers(2, size=n), rng.integers(4, size=n)
        if case == "goes together":
            kind = np.where(rng.random(n) < 0.5, side, kind)
        self.images = 1.5 * image + 0.55 * q[kind] + 0.5 * np.outer(1 - 2 * side, lean) + spread * rng.normal(size=(n, D))
        if case == "compensating":
            self.images -= 0.30 * np.outer((side == 0) & (kind == 0), q[0])
        vectors = {f"a {name}": 1.2 * word + 0.8 * q[i] + beta[i] * lean for i, name in enumerate(KINDS)}
        for sign, name in zip((1, -1), SIDES, strict=True):
            vectors |= {f"{name} side, {number}": 1.2 * word + sign * 0.45 * u + noise * rng.normal(size=D) for number in range(pairs)}
            vectors |= {f"a {name} {kind_name}": 1.2 * word + 0.8 * q[i] + sign * 0.45 * u for i, kind_name in enumerate(KINDS)}
        self.others = tuple(f"chance {number}" for number in range(others))
        vectors |= self._by_chance(word, q, np.random.default_rng((seed, 1)))
        # A letter that no other prompt has gives every prompt a token of its own, and so any vector.
        self.text = {name: f"{name} {chr(0x3B1 + i)}" for i, name in enumerate(vectors)}
        self.prompts = {self.text[name]: vector for name, vector in vectors.items()}
        self.pairs = self._pairs("{side} side, {}", range(pairs))
        self.same = self._pairs("a {side} {}", KINDS)
        table = {"kind": np.array(KINDS)[kind], "side": np.array(SIDES)[side]}
        table |= {name: np.array(SIDES)[rng.integers(2, size=n)] for name in self.others}
        self.attributes = pd.DataFrame(table, index=pd.Index([f"{case}-{seed}-{i}" for i in range(n)], dtype="str"), dtype="str")

    def _by_chance(self, word, q, rng):
        """Prompts of the other attributes: every one is a pair, and a pair that should mean the same."""
        vectors = {}
        for name in self.others:
            direction = rng.normal(size=D) / D**0.5
            for sign, side in zip((1, -1), SIDES, strict=True):
                vectors[f"{side} by {name}"] = 1.2 * word + sign * 0.45 * direction
                vectors[f"a {side} {KINDS[0]} by {name}"] = 1.2 * word + 0.8 * q[0] + sign * 0.45 * direction
        return vectors

    def _pairs(self, form, names):
        return tuple(tuple(self.text[form.format(name, side=side)] for side in SIDES) for name in names)

    def dataset(self) -> Dataset:
        """The images as pictures."""
        levels = {"kind": KINDS, **dict.fromkeys(("side", *self.others), SIDES)}
        images = [picture(row) for row in self.images]
        return Dataset("planted", images, self.attributes, levels, fingerprint(self.attributes), "made by the test", "none")

    def probe(self) -> Probe:
        """Recall of the first kind by group, with accuracy by group beside it, and recall by every other attribute."""
        labels = LabelSet("kinds", KINDS, {name: (self.text[f"a {name}"],) for name in KINDS})
        claims = (Claim("true_positive_rate", ("side",), "cup"), Claim("accuracy", ("side",)))
        claims += tuple(Claim("true_positive_rate", (name,), "cup") for name in self.others)
        asked = Measurement("kind", "Which kind is it?", labels, "made v1", claims, truth="kind", outcomes={"cup": ("cup",)})
        direction = Direction(self.pairs, self.same)
        plans = [WhatIfPlan("Cups by side", FINDING, direction=direction)]
        for name in self.others:
            pairs, same = (self._pairs(form, (name,)) for form in ("{side} by {}", f"a {{side}} {KINDS[0]} by {{}}"))
            finding = f"kind/true_positive_rate[cup]/{name}"
            plans.append(WhatIfPlan(f"Cups by {name}", finding, direction=Direction(pairs, same)))
        return Probe(
            "planted", "Which?", lambda _: self.dataset(), (asked,), "made by the test", "none", (), ("all else",), what_ifs=tuple(plans)
        )

    def checkpoint(self, path: Path) -> Path:
        """Write the model that gives these embeddings."""
        return planted_clip(path, self.prompts)
