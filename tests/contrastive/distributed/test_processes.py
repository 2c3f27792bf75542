"""Two real processes (gloo) and their words; the gradients are in test_oracle.py."""

import math
import os

import pytest
import torch
from torch import nn

from contrastive.distributed import processes as distributed
from contrastive.distributed.sync_norm import SyncBatchNorm2d
from contrastive.errors import UsageError, VlmAuditError
from contrastive.loss import tiled
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig
from contrastive.model.clip import CLIP, portable_state
from contrastive.training import optimizer as optim
from tests.support.spawn import spawn

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _not_under_torchrun(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def make_model(seed, kind="sigmoid"):
    text = TextConfig(context=5, vocab_size=12, width=16, layers=2, head_width=8)
    return CLIP(ModelConfig(8, ConvConfig(8, (4, 8)), text, score_rule=kind), torch.Generator().manual_seed(seed))


# Alone.


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


def test_half_of_torchruns_variables_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="2 processes were announced, but MASTER_ADDR, MASTER_PORT is not set") as refused:
        distributed.init("cpu")
    assert "torchrun --nproc-per-node 2" in str(refused.value)


def test_a_process_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="process 1 of this machine has no GPU"):
        distributed.init("cuda")


def test_an_unknown_mode_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean fsdp2"):
        distributed.wrap(make_model(0), "fsdp")


# Two processes; everything they do is in one function, because starting them costs most.


def run_two():
    return {
        "collectives": collectives(),
        "uneven": uneven(),
        "ddp": start_and_state("ddp"),
        "fsdp2": start_and_state("fsdp2"),
        "norm": batch_norm(),
        "alien": alien(),
        "unsynced": {mode: unsynced(mode) for mode in distributed.MODES},
    }


def collectives():
    mine = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) + 10 * distributed.rank()
    rows = distributed.gather_rows(mine.requires_grad_())
    return {
        "mean": distributed.all_mean(mine).tolist(),
        "sum": distributed.all_sum(mine).tolist(),
        "max": distributed.all_max(mine).tolist(),
        "untouched": mine.tolist(),
        "rows": rows.tolist(),
        "gradient": rows.requires_grad,
        "scattered": distributed.scatter_sum(rows * (1 + distributed.rank())).tolist(),
        "first": distributed.rank0(),
    }


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
    model = make_model(distributed.rank())
    wrapped = distributed.wrap(model, mode)
    before = {name: tensor.clone() for name, tensor in distributed.whole(portable_state(model)).items()}
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
        "before": before, "norm": norm, "after": distributed.whole(portable_state(model)), "held": held,
        "all": sum(parameter.numel() for parameter in model.parameters()), "names": [name for name, _ in model.named_parameters()],
    }  # fmt: skip


def batch_norm():
    """Two channels, two steps; each process has half of the samples."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).double()
    images = norm_images()
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(6.0).reshape(2, 3, 1, 1))
        model[0].bias.copy_(torch.tensor([100.0, -100.0]))
    names = list(model.state_dict())
    wrapped = distributed.wrap(model, "ddp")
    for _ in range(2):
        out = wrapped(images[4 * distributed.rank() : 4 * distributed.rank() + 4])
    model.eval()
    frozen = model(images[:1])
    return {
        "out": out.detach(), "mean": model[1].running_mean, "variance": model[1].running_var, "steps": int(model[1].num_batches_tracked),
        "same names": names == list(model.state_dict()), "frozen": frozen.detach(), "type": type(model[1]).__name__,
    }  # fmt: skip


def norm_images():
    return torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


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
        kept = None if model.bias.grad is None else model.bias.grad.tolist()
    (weight * wrapped(torch.zeros(1, 1))).sum().backward()
    return {"kept": kept, "averaged": distributed.whole({"bias": model.bias.grad})["bias"].tolist()}


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
def test_all_start_from_the_first_ones_weights(two, mode):
    expected = portable_state(make_model(0))
    for process in two:
        assert process[mode]["before"].keys() == expected.keys()
        assert all(torch.equal(process[mode]["before"][name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("mode", distributed.MODES)
def test_a_step_moves_every_process_alike(two, mode):
    first, second = (process[mode] for process in two)
    assert first["norm"] == second["norm"] > 0
    assert all(torch.equal(first["after"][name], second["after"][name]) for name in first["after"])
    assert not torch.equal(first["after"]["text_projection"], first["before"]["text_projection"])
    assert first["after"]["logit_scale"].item() == pytest.approx(math.log(100))
    assert first["after"]["logit_bias"].item() == pytest.approx(-10 + 0.1 - 0.1 * 0.01 * -10, abs=1e-4)


def test_the_modes_agree_on_a_step(two):
    one, other = (two[0][mode] for mode in distributed.MODES)
    assert one["norm"] == pytest.approx(other["norm"], rel=1e-5)
    assert all(torch.allclose(one["after"][name], other["after"][name], atol=1e-4) for name in one["after"])


def test_fsdp_holds_half_and_ddp_all(two):
    for process in two:
        assert process["ddp"]["held"] == process["ddp"]["all"]
        assert process["fsdp2"]["held"] < 0.6 * process["fsdp2"]["all"]
        assert process["fsdp2"]["names"] == process["ddp"]["names"] == [name for name, _ in make_model(0).named_parameters()]


def test_batch_norm_counts_all_samples(two):
    """As torch's own batch norm on the whole batch in one process."""
    norm = nn.BatchNorm2d(2).double()
    images = norm_images()
    weight, bias = torch.arange(6.0).reshape(2, 3, 1, 1).double(), torch.tensor([100.0, -100.0]).double()
    inner = nn.functional.conv2d(images, weight, bias)
    for _ in range(2):
        out = norm(inner)
    for rank, found in enumerate(process["norm"] for process in two):
        torch.testing.assert_close(found["out"], out.detach()[4 * rank : 4 * rank + 4], rtol=0, atol=1e-11)
        torch.testing.assert_close(found["mean"], norm.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(found["variance"], norm.running_var, rtol=0, atol=1e-12)
        torch.testing.assert_close(found["frozen"], norm.eval()(inner[:1]).detach(), rtol=0, atol=1e-11)
        assert (found["steps"], found["same names"], found["type"]) == (2, True, "SyncBatchNorm2d")


def test_synchronised_batch_norm_alone_is_torchs_own():
    own, theirs = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    x = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(SyncBatchNorm2d.of(own)(x), theirs(x))
    assert torch.equal(own.running_mean, theirs.running_mean)


def test_a_model_that_was_not_wrapped_is_refused(two):
    assert all("contrastive.distributed.processes.wrap" in process["alien"] for process in two)


def test_gradients_stay_here_until_they_are_averaged(two):
    """DDP: 1 and 3 stay apart, then (2 + 6) / 2 = 4. FSDP2 has no sharded gradient before it averages."""
    for rank, process in enumerate(two):
        assert process["unsynced"]["ddp"] == {"kept": [1.0 + 2 * rank], "averaged": [4.0]}
        assert process["unsynced"]["fsdp2"] == {"kept": None, "averaged": [4.0]}


# Spawning.


def fail_on_rank_one():
    if distributed.rank() == 1:
        raise ValueError("the reason")
    distributed.barrier()


def tell_rank(number):
    return {"rank": distributed.rank(), "size": int(os.environ["WORLD_SIZE"]), "threads": torch.get_num_threads(), "number": number}


def test_results_come_back_by_rank():
    assert spawn(tell_rank, 2, 7) == [{"rank": rank, "size": 2, "threads": 1, "number": 7} for rank in range(2)]


def test_a_failed_process_ends_the_others_and_says_why():
    with pytest.raises(VlmAuditError, match="ended with 1") as failed:
        spawn(fail_on_rank_one, 2)
    assert "[1] ValueError: the reason" in str(failed.value)


def test_time_is_bounded():
    with pytest.raises(VlmAuditError, match="did not finish in time"):
        spawn(tell_rank, 1, 7, timeout_s=0.01)
