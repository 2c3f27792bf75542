"""Samples/s of a training step against open_clip's own model, loss and optimiser, at the same configuration in the same run.

Claim: at equal context length and vocabulary the step is at least as fast as open_clip's. What short contexts gain is shown apart: this
program cuts a batch of texts behind its longest one, open_clip's model takes texts of the whole context only.

Both sides start from the same weights and take the same batch; both use AdamW (theirs as its trainer sets it up: two groups, foreach;
ours as `contrastive.training.optimizer` does) and fp32. Steps are taken in turns; of each side the median counts. Wall time depends on
other load of the machine, so the CPU time of all threads is printed, too. The two losses of the first step are compared to verify that
both do the same work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a waiting thread sleeps: its spinning is not work

import torch

from contrastive.loss import tiled
from contrastive.model.architecture import ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, portable_state
from contrastive.model.presets import preset
from contrastive.settings import OptimConfig
from contrastive.training.optimizer import clamp_logit_scale, clip, make_optimizer

TINY = ModelConfig(64, ViTConfig(32, 8, 64, 3, head_width=16), TextConfig(77, 1024, 64, 3, head_width=16), activation="quick_gelu")
CONFIGS = {"tiny": (TINY, 128, 15), "ViT-B/32": (preset("ViT-B/32"), 16, 5)}
"""Name -> architecture, batch, and steps of each side."""
SHORT = 16
"""Tokens of the longest caption in a usual batch (captions average about 15)."""
OPTIM = OptimConfig(steps=1, lr=5e-4, weight_decay=0.2)
Step = Callable[[], float]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print two lines per configuration; return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=CONFIGS, help="one configuration")
    parser.add_argument("--steps", type=int, help="of each side, after one that is not counted")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} threads, fp32")
    return max([compare(name, options.steps, torch.device(options.device)) for name in CONFIGS if options.only in (None, name)])


def compare(name: str, steps: int | None, device: torch.device) -> int:
    """Take the steps of one configuration in turns; print the times."""
    config, batch, usual = CONFIGS[name]
    model = CLIP(config, torch.Generator().manual_seed(0)).to(device)
    images, ids = make_batch(config, batch, device)
    peer = open_clip_step(config, model, images, ids, device)  # before ours moves: both begin with the same weights
    sides = {"open_clip": peer, "ours": our_step(model, images, ids), "short": our_step(model, images, ids[:, :SHORT])}
    times = in_turns(sides, steps or usual, device)
    wall, cpu = ({side: statistics.median(pair[kind] for pair in times[side]) for side in sides} for kind in (0, 1))
    print(
        f"{name}, batch {batch}, context {config.text.context}, {config.text.vocab_size} ids: ours {batch / wall['ours']:.1f}, "
        f"open_clip {batch / wall['open_clip']:.1f} samples/s = {wall['open_clip'] / wall['ours']:.2f}x; by CPU time "
        f"{cpu['open_clip'] / cpu['ours']:.2f}x"
    )
    print(
        f"  short context: texts of {SHORT} tokens, cut behind the longest: {batch / wall['short']:.1f} samples/s = "
        f"{wall['ours'] / wall['short']:.2f}x ours at {config.text.context}, {wall['open_clip'] / wall['short']:.2f}x open_clip"
    )
    return int(cpu["open_clip"] / cpu["ours"] < 1)


def in_turns(sides: dict[str, Step], steps: int, device: torch.device) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of each step; the first, in which memory is allocated, is only checked."""
    losses = {name: step() for name, step in sides.items() if name != "short"}
    if abs(losses["ours"] - losses["open_clip"]) > 1e-3:
        raise SystemExit(f"the first losses differ, so this is not the same work: {losses}")
    sides["short"]()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(steps):
        for name, step in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return times


def make_batch(config: ModelConfig, batch: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noise and texts of `SHORT` ids, padded to the context."""
    generator = torch.Generator().manual_seed(1)
    side, text = config.vision.image_size, config.text
    images = torch.randn(batch, 3, side, side, generator=generator)
    ids = torch.zeros(batch, text.context, dtype=torch.long)
    ids[:, :SHORT] = torch.randint(1, text.vocab_size - 2, (batch, SHORT), generator=generator)
    ids[:, SHORT - 1] = text.eot
    return images.to(device), ids.to(device)


def our_step(model: CLIP, images: torch.Tensor, ids: torch.Tensor) -> Step:
    """Return one step of this program's trainer: towers, tiled loss, clipping, AdamW, clamp."""
    optimizer = make_optimizer(model, OPTIM)
    objective = tiled.LOSSES["softmax"]

    def step() -> float:
        optimizer.zero_grad()
        image_nd, text_nd, _ = model(images, ids)
        loss = objective(image_nd, text_nd, model.logit_scale, model.logit_bias, None)
        loss.backward()
        clip(model, OPTIM.clip)
        optimizer.step()
        clamp_logit_scale(model.logit_scale)
        return loss.item()

    return step


def open_clip_step(config: ModelConfig, ours: CLIP, images: torch.Tensor, ids: torch.Tensor, device: torch.device) -> Step:
    """Return one step of open_clip's model, loss and optimiser, with the clipping that its trainer offers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        from open_clip.loss import ClipLoss
        from open_clip.model import CLIP as Theirs  # noqa: N811
        from open_clip.model import CLIPTextCfg, CLIPVisionCfg
    vision, text = config.vision, config.text
    vision_cfg = CLIPVisionCfg(
        layers=vision.layers, width=vision.width, head_width=vision.head_width, patch_size=vision.patch_size, image_size=vision.image_size
    )
    text_cfg = CLIPTextCfg(
        context_length=text.context, vocab_size=text.vocab_size, width=text.width, heads=text.width // text.head_width, layers=text.layers
    )
    model = Theirs(config.embed_dim, vision_cfg, text_cfg, quick_gelu=config.activation == "quick_gelu").to(device).train()
    model.load_state_dict(portable_state(ours), strict=True)
    exempt = [p for name, p in model.named_parameters() if p.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))]
    chosen = set(map(id, exempt))
    groups = [
        {"params": exempt, "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if id(p) not in chosen], "weight_decay": OPTIM.weight_decay},
    ]
    optimizer, objective = torch.optim.AdamW(groups, lr=OPTIM.lr, betas=(0.9, 0.98), eps=1e-6), ClipLoss()

    def step() -> float:
        optimizer.zero_grad()
        image_nd, text_nd, scale = model(images, ids)
        loss = objective(image_nd, text_nd, scale)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIM.clip, norm_type=2.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        return loss.item()  # type: ignore[no-any-return]

    return step


if __name__ == "__main__":
    sys.exit(main())
