"""What a run has cost: sums by hand, nothing without a measurement, nothing lost over a resumption."""

import sys
import types

import pytest
import torch

from contrastive.distributed import rank
from contrastive.model.flops import image_cost, text_cost
from contrastive.model.presets import preset
from contrastive.training import account as module
from contrastive.training.account import Account, emissions_kg, energy_j, gemm_peak, peak_memory_mib
from tests.support.spawn import spawn

torch.set_num_threads(1)

MODEL, CPU = preset("tiny-vit"), torch.device("cpu")
PAIR = image_cost(MODEL).step() + text_cost(MODEL).step()


def test_sums_rates_and_utilisation_by_hand_of_one_process_and_of_four():
    account = Account(MODEL, CPU, peak=100 * PAIR)
    account.step(20, seconds=2.0, waited=0.5)
    # 20 pairs in 2 s are 10 pairs/s: a tenth of a machine that could do 100
    rates = account.rates()
    assert (rates["samples_per_s"], rates["mfu"], rates["data_wait"]) == (10, pytest.approx(0.1), 0.25)
    account.step(20, seconds=1.0)
    assert (account.rates()["samples_per_s"], account.rates()["samples_per_s"]) == (20, None)  # the second time nothing was added
    totals = account.totals()
    assert (totals["samples"], totals["wall_s"], totals["data_wait"]) == (40, 3, pytest.approx(0.5 / 3))
    assert totals["flop"] == totals["model_flop"] == pytest.approx(40 * PAIR)
    assert totals["device_hours"] == pytest.approx(3 / 3600)
    several = Account(MODEL, CPU, peak=PAIR, processes=4)
    several.step(4, seconds=3600.0)
    assert (several.totals()["device_hours"], several.totals()["mfu"]) == (4, pytest.approx(1 / 3600))  # each could do a pair a second


def test_running_again_costs_operations_but_is_no_use_of_the_machine():
    plain, again = (Account.begin(MODEL, CPU, forwards=forwards) for forwards in (1, 3))
    for account in (plain, again):
        account.step(1, seconds=1.0)
    forward = image_cost(MODEL).forward + text_cost(MODEL).forward
    assert again.sums["flop"] - plain.sums["flop"] == pytest.approx(2 * forward)
    assert again.totals()["mfu"] == plain.totals()["mfu"]


def test_a_locked_tower_has_no_backward_pass_and_short_texts_cost_less():
    account = Account(MODEL, CPU, peak=1.0, learns=(False, True))
    account.step(1, seconds=1.0, tokens=5)
    assert account.sums["flop"] == pytest.approx(image_cost(MODEL).forward + text_cost(MODEL, 5).step())


def test_totals_go_on_after_a_resumption():
    first = Account.begin(MODEL, CPU)
    first.step(8, seconds=1.0, waited=0.25)
    second = Account.begin(MODEL, CPU)
    second.go_on({**first.totals(), "samples": 8, "data": "not a number"})
    second.step(8, seconds=1.0)
    assert (second.sums["samples"], second.sums["wall_s"], second.sums["wait_s"]) == (16, 2, 0.25)
    assert second.rates()["samples_per_s"] == 8  # only what this process did
    assert second.memory >= first.memory > 0


def test_without_a_counter_energy_is_unknown_not_zero():
    account = Account.begin(MODEL, CPU)
    account.step(1, seconds=1.0)
    assert account.totals()["energy_j"] is None
    assert emissions_kg(account.totals(), 0.4) is None
    assert "energy not measured" in account.sentence()


@pytest.mark.parametrize(
    ("before", "whole"),
    [({}, 350), ({"samples": 64.0, "energy_j": None}, None), ({"samples": 64.0, "energy_j": 500.0}, 850)],
    ids=["of all", "of a part", "of both parts"],
)
def test_energy_is_what_the_counter_moved_where_it_counted_from_the_beginning(monkeypatch, before, whole):
    readings = iter([1000.0, 1300.0, 1350.0])
    monkeypatch.setattr(module, "energy_j", lambda device: next(readings))
    account = Account.begin(MODEL, CPU)
    account.go_on(before)
    for _ in range(2):
        account.step(1, seconds=1.0)
    assert account.totals()["energy_j"] == emissions_kg(account.totals(), 3.6e6) == whole


def measured(cases):
    return [measured_once(*case) for case in cases]


def measured_once(counter, memory):
    """Be one of two processes, each with a device that takes 100 or 200 J a step, or with none that counts."""
    readings = iter(100.0 * (rank() + 1) * number if counter else None for number in range(9))
    module.energy_j = lambda device: next(readings)
    module.peak_memory_mib = lambda device: memory[rank()]
    account = Account.begin(MODEL, CPU, processes=2)
    account.go_on({"samples": 1.0, "energy_j": 7.0})
    account.step(1, seconds=1.0)
    account.settle()
    account.step(1, seconds=1.0)
    account.settle()
    return [account.totals()[name] for name in ("energy_j", "peak_memory_mib")]


def test_energies_of_processes_add_up_and_the_highest_memory_counts():
    # 7 J before; then two steps of 100 J on one device and of 200 J on the other.
    cases = [(True, [30.0, 20.0]), (False, [30.0, 40.0])]
    assert spawn(measured, 2, cases) == [[[607, 30], [None, 40]]] * 2


def test_the_counter_is_asked_for_the_device_by_its_name(monkeypatch):
    asked = []

    def read(handle):
        asked.append(handle)
        return 2500 if len(asked) == 1 else 1 / 0

    nvml = types.SimpleNamespace(
        NVMLError=ZeroDivisionError, nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=str.lower, nvmlDeviceGetTotalEnergyConsumption=read,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: types.SimpleNamespace(uuid="AB"))
    assert energy_j(torch.device("cuda")) == 2.5  # millijoules
    assert asked == ["gpu-ab"]
    assert energy_j(torch.device("cuda")) is None  # an old GPU has none
    assert energy_j(CPU) is None


def test_the_peak_is_that_of_this_machine():
    assert 1e8 < gemm_peak("cpu", "fp32") < 1e14
    assert 10 < peak_memory_mib(CPU) < 1e6
