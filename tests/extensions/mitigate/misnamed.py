"""A small model that was trained with a wrong name for one kind of thing in one group, on images whose right names are known."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from audit.data.assemble import fingerprint
from audit.types import Claim, Dataset, LabelSet, Measurement, Probe
from contrastive.train import main

KINDS, SIDES, SIDE = ("cup", "jar", "pot", "urn"), ("left", "right"), 32
FINDING = "kind/true_positive_rate[cup]/side"
CONV = 'preset = "tiny-conv"\nvision.channels = [8, 16]\ntext = {width = 24, layers = 1, head_width = 24}'
VIT = 'preset = "tiny-vit"\nvision = {width = 16, layers = 1}\ntext = {width = 16, layers = 1}'
_COLOURS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [190, 190, 60]])


def things(seed: int, n: int = 600) -> Dataset:
    """Squares of a colour for each kind, at the left or at the right of a noisy image."""
    rng = np.random.default_rng(seed)
    kind, side = rng.integers(4, size=n), rng.integers(2, size=n)
    table = {"kind": np.array(KINDS)[kind], "side": np.array(SIDES)[side]}
    attributes = pd.DataFrame(table, index=pd.Index([f"{seed}-{i}.png" for i in range(n)], dtype="str"), dtype="str")
    images = [_png(*which, rng) for which in zip(kind, side, strict=True)]
    levels = {"kind": KINDS, "side": SIDES}
    return Dataset("things", images, attributes, levels, fingerprint(attributes), "made by the test", "none")


def _png(kind, side, rng):
    pixels = rng.integers(90, 160, (SIDE, SIDE, 3))
    pixels[8:24, 4 + 12 * side : 16 + 12 * side] = _COLOURS[kind] + rng.integers(-40, 41, (16, 12, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def probe(dataset: Dataset) -> Probe:
    """Recall of the cups by side, with accuracy by side."""
    labels = LabelSet("kinds", KINDS, {name: (f"a {name}",) for name in KINDS})
    claims = (Claim("true_positive_rate", ("side",), "cup"), Claim("accuracy", ("side",)))
    asked = Measurement("kind", "Which kind is it?", labels, "made v1", claims, truth="kind", outcomes={"cup": ("cup",)})
    return Probe("things", "Which?", lambda _: dataset, (asked,), "made by the test", "none", (), ("all else",))


def captions(dataset: Dataset, path: Path, *, shuffled: int | None = None) -> Path:
    """Write a table with the right caption of every image, or with these captions in a random order."""
    names = [f"a {kind}" for kind in dataset.attributes["kind"]]
    if shuffled is not None:
        np.random.default_rng(shuffled).shuffle(names)
    path.write_text(
        "".join(f"{json.dumps({'id': name, 'caption': text})}\n" for name, text in zip(dataset.attributes.index, names, strict=True))
    )
    return path


def model(folder: Path, *, towers: str = CONV, steps: int = 60, **data: str) -> Path:
    """Train on other images, in which every cup at the right is named a jar."""
    dataset = things(12_345)
    for name, content in zip(dataset.attributes.index, dataset.images, strict=True):
        (folder / name).write_bytes(content)
    wrong = (dataset.attributes["kind"] == "cup") & (dataset.attributes["side"] == "right")
    names = dataset.attributes["kind"].where(~wrong, "jar")
    pd.DataFrame({"image": names.index, "caption": [f"a {name}" for name in names]}).to_csv(folder / "pairs.csv", index=False)
    settings = "".join(f"{name} = {value}\n" for name, value in data.items())
    run = folder / "run.toml"
    run.write_text(
        f'[model]\n{towers}\n[data]\ntrain = "{folder}/pairs.csv"\nbatch = 64\nvocabulary = 560\n{settings}'
        f'[optim]\nsteps = {steps}\nlr = 3e-3\nwarmup = {min(6, steps)}\n[run]\nout = "{folder}/out"\n'
    )
    assert main([str(run), "--quiet"]) == 0
    return folder / "out" / "ckpt.pt"
