"""Prompts of many classes in many templates: sorted by length and trimmed (`embed_texts`) against class by class, padded to 77 tokens.

ImageNet's classes in its eighty templates, in the text tower of a ViT-B/32 with random weights. The loop sees a few classes only, since it
takes as long for each; the rows of these are compared. Prints texts per CPU second, the ratio, and the largest difference.
``--classes 1000`` is the whole task (80,000 texts).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_texts
from audit.models import load
from benchmarks.speed.made import installed, model_folder, say_setting, templates, tokenizer

CONTEXT, WANTED, TOLERANCE = 77, 10, 1e-5


def classes(count: int) -> list[str]:
    """Return so many of ImageNet's thousand names, evenly spread."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    return list(IMAGENET_CLASSNAMES[:: len(IMAGENET_CLASSNAMES) // count][:count])


def padded_loop(model, prompts: list[list[str]]) -> np.ndarray:
    """Return one row per text, class by class as CLIP's own notebooks do."""
    words, rows = tokenizer(), []
    with torch.no_grad():
        for texts in prompts:
            given = words(texts, padding="max_length", max_length=CONTEXT, return_tensors="pt")
            rows.append(model.get_text_features(**given).pooler_output.numpy())
    return np.concatenate(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--loop-classes", type=int, default=2)
    given = parser.parse_args()
    if not installed("open_clip"):
        return
    say_setting()
    prompts = [[template.format(c=name) for template in templates()] for name in classes(given.classes)]
    few = prompts[: given.loop_classes]
    with tempfile.TemporaryDirectory() as name:
        model = model_folder(Path(name))
        encoder, root = load(name), MemoryRoot()
        started = time.process_time()
        embed_texts(encoder, [text for texts in prompts for text in texts], root)
        ours = sum(map(len, prompts)) / (time.process_time() - started)
        started = time.process_time()
        expected = padded_loop(model, few)
        loop = sum(map(len, few)) / (time.process_time() - started)
        found = embed_texts(encoder, [text for texts in few for text in texts], root)
    found, expected = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, expected))
    difference = float(np.abs(found - expected).max())
    print(
        f"{sum(map(len, prompts)):,} texts: {ours:.1f} per CPU second, padded class by class {loop:.1f}: "
        f"{ours / loop:.1f} times (wanted: {WANTED})"
    )
    print(f"largest difference of a number of a normalised row: {difference:.1e} (wanted: at most {TOLERANCE:g})")
    if difference > TOLERANCE:
        raise SystemExit("the rows differ")


if __name__ == "__main__":
    main()
