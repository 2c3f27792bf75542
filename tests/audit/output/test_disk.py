"""A disk without room, a limit on files, a device: exit code 5, and the audit that was there is whole."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit
from tests.support.command import command
from tests.support.limits import limited


def answers(path, n):
    rows, source = np.arange(n), np.random.default_rng(0)
    frame = pd.DataFrame({"id": [f"image-{source.integers(2**60)}-{row}" for row in rows], "group": np.where(rows % 2, "b", "a")})
    frame.assign(y_true="cat", y_pred=np.where(rows % 5, "cat", "dog")).to_csv(path, index=False)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in ("STATUS", "run.log")}


@pytest.fixture
def small(tmp_path):
    """A folder with room for 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_audit_whole_and_the_next_run_goes_through(tmp_path, small):
    for name, n in (("few.csv", 100), ("more.csv", 200)):
        answers(tmp_path / name, n)
    assert command("--predictions", "few.csv", "--out", "small/out", cwd=tmp_path).returncode == 0
    (small / "filler").write_bytes(bytes(shutil.disk_usage(small).free - 50_000))
    before = contents(small / "out")
    done = command("--predictions", "more.csv", "--out", "small/out", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (5, False), done.stderr
    assert re.search(r"why: No space left on device: more than [\d,]+ bytes are needed, [\d,]+ are free\n", done.stderr), done.stderr
    assert contents(small / "out") == before
    assert (small / "out" / "STATUS").read_text().startswith("failed\nthe other files are of an earlier, complete audit")
    assert audit.load(small / "out").results.audits[0].data.used == 100
    (small / "filler").unlink()
    assert command("--predictions", "more.csv", "--out", "small/out", cwd=tmp_path).returncode == 0
    assert audit.load(small / "out").results.audits[0].data.used == 200


@pytest.mark.slow
def test_a_limit_on_files_is_the_machines_fault_too(tmp_path):
    answers(tmp_path / "few.csv", 100)
    assert command("--predictions", "few.csv", "--out", "out", cwd=tmp_path).returncode == 0
    before = contents(tmp_path / "out")
    words = [sys.executable, "-m", "audit.run", "--predictions", "few.csv", "--out", "out"]
    done = limited(words, tmp_path, file_size=20 * 1024)
    assert (done.code, "File too large" in done.err, "Traceback" in done.err) == (5, True, False), done.err
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("words", [["--out", "/dev/full"], ["--out", "/dev/full/out"], ["--fail-on", "gap > 0.1", "--junit", "/dev/full"]])
def test_a_device_is_not_replaced(tmp_path, words):
    answers(tmp_path / "few.csv", 100)
    done = command("--predictions", "few.csv", *words, cwd=tmp_path)
    assert (done.returncode, "/dev/full" in done.stderr, "Traceback" in done.stderr) == (5, True, False), done.stderr
    assert Path("/dev/full").is_char_device()


def test_a_second_run_is_told_who_holds_the_folder(tmp_path):
    from filelock import FileLock

    answers(tmp_path / "few.csv", 100)
    assert command("--predictions", "few.csv", "--out", "out", cwd=tmp_path).returncode == 0
    (tmp_path / "out" / "STATUS").write_text(f"running\nheld by process {os.getpid()}\n")
    with FileLock(tmp_path / "out" / ".lock"):
        done = command("--predictions", "few.csv", "--out", "out", cwd=tmp_path)
    assert (done.returncode, f"held by process {os.getpid()}" in done.stderr) == (5, True), done.stderr
