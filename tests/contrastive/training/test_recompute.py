"""A ResNet that computes its bottlenecks twice is the same ResNet: in two processes, sharded or not, and compiled."""

import pytest
import torch

from contrastive import distributed
from contrastive.loss import grad_cache as accumulate
from contrastive.loss import tiled
from contrastive.model.architecture import ModelConfig, ResNetConfig, TextConfig
from contrastive.model.clip import CLIP
from contrastive.model.towers import Bottleneck
from contrastive.training import optimizer as optimizers
from contrastive.training import state
from tests.support.spawn import spawn


def train(mode, recompute, compiled=False, steps=2):
    """Two steps of plain descent on this process's rows of 8 pairs; return parameters and statistics, complete.

    Batch norms are trained in a single process only; several on the CPU lock them.
    """
    text = TextConfig(context=5, vocab_size=12, width=16, layers=1, head_width=8)
    model = CLIP(ModelConfig(8, ResNetConfig(32, 4, (1, 2, 1, 1)), text), torch.Generator().manual_seed(3)).double()
    with torch.no_grad():
        model.visual.layer2[1].bn3.weight.fill_(0.5)  # as they begin, a bottleneck passes its shortcut on alone
    optimizers.lock(model, {r"bn\d|downsample\.1": float(distributed.world_size() == 1)})
    state.set_up(model, recompute=recompute, compiled=compiled)
    wrapped, own = distributed.wrap(model, mode), distributed.rank_slice(8)
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(8, 3, 32, 32, generator=generator, dtype=torch.float64)
    ids = torch.randint(1, 11, (8, 5), generator=generator)
    ids[:, -1] = 11
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        optimizers.rest_locked_norms(wrapped.train())
        accumulate.accumulate(wrapped, [(images[own], ids[own])], lambda i, t: tiled.info_nce(i, t, model.logit_scale))
        optimizer.step()
    return distributed.full_tensors(model.state_dict())


def compare(modes):
    """In a process of a group: mode -> the largest difference that recomputation makes."""
    found = {}
    for mode in modes:
        start, plain, again = train(mode, recompute=False, steps=0), train(mode, recompute=False), train(mode, recompute=True)
        found[mode] = max(float((plain[name].double() - again[name].double()).abs().max()) for name in plain)
        found[f"{mode} moved"] = float((plain["visual.layer2.1.conv2.weight"] - start["visual.layer2.1.conv2.weight"]).abs().max())
    return found


def test_in_two_processes_nothing_changes():
    for found in spawn(compare, 2, list(distributed.MODES)):
        assert all(found[mode] == 0.0 for mode in distributed.MODES), found
        assert found["ddp moved"] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of torch itself
def test_pieces_that_run_again_are_compiled_one_by_one(monkeypatch):
    compiling, compiled = torch.nn.Module.compile, []

    def traced(module):
        compiled.append(type(module).__name__)
        compiling(module, backend="eager")  # traced but not translated to C++, which takes a minute

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    again = train("ddp", recompute=True, compiled=True)
    assert compiled.count(Bottleneck.__name__) == 5
    assert "ModifiedResNet" not in compiled
    plain = train("ddp", recompute=False)
    assert plain["visual.layer2.1.bn2.running_mean"].abs().max() > 0  # statistics move, and once
    for name, tensor in plain.items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=1e-10, msg=name)
