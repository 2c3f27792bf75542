"""Decoded images are shared by the processes of a machine, each of which decodes its part; a bar shows that they are decoded."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contrastive import distributed
from contrastive.config import read_config
from contrastive.data import pairs
from contrastive.data.reading import PairReader
from contrastive.train import main
from contrastive.training import loop
from strictio.errors import DataError
from tests.support.spawn import spawn
from tests.support.training import TINY_CONV, run_text

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(TINY_CONV, data="batch = 6; max_broken = 0.2", optim="steps = 2; lr = 1e-3")


@pytest.fixture
def table(tmp_path):
    """Ten pictures; the fifth and the last are broken."""
    rng, rows = np.random.default_rng(0), ["image,caption"]
    for index in range(10):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,number {index}")
    for index in (4, 9):
        (tmp_path / f"{index}.png").write_bytes(b"no picture")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "t.csv"


def inputs_of(run, table, *settings):
    return loop.prepare(read_config(run, [f"data.train={table}", *settings]))


def in_a_group(run, table, machines, *settings):
    """In a process of a group, as torchrun starts it: how many images it decoded, and what it has."""
    rank, size = distributed.rank(), distributed.world_size()
    per_machine = size // machines
    os.environ |= {"GROUP_RANK": str(rank // per_machine), "LOCAL_RANK": str(rank % per_machine), "LOCAL_WORLD_SIZE": str(per_machine)}
    decoded, read = [], PairReader.read
    PairReader.read = lambda self, index: (decoded.append(index), read(self, index))[1]
    try:
        found = inputs_of(run, table, *settings).pairs
    except DataError as error:
        return [len(decoded), str(error)]
    rows = np.arange(10)
    pixels, ids = found.plain(rows)
    return [
        len(decoded),
        found.sha256,
        pixels,
        ids,
        list(found.replaced),
        [str(path) for path in Path("/dev/shm").glob("vlm-audit-images-*")],
    ]


@pytest.mark.slow_except("2-2-shares2")
@pytest.mark.parametrize(("size", "machines", "shares"), [(2, 1, [5, 5]), (3, 1, [3, 3, 4]), (2, 2, [10, 10])])
def test_every_process_decodes_its_part_and_has_all(run, table, size, machines, shares):
    alone = inputs_of(run, table).pairs
    pixels, ids = alone.plain(np.arange(10))
    assert len(alone.replaced) == 2
    for found, share in zip(spawn(in_a_group, size, run, str(table), machines), shares, strict=True):
        decoded, sha256, its_pixels, its_ids, replaced, left = found
        assert decoded == share
        assert sha256 == alone.sha256
        assert torch.equal(its_pixels, pixels)
        assert torch.equal(its_ids, ids)
        assert tuple(replaced) == alone.replaced
        assert left == []


def test_too_many_broken_images_in_one_part_end_all_processes(run, table):
    with pytest.raises(DataError) as caught:
        inputs_of(run, table, "data.max_broken=0.1")
    assert "2 so far of 10, 1 may be" in str(caught.value)
    for _, error in spawn(in_a_group, 2, run, str(table), 1, "data.max_broken=0.1"):
        assert error == str(caught.value)


def test_a_bar_shows_the_progress_unless_it_is_short_or_quiet(run, table, monkeypatch, capsys):
    assert main([run, f"data.train={table}", "--fresh"]) == 0
    assert "decoding" not in capsys.readouterr().err
    monkeypatch.setattr(pairs, "_SHOWN_AFTER_S", 0.0)
    assert main([run, f"data.train={table}", "--fresh"]) == 0
    assert "decoding" in capsys.readouterr().err
    assert main([run, f"data.train={table}", "--fresh", "--quiet"]) == 0
    assert "decoding" not in capsys.readouterr().err
