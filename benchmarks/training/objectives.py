"""Zero-shot accuracy against samples seen: captions word by word, bags of words, contrastive; same towers, same data, same order.

The comparison of Radford et al. 2021, figure 2, at the size of a laptop: synthetic shapes, of which the model is shown new ones and asked
which of all 144 captions fits. Every objective scores a caption by its log-likelihood given the image (contrastive: the scaled cosine).
All is the trainer's own path with another ``loss.kind``: the image tower, its first weights, the batches and the optimiser are the same;
the rate is constant after its warm-up, so that a point does not depend on how long the run goes on. Each objective is run at every rate and
judged by the one that ends best for it, because a rate that suits one need not suit another.

What is compared is the number of samples to an accuracy that all of them reach: the best of the weakest one, and half of it. What is
printed was measured here, at this size; it need not hold at another.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contrastive.training.loop import RunInputs, Training

KINDS = ("caption", "bag-of-words", "softmax")
NAMES = {"softmax": "contrastive"}
POINTS = (10, 20, 40, 70, 100, 150, 200, 300)
"""Steps after which accuracy is measured."""
Curve = list[tuple[int, float]]
"""(samples seen, accuracy), in the order of samples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train all three, print a table of the samples that each needed, and draw the curves; return 1 if contrastive is not the fastest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("runs/objectives"), help="folder for objectives.svg")
    parser.add_argument("--steps", type=int, default=POINTS[-1], help="of each run, at most")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each objective; accuracies are averaged")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 2e-3], help="learning rates; the best for each objective counts")
    parser.add_argument("--pictures", type=int, default=144, help="new ones that are asked about")
    options = parser.parse_args(argv)
    curves = {NAMES.get(kind, kind): best_of(kind, options) for kind in KINDS}
    print(table(curves))
    draw(curves, options.out)
    print(options.out / "objectives.svg")
    target = targets(curves)[-1]
    needed = {name: samples_to(curve, target) or math.inf for name, curve in curves.items()}
    return int(needed["contrastive"] > min(needed.values()))


def best_of(kind: str, options: argparse.Namespace) -> Curve:
    """Return the curve of the learning rate at which an objective ends best."""
    curves = [mean_of([run(kind, rate, seed, options) for seed in range(options.seeds)]) for rate in options.rates]
    return max(curves, key=lambda curve: curve[-1][1])


def run(kind: str, rate: float, seed: int, options: argparse.Namespace) -> Curve:
    """Train one model by one objective; return its accuracy at every point."""
    from contrastive.config import read_config
    from contrastive.training import loop

    schedule = ["optim.schedule=constant", f"optim.warmup={min(30, options.steps)}", f"optim.steps={options.steps}"]
    config = read_config("shapes", [*schedule, f"optim.lr={rate}", f"run.seed={seed}", f"loss.kind={kind}"])
    inputs = loop.prepare(config)
    training, curve, began = loop.start(inputs), [], time.process_time()
    while training.step < options.steps:
        loop.take_step(training, inputs)
        if training.step in POINTS:
            curve.append((training.step * config.data.batch, accuracy(training, inputs, options.pictures)))
    end = f"{curve[-1][1]:.3f} after {curve[-1][0]:,} samples"
    print(f"{kind}, rate {rate:g}, seed {seed}: {end}, {time.process_time() - began:.0f} s of CPU", flush=True)
    return curve


def accuracy(training: Training, inputs: RunInputs, pictures: int) -> float:
    """Return the share of pictures, none of them seen in training, whose own caption is the best of all 144."""
    import torch

    from contrastive.data.pairs import trimmed
    from contrastive.data.shapes import KINDS as SHAPES
    from contrastive.data.shapes import ShapeImages
    from tests.support.zero_shot import caption_scores, shape_captions

    new = ShapeImages(pictures, seed=1)
    images = inputs.preprocess([new.image(index) for index in range(pictures)])
    ids = trimmed(inputs.tokenizer(shape_captions()), inputs.tokenizer.eot)
    found = caption_scores(training.model, training.objective, images, ids).argmax(dim=1)
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


def targets(curves: dict[str, Curve]) -> tuple[float, float]:
    """Return two accuracies that every objective reaches: half of the weakest one's best, and its best.

    Examples
    --------
    >>> targets({"caption": [(10, 0.1), (20, 0.5)], "contrastive": [(10, 0.6), (20, 0.9)]})
    (0.25, 0.5)
    """
    least = min(max(value for _, value in curve) for curve in curves.values())
    return least / 2, least


def table(curves: dict[str, Curve]) -> str:
    """Return samples to each target, and how many times more that is than contrastive training needs."""
    wanted = targets(curves)
    lines = [f"{'samples to accuracy':>20} " + "".join(f"{target:>20.3f}" for target in wanted) + f"{'best':>10}"]
    for kind, curve in curves.items():
        cells = "".join(f"{_cell(samples_to(curve, target), samples_to(curves['contrastive'], target)):>20}" for target in wanted)
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
        for target in targets(curves):
            axes.axhline(target, color="grey", linewidth=0.8, linestyle="--")
        axes.axhline(1 / 144, color="grey", linestyle=":", label="chance")
        marked = [samples for samples, _ in curves["contrastive"]][::2]
        axes.set_xticks(marked, [f"{samples:,}" for samples in marked])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(folder / "objectives.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
