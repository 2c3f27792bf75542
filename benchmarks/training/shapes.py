"""Zero-shot accuracy of the shapes recipe on new pictures, and what its training takes.

Claim: colour at least 0.9 and count at least 0.85 after at most 90 s on the clock of two cores. CPU time and load are printed beside it: on
a machine that is busy with other things the clock says little. By each of three ways to ask, and with every seed:

* of the 144 captions that can be made, each gives a picture its probability (softmax of the scaled cosines); a colour or a count has the
  sum of its captions';
* a class is the mean of its captions' embeddings, the more usual rule;
* a class is its bare word, "red" or "two", though training never saw one alone (of colour and count).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CLAIMS = {"colour": 0.9, "count": 0.85}
MOST_WALL_S = 90.0


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure, print; return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, help="of the recipe; default: train it")
    parser.add_argument("--pictures", type=int, default=720, help="new ones")
    parser.add_argument("--seeds", type=int, default=1, help="trainings, with seeds 0, 1, ...")
    options = parser.parse_args(argv)
    if options.checkpoint is not None:
        return int(not report(options.checkpoint, options.pictures))
    held = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            held.append(train(Path(folder), seed) <= MOST_WALL_S)
            held.append(report(Path(folder) / "ckpt.pt", options.pictures))
    return int(not all(held))


def report(path: Path, pictures: int) -> bool:
    """Print what each way to ask finds; return whether all claims hold."""
    found = accuracies(path, pictures)
    for way, values in found.items():
        print(f"{way}, {pictures} new pictures: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()))
    return all(values[name] >= least for values in found.values() for name, least in CLAIMS.items())


def train(folder: Path, seed: int) -> float:
    """Train the recipe; print and return its wall time in seconds, start of Python included."""
    began, load = time.perf_counter(), os.getloadavg()[0]
    command = [sys.executable, "-m", "contrastive.train", "shapes", f"run.seed={seed}", f"run.out={folder}", "--fresh", "--quiet"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall_s, cores = time.perf_counter() - began, os.cpu_count()
    busy = f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after, {cores} cores"
    print(f"seed {seed}: {wall_s:.0f} s on the clock (at most {MOST_WALL_S:.0f}), {cpu_s:.0f} s of CPU time ({busy})", flush=True)
    return wall_s


def accuracies(path: Path, pictures: int) -> dict[str, Mapping[str, float]]:
    """Return way to ask -> attribute -> accuracy."""
    import torch

    from contrastive.checkpoint.file import load
    from contrastive.data.shapes import KINDS, ShapeImages
    from contrastive.model.clip import unit_length
    from tests.support.zero_shot import ATTRIBUTES, shape_accuracy, shape_captions, shape_classes

    checkpoint, new = load(path), ShapeImages(pictures, seed=1)
    kinds = torch.arange(pictures) % len(KINDS)

    def share(classes_kd: torch.Tensor, members: Sequence[Sequence[int]]) -> float:
        truth = torch.tensor([next(i for i, some in enumerate(members) if kind in some) for kind in kinds.tolist()])
        return float(((image_nd @ classes_kd.T).argmax(dim=1) == truth).float().mean())

    with torch.no_grad():
        images = checkpoint.preprocess([new.image(index) for index in range(pictures)])
        image_nd, text_kd, scale = checkpoint.model(images, checkpoint.tokenizer(shape_captions()))
        averaged, bare = {}, {}
        for attribute in ATTRIBUTES:
            words = shape_classes(attribute)
            means = [unit_length(text_kd[members].mean(dim=0, keepdim=True))[0] for members in words.values()]
            averaged[attribute] = share(torch.stack(means), list(words.values()))
            if attribute in CLAIMS:
                alone_kd = unit_length(checkpoint.model.encode_text(checkpoint.tokenizer(list(words))))
                bare[attribute] = share(alone_kd, list(words.values()))
    summed = shape_accuracy(scale * image_nd @ text_kd.T, kinds.tolist())
    return {"sum of the captions' probabilities": summed, "mean of the captions' embeddings": averaged, "bare words": bare}


if __name__ == "__main__":
    sys.exit(main())
