"""Runs that tests kill, and what they compare afterwards."""

import json
import os
import signal

from contrastive.train import main
from contrastive.training import loop


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
