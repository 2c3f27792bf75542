"""Decoding in processes: the same pixels, and a decoder that crashes, hangs or takes all memory costs one image."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.testing import FakeEncoder, gender_probe, png
from audit.types import Dataset
from strictio.images import decoders
from strictio.images.decode import UnreadableImage, decode
from strictio.images.decoders import Decoders
from tests.strictio.images.test_jpeg import jpeg, picture
from tests.support.forked import Forked

ROOT = Path(__file__).parents[3]


def fault(monkeypatch, kind, content, seconds=0.3):
    monkeypatch.setenv("AUDIT_FAULT", f"decode:{kind}:{hashlib.sha256(content).hexdigest()[:16]}")
    monkeypatch.setattr(decoders, "MAX_SECONDS", seconds)


def children():
    """Return the processes that this one has started and that still run, those that have ended and were not asked apart."""
    listed = subprocess.run(["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.splitlines() if "strictio.images.worker" in line]


def test_pixels_conversions_and_reasons_are_those_of_this_process():
    images = [jpeg(picture()), jpeg(picture(), mode="CMYK"), png("red"), jpeg(Image.new("RGBA", (9, 9), (1, 2, 3, 4)), "RGBA", "PNG")]
    images += [jpeg(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)), "I;16", "PNG"), *[png((i, 0, 0)) for i in range(40)]]
    with Decoders(3) as pool, ThreadPoolExecutor(5) as threads:
        found = list(threads.map(pool.decode, images))
        for content, reason in ((b"", "empty file"), (b"hello", "not an image"), (images[0][:900], "truncated")):
            with pytest.raises(UnreadableImage, match=reason):
                pool.decode(content)
        assert pool.decode(images[0]).image.size == (150, 133)
        assert len(children()) == 3
    assert children() == []
    for content, other in zip(images, found, strict=True):
        here = decode(content)
        assert (other.image.mode, other.image.size, other.image.tobytes()) == ("RGB", here.image.size, here.image.tobytes())
        assert other.conversions == here.conversions


def test_a_large_picture_and_then_a_small_one_come_back_whole():
    large = jpeg(Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).resize((3000, 2500)), quality=60)
    with Decoders(1) as pool:
        for content in (large, png("red"), large):
            assert pool.decode(content).image.tobytes() == decode(content).image.tobytes()


KINDS = {"crash": "decoder crashed", "hang": "decoder took too long", "memory": "decoder took too much memory"}


@pytest.mark.slow_except("memory-decoder took too much memory")
@pytest.mark.parametrize(("kind", "reason"), KINDS.items())
def test_an_image_that_its_decoder_does_not_survive_has_a_reason_and_the_next_is_read(monkeypatch, kind, reason):
    fault(monkeypatch, kind, png("red"))
    with Decoders(1) as pool:
        for _ in range(2):
            with pytest.raises(UnreadableImage, match=reason):
                pool.decode(png("red"))
            assert pool.decode(png("blue")).image.getpixel((0, 0)) == (0, 0, 255)


def test_images_in_a_data_frame_are_decoded_apart_too(monkeypatch, tmp_path):
    images = [png((value, 0, 0)) for value in range(4, 244, 4)]
    fault(monkeypatch, "crash", images[3])
    frame = pd.DataFrame({"race": ["Black", "White"] * 30}, index=[f"{row}.png" for row in range(60)], dtype="str")
    frame["gender"] = ["Female", "Female", "Male", "Male"] * 15
    data = Dataset("faces", images, frame, {"race": ("Black", "White"), "gender": ("Female", "Male")}, "0" * 64, "test", "none")
    found = audit.audit(FakeEncoder(), gender_probe(data), cache_root=tmp_path / "cache", max_skip=0.05, min_group_size=5, draws=99)
    assert found.results.audits[0].data.used == 59


SCRIPT = """
import pandas as pd, sys
from pathlib import Path
import audit
from audit.testing import FakeEncoder, four_faces, gender_probe
print("once")
found = audit.audit(FakeEncoder(), gender_probe(four_faces(20)), cache_root=Path(sys.argv[1]), draws=99)
print(found.results.audits[0].data.used)
"""


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = [sys.executable, "script.py", str(tmp_path / "cache")]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["once", "80"]), done.stderr


def test_a_decoder_starts_without_torch_numpy_or_pandas_and_learns_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    with Decoders(1) as pool:
        pool.decode(png("red"))
        (decoder,) = pool._running
        environment = Path(f"/proc/{decoder.child.process.pid}/environ").read_bytes()
        mapped = Path(f"/proc/{decoder.child.process.pid}/maps").read_text()
    assert b"canary" not in environment
    assert "/PIL/" in mapped
    assert not any(name in mapped for name in ("/torch/", "/numpy/", "/pandas/", "/pyarrow/"))


def test_closing_does_not_wait_for_a_decoder_that_hangs(monkeypatch):
    fault(monkeypatch, "hang", png("red"), 60)
    pool = Decoders(1)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pool.decode, png("red"))
        while not children():
            time.sleep(0.01)
        started = time.monotonic()
        pool.close()
        with pytest.raises((RuntimeError, UnreadableImage)):
            asked.result()
    assert time.monotonic() - started < 10
    assert children() == []


KILLED = """
import sys
from strictio.images import decoders
from audit.testing import png
decoders.MAX_SECONDS = 0.5
pool = decoders.Decoders(1)
pool.decode(png("blue"))
print(next(iter(pool._running)).child.process.pid, flush=True)
pool.decode(png("red"))
"""


@pytest.mark.slow_except("9")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_ended_leaves_no_decoder_behind_even_one_that_hangs(monkeypatch, how):
    fault(monkeypatch, "hang", png("red"))
    with Forked([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as parent:
        decoder = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.send_signal(how)
    for _ in range(200):
        if not Path(f"/proc/{decoder}").exists() or " Z " in Path(f"/proc/{decoder}/stat").read_text():
            return
        time.sleep(0.05)
    pytest.fail("the decoder is still there")


def test_a_decoder_that_computes_for_too_long_is_ended_once(monkeypatch):
    fault(monkeypatch, "busy", png("red"))
    with Decoders(1) as pool:
        started, begin = [], pool._started
        monkeypatch.setattr(pool, "_started", lambda: started.append(1) or begin())
        with pytest.raises(UnreadableImage, match="decoder took too long"):
            pool.decode(png("red"))
        assert len(started) == 1
        assert pool.decode(png("blue")).image.size == (16, 16)


def test_a_defect_of_the_program_is_not_taken_for_a_damaged_image(monkeypatch):
    with Decoders(1) as pool:
        pool.decode(png("red"))
        (decoder,) = pool._running
        monkeypatch.setattr(decoder.child, "_exchanged", lambda *_: {"error": "ZeroDivisionError"})
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            pool.decode(png("red"))


def test_where_no_process_can_be_started_the_machine_is_at_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Decoders(1) as pool, pytest.raises(audit.errors.MachineError, match="no process"):
        pool.decode(png("red"))
