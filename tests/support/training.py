"""Small runs that tests start, kill and compare."""

import json
import os
import signal

from contrastive.train import main
from contrastive.training import loop

TINY_CONV = 'preset = "tiny-conv"\nvision.channels = [8, 16]\ntext = {width = 24, layers = 1, head_width = 24}'
TINY_VIT = 'preset = "tiny-vit"\nvision = {width = 16, layers = 1}\ntext = {width = 16, layers = 1}'
SMALL_VIT = 'preset = "tiny-vit"\nvision = {width = 32, layers = 1}\ntext = {width = 32, layers = 1, context = 64}'


def run_text(model, *, data, optim, run="", loss="", out="OUT"):
    """Return a run's TOML file over the synthetic images; settings of a table are separated by "; ", `out` stands for its folder."""
    tables = {"data": f'train = "shapes"; vocabulary = 560; {data}', "optim": optim, "loss": loss, "run": f'out = "{out}"; {run}'}
    return f"\n[model]\n{model}\n" + "".join(f"[{name}]\n{text.strip('; ')}\n".replace("; ", "\n") for name, text in tables.items())


def train_and_die(step, run, *options):
    """In a process of its own: train until `step` steps are taken, and die without warning."""
    take = loop.take_step

    def deadly(training, *rest):
        if training.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(training, *rest)

    loop.take_step = deadly
    return main([run, "--quiet", *options])


def assert_same_bytes(first, second):
    """Compare two state dicts to the bit."""
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype
        assert tensor.detach().numpy().tobytes() == second[name].detach().numpy().tobytes(), name


def logged_events(folder):
    """Return the events that a run has logged."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
