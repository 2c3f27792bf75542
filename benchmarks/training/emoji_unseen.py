"""Occupation accuracy on combinations of occupation, gender and skin tone that training never saw.

Claim: at least 0.9 on the 60 of 300 that ``data.withhold`` leaves out (`contrastive.data.emoji.withheld` has the rule). The checkpoint is
that of ``python -m contrastive.train emoji_balanced data.withhold=true``; without ``--checkpoint`` it is trained first (about a minute of
CPU time). Zero-shot: of the 20 occupations' bare names the one with the largest cosine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CLAIM = 0.9


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print both accuracies; return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, help="of a run with data.withhold=true; default: train one")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        unseen, seen = accuracies(options.checkpoint or trained(Path(folder)))
    print(
        f"occupation accuracy: {unseen[0]:.3f} of {unseen[1]} unseen combinations, {seen[0]:.3f} of the {seen[1]} seen ones; chance 0.050"
    )
    return int(unseen[0] < CLAIM)


def trained(folder: Path) -> Path:
    """Train the control recipe without the withheld drawings; return its checkpoint."""
    settings = ["emoji_balanced", "data.withhold=true", f"run.out={folder}"]
    subprocess.run([sys.executable, "-m", "contrastive.train", *settings, "--fresh", "--quiet"], check=True)
    return folder / "ckpt.pt"


def accuracies(path: Path) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return accuracy and number of the drawings with a skin tone: those withheld, then the others."""
    import torch

    from contrastive.checkpoint.file import load
    from contrastive.data.emoji import OCCUPATIONS, load_emoji, withheld
    from contrastive.data.images import open_rgb

    checkpoint = load(path)
    if "less 60 of the 300 combinations" not in (checkpoint.data_card or ""):
        raise SystemExit(f"{path} was trained without data.withhold=true: its data card names no withheld combinations")
    people = [emoji for emoji in load_emoji().emoji if emoji.role in OCCUPATIONS and emoji.tone]
    images = checkpoint.preprocess([open_rgb(emoji.path) for emoji in people])
    with torch.no_grad():
        image_nd, text_kd, _ = checkpoint.model(images, checkpoint.tokenizer(list(OCCUPATIONS)))
    found = [OCCUPATIONS[index] for index in (image_nd @ text_kd.T).argmax(dim=1).tolist()]
    right = {
        flag: [name == emoji.role for name, emoji in zip(found, people, strict=True) if withheld(emoji) == flag] for flag in (True, False)
    }
    return tuple((sum(side) / len(side), len(side)) for side in (right[True], right[False]))  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
