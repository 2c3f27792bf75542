"""Two real processes (gloo) and their words; the gradients are in test_oracle.py."""

import math
import os

import pytest
import torch
from torch import nn

from contrastive import distributed
from contrastive.loss import tiled
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, portable_state
from contrastive.training import optimizer as optim
from strictio.errors import UsageError, VlmAuditError
from tests.support.spawn import spawn

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _not_under_torchrun(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


CONV, VIT = ConvConfig(8, (4, 8)), ViTConfig(8, 4, 16, 1, head_width=8)


def make_model(seed, tower=CONV):
    text = TextConfig(context=5, vocab_size=12, width=16, layers=2, head_width=8)
    return CLIP(ModelConfig(8, tower, text, score_rule="sigmoid"), torch.Generator().manual_seed(seed))


def test_alone_nothing_is_joined(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert distributed.init("cpu") == torch.device("cpu")
    assert not torch.distributed.is_initialized()
    model, x = make_model(0), torch.tensor([1.0, 2.0])
    assert distributed.wrap(model, "ddp") is model
    assert distributed.wrap(model, "fsdp2") is model
    assert (distributed.world_size(), distributed.rank(), distributed.rank0()) == (1, 0, True)
    assert all(torch.equal(function(x), x) for function in (distributed.all_mean, distributed.all_sum, distributed.all_max))
    assert torch.equal(distributed.gather_rows(x), x)
    assert torch.equal(distributed.scatter_sum(x), x)
    distributed.require_even(3)
    distributed.barrier()
    distributed.close()
    with distributed.no_sync(model):
        pass


def test_half_of_torchruns_variables_a_process_without_a_gpu_and_an_unknown_mode_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="2 processes were announced, but MASTER_ADDR, MASTER_PORT is not set") as refused:
        distributed.init("cpu")
    assert "torchrun --nproc-per-node 2" in str(refused.value)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="process 1 of this machine has no GPU"):
        distributed.init("cuda")
    with pytest.raises(UsageError, match="did you mean fsdp2"):
        distributed.wrap(make_model(0), "fsdp")


# Two processes; everything they do is in one function, because starting them costs most.


def run_two():
    parts = {function.__name__: function() for function in (collectives, uneven, batch_norm, alien)}
    modes = {mode: start_and_state(mode) for mode in distributed.MODES}
    return {**parts, **modes, "unsynced": {mode: unsynced(mode) for mode in distributed.MODES}}


def collectives():
    mine = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) + 10 * distributed.rank()
    rows = distributed.gather_rows(mine.requires_grad_())
    scattered = distributed.scatter_sum(rows * (1 + distributed.rank()))
    found = {"mean": distributed.all_mean(mine), "sum": distributed.all_sum(mine), "max": distributed.all_max(mine), "untouched": mine}
    found |= {"rows": rows, "scattered": scattered}
    return {**{name: x.tolist() for name, x in found.items()}, "gradient": rows.requires_grad, "first": distributed.rank0()}


def uneven():
    said = []
    for loss in tiled.LOSSES.values():
        features = torch.ones(3 + distributed.rank(), 2)
        try:
            loss(features, features, torch.zeros(1), torch.zeros(1))
        except VlmAuditError as error:
            said.append(str(error))
    return said


def start_and_state(mode):
    """Each process draws other weights; after wrapping, one step of each kind of parameter."""
    model = make_model(distributed.rank(), VIT)
    wrapped = distributed.wrap(model, mode)
    before = {name: tensor.clone() for name, tensor in distributed.full_tensors(portable_state(model)).items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    image_nd, text_nd, _ = wrapped(torch.ones(2, 3, 8, 8) * torch.arange(1, 3)[:, None, None, None], torch.tensor([[1, 11], [2, 11]]))
    tiled.sigmoid(image_nd, text_nd, model.logit_scale, model.logit_bias).backward()
    norm = optim.clip(model, 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.add_(100)
    optim.clamp_logit_scale(model.logit_scale)
    held = sum(distributed.local_tensor(parameter).numel() for parameter in model.parameters())
    return {
        "before": before, "norm": norm, "after": distributed.full_tensors(portable_state(model)), "held": held,
        "all": sum(parameter.numel() for parameter in model.parameters()), "names": [name for name, _ in model.named_parameters()],
    }  # fmt: skip


def batch_norm():
    """What is said where batch norm is trained; how a locked one computes."""
    model = make_model(0)
    with pytest.raises(UsageError) as refused:
        distributed.wrap(model, "ddp")
    model.visual.requires_grad_(False)
    wrapped = distributed.wrap(model, "ddp")
    optim.rest_locked_norms(wrapped.train())
    image_nd, _, _ = wrapped(torch.ones(2, 3, 8, 8), torch.tensor([[1, 11], [2, 11]]))
    return {"refused": str(refused.value), "steps": int(model.visual.layers[1].num_batches_tracked), "image": image_nd}


def alien():
    with pytest.raises(TypeError, match="Linear was not wrapped") as refused, distributed.no_sync(nn.Linear(1, 1)):
        pass
    return str(refused.value)


def unsynced(mode):
    """The gradient of a bias is 1 on rank 0 and 3 on rank 1, in each of two backward passes."""
    model = nn.Linear(1, 1)
    wrapped = distributed.wrap(model, mode)
    weight = 1.0 + 2 * distributed.rank()
    with distributed.no_sync(wrapped):
        (weight * wrapped(torch.zeros(1, 1))).sum().backward()
        local = None if model.bias.grad is None else model.bias.grad.tolist()
    (weight * wrapped(torch.zeros(1, 1))).sum().backward()
    return {"local": local, "averaged": distributed.full_tensors({"bias": model.bias.grad})["bias"].tolist()}


@pytest.fixture(scope="module")
def two():
    return spawn(run_two, 2)


def test_collectives_by_hand(two):
    """Rank 0 has 1 2 / 3 4, rank 1 has 11 12 / 13 14."""
    for rank, found in enumerate(process["collectives"] for process in two):
        assert found["mean"] == [[6, 7], [8, 9]]
        assert found["sum"] == [[12, 14], [16, 18]]
        assert found["max"] == [[11, 12], [13, 14]]
        assert found["untouched"] == [[1 + 10 * rank, 2 + 10 * rank], [3 + 10 * rank, 4 + 10 * rank]]
        assert found["rows"] == [[1, 2], [3, 4], [11, 12], [13, 14]]
        assert not found["gradient"]
        # Rank 0 gives the rows once, rank 1 twice: three times its own rows comes back to each.
        assert found["scattered"] == [[[3, 6], [9, 12]], [[33, 36], [39, 42]]][rank]
        assert found["first"] == (rank == 0)


def test_batches_of_different_sizes_are_refused_in_words_on_every_process(two):
    for rank, process in enumerate(two):
        assert len(process["uneven"]) == 2
        for said in process["uneven"]:
            assert said.startswith(f"the processes have batches of different sizes: 3 to 4 pairs (process {rank} of 2 has {3 + rank})")
            assert "drop the last, incomplete batch" in said


@pytest.mark.parametrize("mode", distributed.MODES)
def test_all_start_from_the_first_ones_weights_and_a_step_moves_every_process_alike(two, mode):
    expected = portable_state(make_model(0, VIT))
    for process in two:
        assert process[mode]["before"].keys() == expected.keys()
        assert all(torch.equal(process[mode]["before"][name], tensor) for name, tensor in expected.items())
    first, second = (process[mode] for process in two)
    assert first["norm"] == second["norm"] > 0
    assert all(torch.equal(first["after"][name], second["after"][name]) for name in first["after"])
    assert not torch.equal(first["after"]["text_projection"], first["before"]["text_projection"])
    assert first["after"]["logit_scale"].item() == pytest.approx(math.log(100))
    assert first["after"]["logit_bias"].item() == pytest.approx(-10 + 0.1 - 0.1 * 0.01 * -10, abs=1e-4)


def test_the_modes_agree_on_a_step_and_fsdp_holds_half_and_ddp_all(two):
    one, other = (two[0][mode] for mode in distributed.MODES)
    assert one["norm"] == pytest.approx(other["norm"], rel=1e-5)
    assert all(torch.allclose(one["after"][name], other["after"][name], atol=1e-4) for name in one["after"])
    for process in two:
        assert process["ddp"]["held"] == process["ddp"]["all"]
        assert process["fsdp2"]["held"] < 0.6 * process["fsdp2"]["all"]
        assert process["fsdp2"]["names"] == process["ddp"]["names"] == [name for name, _ in make_model(0, VIT).named_parameters()]


def test_batch_norm_is_refused_unless_it_is_locked(two):
    # gloo cannot synchronize its statistics, and a process's own are not the batch's.
    model = make_model(0).eval()
    for process in (process["batch_norm"] for process in two):
        first, why, fix = process["refused"].splitlines()
        assert first == "batch norm cannot be trained by 2 processes on the CPU"
        assert "each process would normalize by its own part" in why
        assert all(way in fix for way in ("one process", "run.device=cuda", "vision transformer", "optim.multipliers={'^visual' = 0}"))
        assert process["steps"] == 0
        expected = model(torch.ones(2, 3, 8, 8), torch.tensor([[1, 11], [2, 11]]))[0]
        torch.testing.assert_close(process["image"], expected.detach())


def test_gradients_stay_here_until_they_are_averaged(two):
    """DDP: 1 and 3 stay apart, then (2 + 6) / 2 = 4. FSDP2 has no sharded gradient before it averages."""
    for rank, process in enumerate(two):
        assert "contrastive.distributed.wrap" in process["alien"]  # a model that was not wrapped is refused
        assert process["unsynced"]["ddp"] == {"local": [1.0 + 2 * rank], "averaged": [4.0]}
        assert process["unsynced"]["fsdp2"] == {"local": None, "averaged": [4.0]}


def fail_on_rank_one():
    if distributed.rank() == 1:
        raise ValueError("the reason")
    distributed.barrier()


def tell_rank(number):
    return {"rank": distributed.rank(), "size": int(os.environ["WORLD_SIZE"]), "threads": torch.get_num_threads(), "number": number}


def test_results_come_back_by_rank():
    assert spawn(tell_rank, 2, 7) == [{"rank": rank, "size": 2, "threads": 1, "number": 7} for rank in range(2)]


def test_a_failed_process_ends_the_others_and_says_why_and_time_is_bounded():
    with pytest.raises(VlmAuditError, match="ended with 1") as failed:
        spawn(fail_on_rank_one, 2)
    assert "[1] ValueError: the reason" in str(failed.value)
    with pytest.raises(VlmAuditError, match="did not finish in time"):
        spawn(tell_rank, 1, 7, timeout_s=0.01)
