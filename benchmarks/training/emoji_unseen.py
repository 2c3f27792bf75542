"""Occupation accuracy on combinations of occupation, gender and skin tone that training never saw, and two harder tests beside it.

Claim: at least 0.9 on the 60 of 300 that ``data.withhold`` leaves out (`contrastive.data.emoji.withheld` has the rule). The checkpoint is
that of ``python -m contrastive.train emoji_balanced data.withhold=true``; without ``--checkpoint`` it is trained first (about a minute of
CPU time). Zero-shot: of the 20 occupations' bare names the one with the largest cosine.

That is an easy test: each unseen drawing differs from a seen one by its tone alone. Beside it: the share of the 300 drawings whose own full
name is the best among the 300; and of the drawings that ``data.held_out`` kept from training and of which no drawing in another tone was
seen, the share whose own name is the best among those.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CLAIM = 0.9


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print both accuracies; return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, help="of a run with data.withhold=true; default: train one")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = options.checkpoint or trained(Path(folder))
        unseen, seen = accuracies(path)
        exact, alone = harder(path)
    print(
        f"occupation accuracy: {unseen[0]:.3f} of {unseen[1]} unseen combinations, {seen[0]:.3f} of the {seen[1]} seen ones; chance 0.050"
    )
    print(f"the own full name is the best of 300: {exact[0]:.3f} of {exact[1]} drawings; chance {1 / exact[1]:.3f}")
    print(f"held out, no tone sibling seen: {alone[0]:.3f} of {alone[1]} drawings, each among the names of all; chance {1 / alone[1]:.3f}")
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
    from strictio.images.in_process import open_rgb

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


def harder(path: Path) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return share and number of drawings whose own name is the best: among all 300, and among held-out ones without a tone sibling."""
    from contrastive.config import read_config
    from contrastive.data.emoji import OCCUPATIONS, load_emoji
    from contrastive.training.inputs import prepare

    people = [emoji for emoji in load_emoji().emoji if emoji.role in OCCUPATIONS and emoji.tone]
    rows = prepare(read_config("emoji_balanced", ["data.withhold=true"])).held_out_rows
    trained_on = load_emoji(withhold=True).emoji
    toned = {emoji.name.rpartition(" skin tone")[0].rpartition(" ")[0] for emoji in trained_on if emoji.name.endswith(" skin tone")}
    plain = [trained_on[row] for row in rows if not trained_on[row].name.endswith(" skin tone") and trained_on[row].name not in toned]
    return named_rightly(path, people), named_rightly(path, plain)


def named_rightly(path: Path, drawings: Sequence[Any]) -> tuple[float, int]:
    """Return the share of drawings whose own name has the largest cosine among the names of all of them, and their number."""
    import torch

    from contrastive.checkpoint.file import load
    from strictio.images.in_process import open_rgb

    checkpoint = load(path)
    with torch.no_grad():
        images = checkpoint.preprocess([open_rgb(emoji.path) for emoji in drawings])
        image_nd, text_nd, _ = checkpoint.model(images, checkpoint.tokenizer([emoji.name for emoji in drawings]))
    right = (image_nd @ text_nd.T).argmax(dim=1) == torch.arange(len(drawings))
    return float(right.float().mean()), len(drawings)


if __name__ == "__main__":
    sys.exit(main())
