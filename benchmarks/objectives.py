"""Zero-shot accuracy against samples seen: captions word by word, bags of words, contrastive; same towers, same data, same order.

The comparison of Radford et al. 2021, figure 2, at the size of a laptop: synthetic shapes, of which the model is shown new ones and asked
which of all 144 captions fits. Every objective scores a caption by its log-likelihood given the image (contrastive: the scaled cosine).
The image tower, its first weights, the batches and the optimiser are the same; the rate is constant after its warm-up, so that a point
does not depend on how long the run goes on. What is printed was measured here, at this size; it need not hold at another.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contrastive.material import Material
    from contrastive.objectives import Together

KINDS = ("caption", "bag-of-words", "contrastive")
TARGETS = (0.5, 0.8)
POINTS = (10, 20, 40, 70, 100, 150, 200, 300)
"""Steps after which is measured."""
Curve = list[tuple[int, float]]
"""(samples seen, accuracy), in the order of samples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train all three, print a table of the samples that each needed, and draw the curves; return 1 if contrastive never gets there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("runs/objectives"), help="folder for objectives.svg")
    parser.add_argument("--steps", type=int, default=POINTS[-1], help="of each run, at most")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each objective; accuracies are averaged")
    parser.add_argument("--pictures", type=int, default=144, help="new ones that are asked about")
    options = parser.parse_args(argv)
    curves = {kind: mean_of([run(kind, seed, options) for seed in range(options.seeds)]) for kind in KINDS}
    print(table(curves))
    draw(curves, options.out)
    print(options.out / "objectives.svg")
    return int(samples_to(curves["contrastive"], TARGETS[0]) is None)


def run(kind: str, seed: int, options: argparse.Namespace) -> Curve:
    """Train one model by one objective; return its accuracy at every point."""
    import torch

    from contrastive.config import read_config
    from contrastive.material import prepare
    from contrastive.model import CLIP
    from contrastive.objectives import Together, make_objective

    rate = ["optim.schedule=constant", f"optim.warmup={min(30, options.steps)}"]
    config = read_config("shapes", [f"optim.steps={options.steps}", *rate, f"run.seed={seed}"])
    material = prepare(config)
    model = CLIP(material.model, torch.Generator().manual_seed(seed))
    together = Together(model, make_objective(kind, material.model, torch.Generator().manual_seed(seed + 1)))
    began = time.process_time()
    reached = (step for step in learn(together, material) if step in POINTS)
    curve = [(step * config.data.batch, accuracy(together, material, options.pictures)) for step in reached]
    print(f"{kind}, seed {seed}: {curve[-1][1]:.3f} after {curve[-1][0]:,} samples, {time.process_time() - began:.0f} s of CPU", flush=True)
    return curve


def learn(together: Together, material: Material) -> Iterator[int]:
    """Take the steps of the configuration; yield the number taken after each."""
    import torch

    from contrastive.data.order import batch_positions, place
    from contrastive.optim import clamp_logit_scale, clip, learning_rate, parameter_groups, set_learning_rate

    config, n = material.config, len(material.train_rows)
    groups = parameter_groups(together.named_parameters(), config.optim.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6)
    for step in range(config.optim.steps):
        together.train()
        rows = material.train_rows[batch_positions(config.run.seed, step, n, config.data.batch)]
        pixels, ids = material.pairs.batch(rows, place(step, n, config.data.batch)[0], config.run.seed, config.data.shift)
        optimizer.zero_grad()
        together(material.preprocess.normalise(pixels), ids).backward()
        clip(together, config.optim.clip)
        set_learning_rate(optimizer, learning_rate(step, config.optim))
        optimizer.step()
        clamp_logit_scale(together.model.logit_scale)
        yield step + 1


def accuracy(together: Together, material: Material, pictures: int) -> float:
    """Return the share of pictures, none of them seen in training, whose own caption is the best of all 144."""
    import torch

    from contrastive.data.pairs import trimmed
    from contrastive.data.shapes import KINDS as SHAPES
    from contrastive.data.shapes import ShapePictures
    from contrastive.objectives.zero_shot import caption_scores, shape_captions

    new = ShapePictures(pictures, seed=1)
    images = material.preprocess([new.image(index) for index in range(pictures)])
    ids = trimmed(material.tokenizer(shape_captions()), material.tokenizer.eot)
    found = caption_scores(together.model, together.objective, images, ids).argmax(dim=1)
    return float((found == torch.arange(pictures) % len(SHAPES)).float().mean())


def mean_of(runs: Sequence[Curve]) -> Curve:
    """Return the mean accuracy of runs that were measured after the same numbers of samples."""
    return [(points[0][0], sum(value for _, value in points) / len(points)) for points in zip(*runs, strict=True)]


def samples_to(curve: Curve, target: float) -> float | None:
    """Return the samples at which the curve first reaches `target`, on a straight line over log samples between two points; None: never.

    Examples
    --------
    >>> samples_to([(100, 0.2), (400, 0.6)], 0.4)
    200.0
    """
    for index, (samples, value) in enumerate(curve):
        if value >= target:
            before, below = curve[index - 1] if index else (samples, value)
            share = (target - below) / (value - below) if value > below else 1.0
            return round(math.exp(math.log(before) + share * (math.log(samples) - math.log(before))), 6)
    return None


def table(curves: dict[str, Curve]) -> str:
    """Return samples to each target, and how many times more that is than contrastive training needs."""
    lines = [f"{'samples to accuracy':>20} " + "".join(f"{target:>20.2f}" for target in TARGETS) + f"{'best':>10}"]
    for kind, curve in curves.items():
        cells = "".join(f"{_cell(samples_to(curve, target), samples_to(curves['contrastive'], target)):>20}" for target in TARGETS)
        lines.append(f"{kind:>20} {cells}{max(value for _, value in curve):>10.3f}")
    return "\n".join(lines)


def _cell(samples: float | None, of_contrastive: float | None) -> str:
    if samples is None:
        return "not reached"
    return f"{samples:,.0f}" + (f" ({samples / of_contrastive:.2f}x)" if of_contrastive else "")


def draw(curves: dict[str, Curve], folder: Path) -> None:
    """Write ``objectives.svg``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "objectives", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot(
            xscale="log", xlabel="samples seen", ylabel="zero-shot accuracy, 144 captions", ylim=(0, 1.02), title="Samples to accuracy"
        )
        for (kind, curve), marker in zip(curves.items(), "os^", strict=True):
            axes.plot(*zip(*curve, strict=True), marker=marker, label=kind)
        axes.axhline(1 / 144, color="grey", linestyle=":", label="chance")
        marked = [samples for samples, _ in curves["contrastive"]][::2]
        axes.set_xticks(marked, [f"{samples:,}" for samples in marked])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(folder / "objectives.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
