"""The cost of a run: samples, operations, time, memory, energy, and utilisation. Unknown values are None.

Operations are computed by formula (`contrastive.model.flops`). Utilisation is relative to the speed of a large matrix product on
the same device. Energy is read from the GPU's counter if there is one, else it is None; CO2 is reported only if the user
specifies a factor.
"""

from __future__ import annotations

import importlib.util
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from contrastive import distributed
from contrastive.model.architecture import ModelConfig
from contrastive.model.flops import Cost, image_cost, text_cost

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SUMS = ("samples", "flop", "model_flop", "wall_s", "wait_s", "energy_j")


@dataclass
class Account:
    """Sums over the steps of a run, including resumed parts, and over the steps since the last call of `rates`."""

    model: ModelConfig
    device: torch.device
    peak: float
    """FLOP/s of one device in a large matrix product, as measured."""
    processes: int = 1
    seen: float = 1.0
    learns: tuple[bool, bool] = (True, True)
    """Whether the image tower and the text module are trained."""
    backward: float = 2.0
    """Operations of a backward pass relative to a forward pass: 1 if only the gradients of low-rank additions are computed."""
    reading: Callable[[int], Cost] | None = None
    """Cost of a text by its number of tokens, if the text tower is not used."""
    aside: Callable[[int], float] | None = None
    """Operations of a teacher's forward pass for a pair, by its number of tokens. Not counted as the model's own."""
    forwards: int = 1
    """Forward passes per step: 2 with recomputation or accumulation, 3 with both."""
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))
    memory: float = 0.0
    reported: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))
    joules: float | None = None
    """Last reading of the device's counter."""
    before: float = 0.0
    """Energy of all processes before the run was last resumed."""
    complete: bool = True
    """Whether all energy was measured; False if an earlier part ran without a counter."""
    total_energy_j: float | None = None
    """Energy of all processes, as of the last `settle`."""

    @classmethod
    def begin(cls, model: ModelConfig, device: torch.device, precision: str = "fp32", **settings: Any) -> Account:
        """Measure the device's peak for a product in `precision`: ``fp32``, ``bf16`` or ``fp16``; `settings`: fields as above."""
        return cls(model, device, gemm_peak(device.type, precision), joules=energy_j(device), **settings)

    def go_on(self, before: Mapping[str, Any]) -> None:
        """Continue from the `totals` of an interrupted run; they are untrusted, so only numbers are used."""
        known = {name: float(before[name]) for name in (*SUMS, "peak_memory_mib") if isinstance(before.get(name), int | float)}
        self.memory = known.get("peak_memory_mib", self.memory)
        self.sums |= {name: known[name] for name in SUMS if name in known}
        self.reported, self.before = dict(self.sums), self.sums["energy_j"]
        self.complete = not self.sums["samples"] or "energy_j" in known

    def settle(self) -> None:
        """Sum energies over processes, if every device has a counter, and take the highest peak of memory. All call it before `totals`."""
        self._read_memory()
        known, own = float(self.joules is not None), self.sums["energy_j"] - self.before
        counted, energy = distributed.all_sum(torch.tensor([known, own], dtype=torch.float64)).tolist()
        self.total_energy_j = self.before + energy if counted == distributed.world_size() else None
        self.memory = float(distributed.all_max(torch.tensor(self.memory, dtype=torch.float64)))

    def step(self, samples: int, *, seconds: float, tokens: int | None = None, waited: float = 0.0) -> None:
        """Add one step of `samples` pairs on all processes, with texts of length `tokens`; `seconds` includes time `waited` for data."""
        length = tokens or self.model.text.context
        towers = (image_cost(self.model, self.seen), self.reading(length) if self.reading else text_cost(self.model, length))
        self.sums["flop"] += samples * self.aside(length) if self.aside else 0.0
        for name, forwards in (("flop", self.forwards), ("model_flop", 1)):
            costs = (
                cost.step(learns=learns, forwards=forwards if learns else 1, backward=self.backward)
                for cost, learns in zip(towers, self.learns, strict=True)
            )
            self.sums[name] += samples * sum(costs)
        for name, value in (("samples", samples), ("wall_s", seconds), ("wait_s", waited)):
            self.sums[name] += value
        now = energy_j(self.device)
        if now is not None and self.joules is not None:
            self.sums["energy_j"] += now - self.joules
        self.joules = now

    def rates(self) -> dict[str, float | None]:
        """Return speed, utilisation, share of waiting time and peak memory since the last call."""
        since = {name: value - self.reported[name] for name, value in self.sums.items()}
        self.reported = dict(self.sums)
        self._read_memory()
        wall = since["wall_s"]
        return {
            "samples_per_s": _share(since["samples"], wall),
            "flop_per_s": _share(since["flop"], wall),
            "mfu": self._utilisation(since),
            "data_wait": _share(since["wait_s"], wall),
            "peak_memory_mib": self.memory,
        }

    def totals(self) -> dict[str, float | None]:
        """Return the sums of the whole run, for the checkpoint.

        `flop` counts all computation, `model_flop` one forward and backward pass: the first is larger if
        recomputation or accumulation run a tower again, and `mfu` uses the second. `energy_j` is None without a counter. With several
        processes, call `settle` first.
        """
        self._read_memory()
        wall, alone = self.sums["wall_s"], None if self.joules is None else self.sums["energy_j"]
        energy = (self.total_energy_j if self.processes > 1 else alone) if self.complete else None
        return {
            **self.sums, "energy_j": energy, "device_hours": wall * self.processes / 3600,
            "data_wait": _share(self.sums["wait_s"], wall), "peak_memory_mib": self.memory, "gemm_flop_per_s": self.peak,
            "mfu": self._utilisation(self.sums),
        }  # fmt: skip

    def sentence(self) -> str:
        """Describe the totals.

        >>> from contrastive.model.presets import preset
        >>> account = Account(preset("ViT-B/32"), torch.device("cpu"), peak=1e12)
        >>> account.step(1000, seconds=100, waited=60)
        >>> for part in account.sentence().split("; ")[:2]:
        ...     print(part)
        1,000 samples in 100 s (10 samples/s), 4.4e+13 FLOP, 44 % of the peak of a matrix product here, 0.028 device-hours
        data-bound: 60 % of the time it waited for data
        """
        all_of, wall = self.totals(), self.sums["wall_s"]
        mfu, energy, wait = all_of["mfu"], all_of["energy_j"], all_of["data_wait"] or 0.0
        parts = [
            f"{self.sums['samples']:,.0f} samples in {wall:.0f} s ({self.sums['samples'] / wall if wall else 0:,.0f} samples/s)",
            f"{self.sums['flop']:.1e} FLOP",
            *([f"{100 * mfu:.0f} % of the peak of a matrix product here"] if mfu is not None else []),
            f"{all_of['device_hours']:.3f} device-hours",
        ]
        waiting = f"{'data-bound: ' if wait > 0.5 else ''}{100 * wait:.0f} % of the time it waited for data"
        used = f"energy {energy / 3600:.1f} Wh" if energy is not None else f"energy not measured: {self._no_energy()}"
        return f"{', '.join(parts)}; {waiting}; peak memory {self.memory:,.0f} MiB; {used}"

    def _utilisation(self, sums: Mapping[str, float]) -> float | None:
        return _share(sums["model_flop"], sums["wall_s"] * self.peak * self.processes)

    def _no_energy(self) -> str:
        if not self.complete and self.joules is not None:
            return "this device has a counter, that of an earlier part of the run had none"
        missing = self.device.type == "cuda" and importlib.util.find_spec("pynvml") is None
        return "python -m pip install nvidia-ml-py" if missing else "no counter here"

    def _read_memory(self) -> None:
        self.memory = max(self.memory, peak_memory_mib(self.device))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def emissions_kg(totals: Mapping[str, float | None], kg_per_kwh: float | None) -> float | None:
    """Return kg of CO2 equivalent for the measured energy; None without a measurement or a factor.

    >>> emissions_kg({"energy_j": 7.2e6}, 0.4), emissions_kg({"energy_j": None}, 0.4), emissions_kg({"energy_j": 7.2e6}, None)
    (0.8, None, None)
    """
    energy = totals.get("energy_j")
    return None if energy is None or kg_per_kwh is None else energy / 3.6e6 * kg_per_kwh


@lru_cache
def gemm_peak(kind: str, precision: str) -> float:
    """Return the FLOP/s of the fastest of five products of square matrices on this kind of device."""
    # Large enough to reach the device's peak and small enough to be quick; most CPUs emulate fp16, at 3 GFLOP/s.
    side = 4096 if kind == "cuda" else 256 if (kind, precision) == ("cpu", "fp16") else 1024
    left, right = (torch.ones(side, side, device=kind, dtype=DTYPES[precision]) for _ in range(2))
    seconds = []
    for _ in range(6):  # the first loads kernels
        began = time.perf_counter()
        left @ right
        if kind == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 2.0 * side**3 / min(seconds[1:])


def peak_memory_mib(device: torch.device) -> float:
    """Return this process's peak memory: on a GPU, GPU memory, else resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def energy_j(device: torch.device) -> float | None:
    """Read the GPU's energy counter, in joules; None without a GPU, a counter or NVML."""
    if device.type != "cuda":
        return None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        # By UUID: NVML numbers all GPUs, torch only those visible to this process.
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except nvml.NVMLError:
        return None
