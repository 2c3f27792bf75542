"""The image tower: batches of one shape, copies beside the computation, several devices, and when it is compiled."""

import logging
import shutil
import warnings

import numpy as np
import pytest
import torch

from audit.embedding.embed import embed_images
from audit.errors import MachineError, UsageError
from audit.models import load, tower
from audit.models.tower import COMPILE_FROM
from audit.testing import four_faces
from tests.support.model_folders import noise
from tests.support.tiny import write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(write_checkpoint(tmp_path_factory.mktemp("tower") / "ckpt.pt"))


@pytest.fixture
def asynchronous(monkeypatch):
    """A processor that is treated as an accelerator: its streams and events do nothing, its memory needs no pins."""
    monkeypatch.setattr(tower, "_pinned", lambda tensor: tensor.clone())

    def make(encoder):
        encoder.tower._asynchronous = True
        return encoder

    return make


def rows_of(encoder, images, size):
    prepared = [encoder.prepare(image) for image in images]
    parts = [prepared[start : start + size] for start in range(0, len(prepared), size)]
    started = [encoder.start(part, size) for part in parts]
    return np.concatenate([each.rows() for each in started])


def test_a_row_does_not_depend_on_what_shares_its_batch_to_the_last_bit(checkpoint):
    encoder, images = load(checkpoint), noise(*[(40, 30)] * 8)
    together = rows_of(encoder, images, 8)
    assert rows_of(encoder, images[::-1], 8)[::-1].tobytes() == together.tobytes()
    for number in (0, 5):
        assert rows_of(encoder, images[number : number + 1], 8).tobytes() == together[number : number + 1].tobytes()
    assert rows_of(encoder, images[:5], 8).tobytes() == together[:5].tobytes()
    np.testing.assert_allclose(encoder.encode_images(images), together, atol=1e-6)


def test_an_accelerators_way_gives_the_same_rows(checkpoint, asynchronous):
    """With streams that do nothing: order, shapes and types are what a GPU would see."""
    images = noise(*[(40, 30)] * 11)
    expected = rows_of(load(checkpoint), images, 4)
    encoder = asynchronous(load(checkpoint))
    assert (load(checkpoint).in_flight, encoder.in_flight) == (0, 2)
    assert rows_of(encoder, images, 4).tobytes() == expected.tobytes()
    assert encoder.start([encoder.prepare(images[0])], 4).finished is not None


def test_batches_go_to_several_devices_in_turn_and_rows_stay_in_order(checkpoint, asynchronous, tmp_path):
    images, encoder = noise(*[(40, 30)] * 11), asynchronous(load(checkpoint))
    expected = rows_of(load(checkpoint), images, 2)
    encoder.spread([torch.device("cpu")] * 3)
    models = [encode.__self__ for _, encode in encoder.tower._replicas]
    assert len({id(model) for model in models}) == 3
    assert encoder.in_flight == 6
    seen = []
    for model in models:
        model.visual.register_forward_hook(lambda module, *_: seen.append(id(module)))
    assert rows_of(encoder, images, 2).tobytes() == expected.tobytes()
    assert seen == [id(model.visual) for model in [*models, *models]]
    data = four_faces(3)
    one, three = (embed_images(each, data, tmp_path / str(i), batch_size=2) for i, each in enumerate((load(checkpoint), encoder)))
    assert one.vectors.tobytes() == three.vectors.tobytes()


def test_a_tower_is_compiled_from_so_many_images_on_an_accelerator_only_and_once(checkpoint, asynchronous, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda encode, **options: compiled.append(options) or encode)
    plain, encoder = load(checkpoint), asynchronous(load(checkpoint))
    enough = int(COMPILE_FROM / encoder.record.parameters) + 1
    plain.expect(enough)
    encoder.expect(enough - 2)
    assert compiled == []
    encoder.expect(enough)
    encoder.expect(enough)
    assert compiled == [{"dynamic": False, "mode": "reduce-overhead"}]


def test_a_tower_that_cannot_be_compiled_goes_on_as_it_is(checkpoint, asynchronous, monkeypatch, caplog):
    def failing(encode, **_):
        def run(pixels):
            raise RuntimeError("no compiler was found\nand more")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    encoder, images = asynchronous(load(checkpoint)), noise(*[(40, 30)] * 6)
    encoder.expect(10**12)
    with caplog.at_level(logging.WARNING, "audit"):
        found = rows_of(encoder, images, 2)
    assert found.tobytes() == rows_of(load(checkpoint), images, 2).tobytes()
    assert caplog.text.count("cannot be compiled (no compiler was found)") == 1


@pytest.mark.parametrize("wrong_from", [1, 3])
def test_a_compiled_tower_that_gives_other_rows_is_not_used(wrong_from, checkpoint, asynchronous, monkeypatch, caplog):
    calls = []

    def wrong(encode, **_):
        def run(pixels):
            calls.append(len(pixels))
            return encode(pixels) + (1e-3 if len(calls) >= wrong_from else 0)

        return run

    monkeypatch.setattr(torch, "compile", wrong)
    encoder, images = asynchronous(load(checkpoint)), noise(*[(40, 30)] * 12)
    encoder.expect(10**12)
    with caplog.at_level(logging.WARNING, "audit"):
        found = rows_of(encoder, images, 2)
    assert found.tobytes() == rows_of(load(checkpoint), images, 2).tobytes()
    assert len(calls) == wrong_from
    assert "its unit rows differ by" in caplog.text


def test_what_the_compiler_warns_of_stops_nothing(checkpoint, asynchronous, monkeypatch, caplog):
    """As torch 2.15 on Python 3.13.0, whose guards are slower; here a warning is an error."""

    def warning(encode, **_):
        def run(pixels):
            warnings.warn("Guards may run slower", RuntimeWarning, stacklevel=1)
            return encode(pixels)

        return run

    monkeypatch.setattr(torch, "compile", warning)
    encoder, images = asynchronous(load(checkpoint)), noise(*[(40, 30)] * 4)
    encoder.expect(10**12)
    with caplog.at_level(logging.WARNING, "audit"):
        found = rows_of(encoder, images, 2)
    assert found.tobytes() == rows_of(load(checkpoint), images, 2).tobytes()
    assert not caplog.text


def test_a_compiled_tower_that_gives_the_same_rows_is_used(checkpoint, asynchronous, monkeypatch, caplog):
    """As a compiler does, into memory that the next batch overwrites: what it gave before must have been copied."""
    calls, kept = [], {}

    def same(encode, **_):
        def run(pixels):
            calls.append(len(pixels))
            rows = encode(pixels)
            return kept.setdefault(rows.shape, rows.clone()).copy_(rows)

        return run

    monkeypatch.setattr(torch, "compile", same)
    encoder, images = asynchronous(load(checkpoint)), noise(*[(40, 30)] * 12)
    encoder.expect(10**12)
    with caplog.at_level(logging.WARNING, "audit"):
        found = rows_of(encoder, images, 2)
    assert calls == [2] * 6
    assert caplog.text == ""
    assert found.tobytes() == rows_of(load(checkpoint), images, 2).tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is:DeprecationWarning")  # of torch's own compiler
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here, and there is no g++")
def test_a_compiled_tower_gives_the_same_rows(checkpoint, asynchronous, caplog):
    encoder, images = asynchronous(load(checkpoint)), noise(*[(40, 30)] * 12)
    encoder.expect(10**12)
    with caplog.at_level(logging.WARNING, "audit"):
        found = rows_of(encoder, images, 2)
    assert "going on without" not in caplog.text
    np.testing.assert_allclose(found, rows_of(load(checkpoint), images, 2), atol=1e-5)


@pytest.mark.parametrize("named", ["cuda:0,cuda:0", "cpu,cuda:0", "cuda:0,", "cuda,cuda"])
def test_several_devices_are_gpus_each_once(checkpoint, named):
    with pytest.raises(UsageError, match="invalid devices"):
        load(checkpoint, device=named)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("named", ["cuda:0,cuda:1", "cuda:all"])
def test_gpus_that_are_not_there_are_named(checkpoint, named):
    with pytest.raises(MachineError, match="this machine has no device 'cuda"):
        load(checkpoint, device=named)
