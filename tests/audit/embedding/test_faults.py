"""What the disk and the system do to an audit that embeds: nothing is lost, and no success is wrong."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

import audit.embedding.batch
from audit.embedding.embed import embed_images, embed_texts, keep_images
from audit.errors import MachineError
from audit.testing import FakeEncoder, png
from strictio.images.decoders import Decoders
from tests.audit.embedding.test_embed import dataset
from tests.support import forked

ROOT = Path(__file__).parents[3]
CALLS = ("fsync", "replace", "open", "mkdir", "chmod", "link", "unlink", "fdopen")
"""What reaches the disk; `fdopen` stands for every write to the file that it gives."""


class Faults:
    """The call number `fail` of those that reach the disk raises; `made` counts them."""

    def __init__(self, patch, fail, code):
        self.made, self._fail, self._code = 0, fail, code
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name, call):
        def wrapped(*given, **named):
            if name == "open" and (isinstance(given[0], int) or not given[1] & (os.O_WRONLY | os.O_RDWR)):
                return call(*given, **named)
            if name == "fdopen":
                return _Written(call(*given, **named), self)
            self.count()
            return call(*given, **named)

        return wrapped

    def count(self):
        self.made += 1
        if self.made == self._fail:
            raise OSError(self._code, os.strerror(self._code))


class _Written:
    """A file whose writes are counted."""

    def __init__(self, file, faults):
        self._file, self._faults = file, faults

    def write(self, content):
        self._faults.count()
        return self._file.write(content)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *given):
        return self._file.__exit__(*given)


@pytest.fixture(scope="module")
def open_decoders():
    with Decoders(1) as decoders:
        yield decoders


def run(root, decoders=None):
    images = dataset([png((value, 0, 0)) for value in range(40)])
    if decoders is not None:
        keep_images(FakeEncoder(), images, root, batch_size=4, decoders=decoders)
    found = embed_images(FakeEncoder(), images, root, batch_size=4)
    return found.vectors.tobytes() + embed_texts(FakeEncoder(), ["a woman", "a man"], root).tobytes()


def faulty(monkeypatch, root, fail, code, decoders):
    """Return what a run gives whose call `fail` raises (None if it ended with code 5), and how many calls it made."""
    with monkeypatch.context() as patch:
        patch.setenv("AUDIT_CACHE_KEY", str(root / "key"))
        patch.setattr(audit.embedding.batch, "SHARD_ROWS", 4)
        faults = Faults(patch, fail, code)
        try:
            return run(root / "cache", decoders), faults.made
        except MachineError:  # exit code 5
            return None, faults.made


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_the_nth_write_fsync_or_rename_fails_until_none_does(monkeypatch, tmp_path, code, step, open_decoders):
    """After each fault the vectors are those of an unbroken run, or the run ended with 5; a plain rerun over what is left gives them."""
    whole, decoders = run(tmp_path / "whole"), None if step == 1 else open_decoders  # each run starts its own where every call may fail
    points = 0
    for fail in range(1, 10_000, step):
        root = tmp_path / str(fail)
        root.mkdir()
        found, made = faulty(monkeypatch, root, fail, code, decoders)
        assert found in (whole, None)
        if made < fail:
            break
        points += 1
        again, _ = faulty(monkeypatch, root, 0, code, decoders)
        assert again == whole
        assert not list((root / "cache").rglob("*.corrupt"))
    assert points * step >= 50


KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
import audit.embedding.batch, audit.api.pipeline, reports.render, audit.run
from audit.run import main

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
audit.embedding.batch.SHARD_ROWS = 8
words = ["--model", "counting.py:Counting", "--probe", "faces.py", "--batch-size", "4", "--min-group-size", "5", "--out"]
os.chdir(folder)


def run(out, cache):
    child = os.fork()
    if child:
        return child
    os.environ["AUDIT_CACHE_DIR"], os.environ["COUNTED"] = cache, out + ".rows"
    sys.stdout = sys.stderr = open(os.devnull, "w")
    os._exit(main([*words, out]))


assert os.waitpid(run("whole", "cache-whole"), 0)[1] == 0
started = time.monotonic()
assert os.waitpid(run("whole", "cache-timed"), 0)[1] == 0
span = time.monotonic() - started
rng = random.Random(0)
began, killed = [0], 0
while killed < kills:
    cache, out = f"cache{len(began)}", f"out{len(began)}"
    child = run(out, cache)
    time.sleep(rng.uniform(0, span * 0.8))
    os.kill(child, signal.SIGKILL)
    died = os.waitpid(child, 0)[1] == signal.SIGKILL
    killed += died
    began[-1] += died
    if killed < kills and (not died or began[-1] == 6):  # what is whole, or was killed six times, is left alone
        began.append(0)
codes = [os.waitpid(run(f"out{number}", f"cache{number}"), 0)[1] for number in range(1, len(began) + 1)]
print(json.dumps([began, codes]))
"""
COUNTING = """import os, time
import numpy as np
from audit.testing import FakeEncoder


class Counting(FakeEncoder):
    def encode_images(self, images):
        time.sleep(0.01)
        with open(os.environ["COUNTED"], "a") as file:
            file.write("x" * len(images))
        pixels = np.stack([np.asarray(image, np.float32).reshape(-1, 3).mean(0) / 255 for image in images])
        return pixels + pixels.mean() / 1000  # the last digits depend on what shares a batch
"""
FACES = """import io
import numpy as np
import pandas as pd
from PIL import Image
from audit.testing import gender_probe
from audit.types import Dataset

KINDS = [("Black", "Female"), ("Black", "Male"), ("White", "Female"), ("White", "Male")] * 60


def png(number):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


names = [f"{number:03d}.png" for number in range(240)]
frame = pd.DataFrame(KINDS, columns=["race", "gender"], index=names, dtype="str")
levels = {"race": ("Black", "White"), "gender": ("Female", "Male")}
PROBE = gender_probe(Dataset("made", [png(number) for number in range(240)], frame, levels, "4" * 64, "made", "none"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_f1_killed_at_random_moments_and_run_again_an_audit_has_the_same_bytes(tmp_path, kills):
    """240 images in batches of 4 and shards of 8; six kills to a cache, then a plain run. A kill costs at most a shard and a batch.

    Every run tries its model on two images more; beside the killed ones and the last there is one more where a run ended before its kill.
    """
    (tmp_path / "counting.py").write_text(COUNTING)
    (tmp_path / "faces.py").write_text(FACES)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(kills)]
    done = forked.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, done.stderr
    killed, codes = json.loads(done.stdout)
    assert sum(killed) == kills
    assert set(codes) == {0}
    whole = facts(tmp_path / "whole")
    for number, times in enumerate(killed, 1):
        assert facts(tmp_path / f"out{number}") == whole
        assert len((tmp_path / f"out{number}.rows").read_text()) <= 240 + times * (8 + 4) + (times + 2) * 2


def facts(out):
    assert (out / "STATUS").read_text() == "complete\n"
    results = json.loads((out / "results.json").read_text())
    del results["timing"], results["command"]
    return json.dumps(results)
