"""Embedding: once for each content, in order, whatever the batch size, and nothing lost silently."""

import io
import logging
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit.embedding.batch
import audit.embedding.embed
from audit.cli.progress import StageBars
from audit.embedding.embed import embed_images, embed_texts
from audit.errors import DataError, MachineError
from audit.testing import four_faces, png
from audit.types import Dataset
from tests.support.forked import Forked


def rotated_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (32, 16), "red").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def dataset(images, race=None):
    """Rows r0, r1, ... with alternating races A, B unless given."""
    race = race or ["A", "B"] * (len(images) // 2) + ["A"] * (len(images) % 2)
    attributes = pd.DataFrame({"race": race}, index=[f"r{i}" for i in range(len(images))], dtype="str")
    return Dataset("pictures", images, attributes, {"race": ("A", "B")}, "0" * 64, "made by the test", "none")


def greys(count):
    return [png((i, i, i)) for i in range(count)]


def test_four_faces_are_seen_by_colour(fake_encoder, four_faces, tmp_path):
    """Red is (1, 0, 0), lime (0, 1, 0). Three images have the same content: the model sees two."""
    found = embed_images(fake_encoder, four_faces, tmp_path)
    np.testing.assert_array_equal(found.vectors, [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert found.vectors.dtype == np.float32
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.exclusions == ()
    assert found.conversions == {}
    assert found.computed == 2
    assert fake_encoder.calls == [2]


def test_a_warm_run_embeds_nothing_and_equals_the_cold_one_bit_for_bit(fake_encoder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "audit")
    data = dataset(greys(11))
    cold = embed_images(fake_encoder, data, tmp_path, batch_size=3)
    warm = embed_images(fake_encoder, data, tmp_path, batch_size=5)
    assert cold.vectors.tobytes() == warm.vectors.tobytes()
    assert (cold.computed, warm.computed) == (11, 0)
    assert sum(fake_encoder.calls) == 11
    assert "embedded 0 images, 11 from the cache" in caplog.text


def test_a_warm_run_decodes_nothing_and_still_knows_the_conversions(fake_encoder, tmp_path, monkeypatch):
    data = dataset([png("red"), rotated_jpeg(), png("blue")])
    cold = embed_images(fake_encoder, data, tmp_path)
    monkeypatch.setattr(audit.embedding.embed.Decoders, "decode", lambda self, content: pytest.fail("decoded"))
    warm = embed_images(fake_encoder, data, tmp_path)
    assert cold.conversions == warm.conversions == {"EXIF rotation": {"race": {"B": 1}}}


@pytest.mark.slow
def test_only_the_image_whose_bytes_changed_is_computed_again_but_for_another_model_all(fake_encoder, tmp_path):
    images = greys(6)
    embed_images(fake_encoder, dataset(images), tmp_path)
    images[4] = png("red")
    found = embed_images(fake_encoder, dataset(images), tmp_path)
    assert found.computed == 1
    np.testing.assert_array_equal(found.vectors[4], [1, 0, 0])
    fake_encoder.record = replace(fake_encoder.record, fingerprint="e" * 64)
    assert embed_images(fake_encoder, dataset(images), tmp_path).computed == 6


@pytest.mark.slow_except("2")
@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_the_batch_size_does_not_matter(fake_encoder, tmp_path, batch_size):
    found = embed_images(fake_encoder, dataset(greys(10)), tmp_path / str(batch_size), batch_size=batch_size)
    np.testing.assert_allclose(found.vectors[:, 0] * 255, range(10), atol=1e-5)
    assert fake_encoder.calls == [min(batch_size, 10 - start) for start in range(0, 10, batch_size)]


@pytest.mark.slow
def test_unreadable_images_are_counted_by_reason_and_group(fake_encoder, tmp_path):
    """Rows 1 (B) and 4 (A) are no images, row 6 (A) is empty: three of ten, tolerated at 30 %."""
    images = greys(10)
    images[1] = images[4] = b"hello"
    images[6] = b""
    found = embed_images(fake_encoder, dataset(images), tmp_path, max_skip=0.3)
    assert found.rows.tolist() == [0, 2, 3, 5, 7, 8, 9]
    np.testing.assert_allclose(found.vectors[:, 0] * 255, found.rows, atol=1e-5)
    empty, none = found.exclusions
    assert (str(empty.reason), empty.count, empty.by_group, empty.examples) == ("empty file", 1, {"race": {"A": 1}}, ("r6",))
    assert (str(none.reason), none.count, none.by_group, none.examples) == ("not an image", 2, {"race": {"B": 1, "A": 1}}, ("r1", "r4"))
    again = embed_images(fake_encoder, dataset(images), tmp_path, max_skip=0.3)
    assert again.exclusions == found.exclusions
    assert again.computed == 0


def test_too_many_unreadable_images_stop_the_audit_and_ten_are_named(fake_encoder, tmp_path):
    images = greys(100)
    for row in range(20, 35):
        images[row] = b"hello"
    with pytest.raises(DataError, match="cannot be read") as caught:
        embed_images(fake_encoder, dataset(images), tmp_path, max_skip=0.02)
    assert caught.value.exit_code == 3
    assert [f"r{row}: not an image" in caught.value.why for row in (20, 29, 30)] == [True, True, False]


@pytest.mark.slow
def test_a_share_just_tolerated_is_tolerated(fake_encoder, tmp_path):
    images = [*greys(99), b"hello"]
    assert len(embed_images(fake_encoder, dataset(images), tmp_path, max_skip=0.01).rows) == 99
    with pytest.raises(DataError, match=r"at least 1 of 100 images .* at most 0.00%"):
        embed_images(fake_encoder, dataset(images), tmp_path, max_skip=0.0)


def test_no_readable_image_and_no_image_at_all_are_errors(fake_encoder, tmp_path):
    with pytest.raises(DataError, match="none of the 12 images"):
        embed_images(fake_encoder, dataset([b"hello"] * 12), tmp_path, max_skip=1.0)
    with pytest.raises(DataError, match="has no image"):
        embed_images(fake_encoder, dataset([]), tmp_path)


def test_memory_that_runs_out_halves_the_batch_from_the_same_image(fake_encoder, tmp_path, caplog):
    whole = fake_encoder.encode_images

    def encode(images):
        if len(images) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(images)

    fake_encoder.encode_images = encode
    found = embed_images(fake_encoder, dataset(greys(12)), tmp_path, batch_size=8)
    np.testing.assert_allclose(found.vectors[:, 0] * 255, range(12), atol=1e-5)
    assert fake_encoder.calls == [2] * 6
    assert caplog.text.count("out of memory") == 2


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MachineError, "a single item"),
        (MemoryError(), MachineError, "a single item"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError, "mat1"),
    ],
)
def test_memory_that_does_not_suffice_for_one_image_is_the_machines_fault_and_no_other_error(fake_encoder, tmp_path, error, kind, says):
    def encode(images):
        raise error

    fake_encoder.encode_images = encode
    with pytest.raises(kind, match=says):
        embed_images(fake_encoder, dataset(greys(4)), tmp_path)


def test_an_embedding_that_is_not_a_number_or_contradicts_the_record_is_refused(fake_encoder, tmp_path):
    whole = fake_encoder.encode_images

    def encode(images):
        vectors = whole(images)
        vectors[vectors[:, 0] > 4.5 / 255] = np.nan
        return vectors

    fake_encoder.encode_images = encode
    with pytest.raises(DataError, match="the image r5"):
        embed_images(fake_encoder, dataset(greys(8)), tmp_path)
    fake_encoder.record = replace(fake_encoder.record, dimensions=4)
    with pytest.raises(DataError, match="shape"):
        embed_images(fake_encoder, dataset(greys(2)), tmp_path)


@pytest.mark.slow
def test_a_damaged_shard_is_computed_again_with_the_same_numbers(fake_encoder, tmp_path, caplog):
    data = dataset(greys(6))
    before = embed_images(fake_encoder, data, tmp_path)
    (shard,) = tmp_path.rglob("*.shard")
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(bytes(content))
    after = embed_images(fake_encoder, data, tmp_path)
    assert after.computed == 6
    assert after.vectors.tobytes() == before.vectors.tobytes()
    assert "set aside" in caplog.text


@pytest.mark.slow
def test_an_interrupted_run_keeps_its_finished_batches(fake_encoder, tmp_path):
    whole = fake_encoder.encode_images

    def encode(images):
        if len(fake_encoder.calls) == 3:
            raise KeyboardInterrupt
        return whole(images)

    fake_encoder.encode_images = encode
    with pytest.raises(KeyboardInterrupt):
        embed_images(fake_encoder, dataset(greys(20)), tmp_path, batch_size=4)
    fake_encoder.encode_images = whole
    fake_encoder.calls.clear()
    assert embed_images(fake_encoder, dataset(greys(20)), tmp_path, batch_size=4).computed == 20 - 3 * 4
    assert fake_encoder.calls == [4, 4]


def test_rows_reach_the_disk_during_the_run_and_huge_images_make_small_batches(fake_encoder, tmp_path, monkeypatch):
    """Each image has 256 pixels; at 600 a batch closes with the third."""
    monkeypatch.setattr(audit.embedding.batch, "SHARD_ROWS", 4)
    embed_images(fake_encoder, dataset(greys(10)), tmp_path / "small", batch_size=2)
    assert len(list(tmp_path.rglob("*.shard"))) == 3
    fake_encoder.calls.clear()
    monkeypatch.setattr(audit.embedding.batch, "PIXELS_AHEAD", 600)
    embed_images(fake_encoder, dataset(greys(8)), tmp_path / "huge", batch_size=64)
    assert fake_encoder.calls == [3, 3, 2]


def test_a_full_disk_stops_the_run(fake_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(audit.embedding.embed.EmbeddingCache, "add", lambda *_: (_ for _ in ()).throw(MachineError("disk full")))
    with pytest.raises(MachineError, match="disk full"):
        embed_images(fake_encoder, dataset(greys(4)), tmp_path)


KILLED = """
import io, sys, time, numpy as np, pandas as pd
from pathlib import Path
from PIL import Image
import audit.embedding.batch, audit.embedding.embed
from audit.types import Dataset, ModelRecord

audit.embedding.batch.SHARD_ROWS = 8

class Slow:
    record = ModelRecord("slow", "k", "5" * 64, "0" * 64, 0, 8, "float32", "softmax", 1.0, None, "a", "p", "t")
    def encode_images(self, images):
        time.sleep(float(sys.argv[2]))
        pixels = np.stack([np.asarray(image, np.float32).ravel()[:64] for image in images])
        # A product whose last digits depend on which rows share a batch.
        return (pixels @ np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)) + pixels.mean()

def png(i):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()

data = Dataset("d", [png(i) for i in range(100)], pd.DataFrame(index=range(100)), {}, "0" * 64, "s", "l")
print("ready", flush=True)
found = audit.embedding.embed.embed_images(Slow(), data, Path(sys.argv[1]), batch_size=4)
print(found.computed, found.vectors.tobytes().hex())
"""


def start(folder, pause_s):
    command = [sys.executable, "-c", KILLED, str(folder), str(pause_s)]
    return Forked(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def test_a_killed_run_goes_on_and_ends_with_the_numbers_of_an_unbroken_one(tmp_path):
    """Here the embeddings depend on what shares a batch: after kill -9 at four moments the bytes are still those of a whole run."""
    unbroken = start(tmp_path / "whole", 0).communicate(timeout=60)[0].split()
    for shards in (0, 1, 3, 6):
        process = start(tmp_path / "killed", 0.05)
        process.stdout.readline()
        while len(list((tmp_path / "killed").rglob("*.shard"))) < shards and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    resumed = start(tmp_path / "killed", 0).communicate(timeout=60)[0].split()
    assert unbroken[1] == "100"
    assert int(resumed[1]) < 100
    assert resumed[2] == unbroken[2]


def test_texts_are_embedded_once_each_in_the_order_asked_for(fake_encoder, tmp_path):
    texts = ["a woman", "a person", "a woman"]
    first = embed_texts(fake_encoder, texts, tmp_path)
    np.testing.assert_array_equal(first, [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert first.dtype == np.float32
    fake_encoder.encode_texts = lambda texts: pytest.fail("asked again")
    np.testing.assert_array_equal(embed_texts(fake_encoder, texts[::-1], tmp_path), first[::-1])


def test_texts_go_to_the_model_sorted_by_length_and_both_forms_of_an_accented_one_once(fake_encoder, tmp_path):
    seen = []
    whole = fake_encoder.encode_texts
    fake_encoder.encode_texts = lambda texts: seen.append(list(texts)) or whole(texts)
    found = embed_texts(fake_encoder, ["dddd", "a", "ccc", "bb", "a woman"], tmp_path, batch_size=2)
    assert seen == [["a", "bb"], ["ccc", "dddd"], ["a woman"]]
    assert found[:, 0].tolist() == [0, 0, 0, 0, 1]
    assert embed_texts(fake_encoder, [], tmp_path).shape == (0, 3)
    embed_texts(fake_encoder, ["caf\u00e9", "cafe\u0301"], tmp_path)
    assert seen[3:] == [["caf\u00e9"]]


def test_texts_go_sorted_by_tokens_to_a_model_that_counts_them(fake_encoder, tmp_path, monkeypatch):
    """Three words of one letter are more to read than one word of twelve."""

    class Counting(type(fake_encoder)):  # its own class: what a protocol finds in one is kept for the whole process
        def count_tokens(self, texts):
            return [len(text.split()) for text in texts]

    seen, counting = [], Counting()
    monkeypatch.setattr(counting, "encode_texts", lambda texts: seen.append(list(texts)) or np.array([[len(t), 1, 0] for t in texts]))
    rows = embed_texts(counting, ["a b c", "photographer", "two words", "one"], tmp_path, batch_size=2)
    assert seen == [["one", "photographer"], ["two words", "a b c"]]
    assert rows[:, 0].tolist() == [5, 12, 9, 3]


def test_a_text_without_a_finite_embedding_is_named(fake_encoder, tmp_path):
    fake_encoder.encode_texts = lambda texts: np.full((len(texts), 3), np.inf, np.float32)
    with pytest.raises(DataError, match="a nurse"):
        embed_texts(fake_encoder, ["a nurse"], tmp_path)


def test_a_terminal_gets_a_bar_and_a_log_file_does_not(fake_encoder, tmp_path, monkeypatch, capsys):
    bars = partial(StageBars(["images", "testing"]), "images")
    embed_images(fake_encoder, dataset(greys(3)), tmp_path, progress=bars)
    assert capsys.readouterr().err == "[1/2] embedding 3 images\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    embed_images(fake_encoder, dataset(greys(4)), tmp_path, progress=bars)
    assert "\r[1/2] embedding 4 images" in capsys.readouterr().err
    embed_images(fake_encoder, dataset(greys(4)), tmp_path)
    assert capsys.readouterr().err == ""


def test_warning_filters_survive_the_decoding_threads(fake_encoder, tmp_path):
    before = list(warnings.filters)
    embed_images(fake_encoder, dataset(greys(50)), tmp_path, batch_size=2)
    assert warnings.filters == before


def test_images_left_out_are_named_all_where_they_can_be_repaired(fake_encoder, tmp_path, caplog):
    dataset = four_faces(5)
    broken = replace(dataset, images=[*dataset.images[:8], *[b"no picture"] * 12])
    with caplog.at_level(logging.DEBUG, logger="audit"):
        embed_images(fake_encoder, broken, tmp_path, max_skip=0.9)
    said = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert said[0].startswith("left out 12 images (not an image): ")
    assert said[0].endswith(" and 2 more, named in run.log")
    assert said[1:] == [f"left out {name}: not an image" for name in dataset.attributes.index[8:20]]
