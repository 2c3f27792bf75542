"""Small runs that tests start, kill and compare."""

import contextlib
import io
import json
import os
import signal
from pathlib import Path

import torch

from contrastive.checkpoint.file import load
from contrastive.config import read_config
from contrastive.train import main
from contrastive.training import loop
from tests.support.spawn import spawn

TINY_CONV = 'preset = "tiny-conv"\nvision.channels = [8, 16]\ntext = {width = 24, layers = 1, head_width = 24}'
TINY_VIT = 'preset = "tiny-vit"\nvision = {width = 16, layers = 1}\ntext = {width = 16, layers = 1}'
SMALL_VIT = 'preset = "tiny-vit"\nvision = {width = 32, layers = 1}\ntext = {width = 32, layers = 1, context = 64}'


def run_text(model, *, data, optim, run="", loss="", out="OUT"):
    """Return a run's TOML file over the synthetic images; settings of a table are separated by "; ", `out` stands for its folder."""
    tables = {"data": f'train = "shapes"; vocabulary = 560; {data}', "optim": optim, "loss": loss, "run": f'out = "{out}"; {run}'}
    return f"\n[model]\n{model}\n" + "".join(f"[{name}]\n{text.strip('; ')}\n".replace("; ", "\n") for name, text in tables.items())


COLOURED_SHAPES = run_text(
    TINY_CONV,
    data='batch = 48; shift = 1; held_out = 0.1; templates = ["{caption}", "a picture of {caption}"]',
    optim="steps = 12; lr = 2e-3; warmup = 3",
    run="save_every = 5; log_every = 1",
)


def prepared(run, *overrides):
    """Return the inputs of a run, whose folder is there afterwards."""
    inputs = loop.prepare(read_config(str(run), overrides))
    Path(inputs.config.run.out).mkdir(parents=True, exist_ok=True)
    return inputs


def after(inputs, steps, training=None):
    """Return a run after so many steps more, and their numbers."""
    training = training or loop.start(inputs)
    return training, [loop.take_step(training, inputs) for _ in range(steps)]


def saved_and_resumed(training, inputs):
    """Return the run as it goes on from the file that it leaves."""
    loop.save_run(training, inputs)
    path = Path(inputs.config.run.out) / "ckpt.pt"
    return loop.resume(inputs, load(path), path)


def train_and_die(step, run, *options):
    """In a process of its own: train until `step` steps are taken, and die without warning."""
    take = loop.take_step

    def deadly(training, *rest):
        if training.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(training, *rest)

    loop.take_step = deadly
    return main([run, "--quiet", *options])


def train_and_tell(run, *options):
    """In a process of its own: train, and return the exit code and what was printed."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        code = main([run, "--quiet", *options])
    return code, written.getvalue()


def finish_in_a_group(run, out, *options):
    """Train to the end in two forked processes, which start in no time; return what was printed."""
    (code, said), other = spawn(train_and_tell, 2, run, f"run.out={out}", *options)
    assert (code, *other) == (0, 0, "")
    return said


def assert_same_bytes(first, second):
    """Compare two state dicts to the bit."""
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype
        assert tensor.detach().numpy().tobytes() == second[name].detach().numpy().tobytes(), name


def assert_same_batches(some, others):
    for batch, other in zip(some, others, strict=True):
        assert all(map(torch.equal, batch, other))


def logged_events(folder):
    """Return the events that a run has logged."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
