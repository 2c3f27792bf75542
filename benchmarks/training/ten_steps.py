"""Ten steps of an unmodified `open_clip_train` and of this trainer, by their own commands, on one table, from one file of weights.

Claim: each loss that open_clip's trainer logs is that of ours to the rounding of its log (five digits), with softmax and with sigmoid.
This one has its defaults from ``--recipe open_clip``: no clipping, decay of positions, repaired captions. The table holds one batch, so the
order in which the two draw pairs does not matter; images have the model's size and augmentation is off, because the two draw other crops
(``tests/contrastive/training/test_open_clip_recipe.py`` compares them with equal crops).
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAIRS, STEPS, RATE = 48, 10, 1e-3
MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}
THEIRS = "import sys, open_clip; open_clip.add_model_config(sys.argv[1]); from open_clip_train.main import main; main(sys.argv[2:])"
"""Its own command, after an architecture was named to the library."""


def main() -> int:
    """Print both losses of each step; return 1 if one differs by more than the rounding of open_clip's log."""
    if missing := [name for name in ("open_clip_train", "braceexpand", "webdataset") if importlib.util.find_spec(name) is None]:
        print(f"skipped: open_clip's trainer needs {', '.join(missing)}: python -m pip install 'open_clip_torch[training]'")
        return 0
    worst = 0
    for kind in ("softmax", "sigmoid"):
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = losses(Path(folder), kind)
        for step, (their, our) in enumerate(zip(theirs, ours, strict=True), start=1):
            same = their == f"{our:#.5g}" or abs(float(their) - our) <= 0.51 * rounding(their)
            worst |= not same
            print(f"{kind:8} step {step:2}: open_clip_train {their}, this trainer {our:.6f}{'' if same else '  DIFFERS'}")
    return int(worst)


def rounding(text: str) -> float:
    """Return the place of the last digit that a number is written with."""
    return float(10.0 ** -len(text.partition(".")[2]))


def losses(folder: Path, kind: str) -> tuple[list[str], list[float]]:
    """Train twice; return the losses as open_clip's trainer writes them, and as ours does."""
    prepare(folder, kind)
    words = f"""--train-data pairs.csv --dataset-type csv --csv-img-key filepath --csv-caption-key title
        --model tiny --pretrained weights.pt
        --batch-size {PAIRS} --epochs {STEPS} --lr {RATE} --warmup 2 --beta1 0.9 --beta2 0.98 --eps 1e-6
        --workers 0 --precision fp32 --log-every-n-steps 1 --device cpu --save-frequency 0 --logs logs --name run --force-image-size 32
        --aug-cfg scale=(1.0,1.0) ratio=(1.0,1.0) {"--siglip" if kind == "sigmoid" else ""}"""
    peer = run(folder, "-c", THEIRS, "tiny.json", *words.split())
    found = re.findall(r" Loss: ([0-9.]+)", "\n".join(line for line in peer.stderr.splitlines() if "Train Epoch" in line))
    if peer.returncode or len(found) != STEPS:
        raise SystemExit(f"open_clip_train ended with {peer.returncode} after {len(found)} steps\n{peer.stderr[-3000:]}")
    (folder / "run.toml").write_text(
        f'[model]\ninit = "weights.pt"\nstated = {{activation = "gelu"}}\n'
        f'[data]\ntrain = "pairs.csv"\nbatch = {PAIRS}\naugment = []\n'
        f"[optim]\nepochs = {STEPS}\nlr = {RATE}\nwarmup = 2\n"
        f'[loss]\nkind = "{kind}"\n[run]\nout = "out"\nlog_every = 1\ndevice = "cpu"\nprecision = "fp32"\n'
    )
    own = run(folder, "-m", "contrastive.train", "run.toml", "--recipe", "open_clip", "--quiet")
    if own.returncode:
        raise SystemExit(own.stderr)
    events = map(json.loads, (folder / "out" / "log.jsonl").read_text().splitlines())
    return found, [event["loss"] for event in events if event["event"] == "step"]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=folder)


def prepare(folder: Path, kind: str) -> None:
    """Write pictures, table, architecture and weights."""
    import open_clip
    import torch

    from contrastive.data.shapes import ShapeImages

    source, rows = ShapeImages(), ["filepath\ttitle"]
    for index in range(PAIRS):
        source.image(3 * index).resize((32, 32)).save(folder / f"{index}.png")
        rows.append(f"{folder}/{index}.png\t{source.captions(3 * index)[0]}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    (folder / "tiny.json").write_text(json.dumps(MODEL))
    torch.manual_seed(0)
    start = {"init_logit_scale": 2.302585, "init_logit_bias": -10.0} if kind == "sigmoid" else {}
    torch.save(open_clip.CLIP(**MODEL, **start).state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    sys.exit(main())
