"""Peak memory and CPU time of the tiled losses against the dense ones, forward and backward, in one run.

Claim: at 8192 pairs of 256 dimensions the tiled losses need at most 1/5 of the dense losses' memory, and no more CPU time.

Each measurement runs in a separate process. Memory is the high-water mark of the resident set (Linux: ``VmHWM``, which a new program starts
at nothing; a child's ``ru_maxrss`` starts at its parent's size), less what was resident just before the loss was called: features and
libraries are not counted, the gradients of the features are. CPU time is that of all threads, which sleep while they wait for each other
(otherwise it would also count how busy the machine is with other things); of each variant the fastest run counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

KINDS = ("softmax", "sigmoid")
MOST_MEMORY, MOST_TIME = 1 / 5, 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print one line per loss with both ratios; return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=8192)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--tile", type=int, help="rows of a tile; default: what the losses choose")
    parser.add_argument("--runs", type=int, default=3, help="of each variant, taken in turns")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "VARIANT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(measure(*options.one, options.pairs, options.width, options.tile)))
        return 0
    return max(compare(kind, options) for kind in KINDS)


def compare(kind: str, options: argparse.Namespace) -> int:
    """Run both variants of a loss in turns; print what they took."""
    runs = [(in_own_process(kind, "dense", options), in_own_process(kind, "tiled", options)) for _ in range(options.runs)]
    dense, tiled = ({key: min(run[key] for run in side) for key in side[0]} for side in zip(*runs, strict=True))
    memory, cpu, wall = (tiled[key] / dense[key] for key in ("memory_mib", "cpu_s", "wall_s"))
    print(
        f"{kind}, {options.pairs} pairs x {options.width}: peak memory {tiled['memory_mib']:.0f} of {dense['memory_mib']:.0f} MiB"
        f" = {memory:.3f}; CPU time {tiled['cpu_s']:.2f} of {dense['cpu_s']:.2f} s = {cpu:.2f}; wall time {wall:.2f};"
        f" losses differ by {abs(tiled['loss'] - dense['loss']) / dense['loss']:.0e}"
    )
    return int(memory > MOST_MEMORY or cpu > MOST_TIME)


def in_own_process(kind: str, variant: str, options: argparse.Namespace) -> dict[str, float]:
    """Return what `measure` finds in a fresh process."""
    sizes = [f"--pairs={options.pairs}", f"--width={options.width}", *([f"--tile={options.tile}"] if options.tile else [])]
    command = [sys.executable, __file__, "--one", kind, variant, *sizes]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout)
    return found


def measure(kind: str, variant: str, pairs: int, width: int, tile: int | None) -> dict[str, float]:
    """Return the peak memory beyond the features (MiB), CPU and wall time (s) and the loss of one forward and backward pass."""
    import torch

    step = make_step(kind, variant, tile)
    # The first call loads kernels and starts threads: not the loss's doing.
    step(*make_inputs(torch, 64, width))
    inputs = make_inputs(torch, pairs, width)
    before, cpu, wall = resident_mib(), time.process_time(), time.perf_counter()
    loss = step(*inputs)
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "memory_mib": peak_mib() - before,
        "loss": loss,
    }


def make_step(kind: str, variant: str, tile: int | None) -> Callable[..., float]:
    """Return a function that takes features and scalars through one forward and backward pass."""
    from contrastive.loss import dense as losses
    from contrastive.loss import tiled

    def step(image_nd, text_nd, logit_scale, logit_bias):  # type: ignore[no-untyped-def]
        if variant == "dense":
            loss = losses.LOSSES[kind](image_nd, text_nd, logit_scale.exp(), logit_bias)
        else:
            loss = tiled.LOSSES[kind](image_nd, text_nd, logit_scale, logit_bias, tile)
        loss.backward()
        return loss.item()

    return step


def make_inputs(torch, pairs: int, width: int):  # type: ignore[no-untyped-def]
    """Return two sets of unit rows, and the scalars with which training starts."""
    generator = torch.Generator().manual_seed(0)
    features = [torch.nn.functional.normalize(torch.randn(pairs, width, generator=generator), dim=1) for _ in range(2)]
    return [tensor.requires_grad_() for tensor in [*features, torch.tensor([2.659]), torch.tensor([-10.0])]]


def resident_mib() -> float:
    """Return the resident memory now."""
    return _status_mib("VmRSS:") or peak_mib()


def peak_mib() -> float:
    """Return the peak resident memory of this process."""
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return _status_mib("VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _status_mib(name: str) -> float | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    sys.exit(main())
