"""Rows F1 to F19: kills, full disks, damaged and shared caches, signals, closed pipes, and a network that is not there."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import audit
from audit.errors import DataError
from tests.support.limits import limited_line
from tests.support.slow_encoder import write_encoder, write_noise

IMAGES, SHARD, BATCH = 240, 32, 8


def some(few, many):
    """Return how often a fault is tried: a few times in every run of the tests, as often as the table says under ``-m slow``."""
    return [few, pytest.param(many, marks=pytest.mark.slow)]


@pytest.fixture
def slow(bench, inputs):
    """The words of an audit of 240 pictures by an encoder that can be slowed down and counted."""
    data = write_noise(bench.folder, IMAGES)
    return ("--model", write_encoder(bench.folder), "--probe", inputs / "any.py", "--data", data, "--batch-size", BATCH)


def facts(out):
    """Return results.json without what tells of the moment."""
    found = json.loads((out / "results.json").read_text())
    found.pop("timing")
    return json.dumps(found)


def until(process, words, timeout_s=60):
    """Read a process's stderr up to a line with these words; return what was read."""
    read, deadline = [], time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        read.append(line)
        if words in line:
            return "".join(read)
        assert line or process.poll() is None, "".join(read)
    raise AssertionError("".join(read))


def shards(bench, tower="image"):
    return sorted(bench.cache.glob(f"*/{tower}/*.shard"))


def first_shard(bench, timeout_s=60):
    """Wait until a run has kept something."""
    deadline = time.monotonic() + timeout_s
    while not shards(bench):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hanging(bench, slow, images, **env):
    """Start a run whose encoder hangs for an hour at so many images; return the process once it does, and what it has said."""
    mark = bench.folder / "hanging"
    process = bench.start(*slow, env={**env, "HANGS_AT": str(images), "HANGING": str(mark)})
    said = until(process, "embedding", 600)
    while not mark.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return process, said


AFTER_A_SHARD = SHARD + 2 * BATCH
"""Images at which the encoder hangs with one shard kept: the first was only tried."""


@pytest.mark.slow
@pytest.mark.parametrize("kills", some(3, 30))
def test_f1_killed_while_embedding_and_run_again_it_equals_an_unbroken_run(bench, slow, tmp_path, monkeypatch, kills):
    seen = tmp_path / "seen"
    env = {"SHARD_ROWS": str(SHARD), "SEEN": str(seen)}
    moments = random.Random(1)
    for _ in range(kills):
        process = bench.start(*slow, env={**env, "PAUSE_S": "0.3"})
        until(process, "embedding")
        time.sleep(moments.uniform(0, 1.2))
        process.kill()
        process.communicate()
    assert bench.intact()
    bench.process(*slow, env=env)
    killed, embedded = facts(bench.out), sum(map(int, seen.read_text().split()))
    # Each run tries the encoder on one picture. What a kill may cost is the shard that was being filled, and a batch on its way.
    assert embedded <= IMAGES + kills * (SHARD + 2 * BATCH) + 2 * (kills + 1)
    bench.process(*slow, env={"AUDIT_CACHE_DIR": str(tmp_path / "fresh"), "SHARD_ROWS": str(SHARD)})
    assert facts(bench.out) == killed


def page_of_these_facts(out):
    """Return whether the report's last line names the hash of the results that lie beside it."""
    (stated,) = re.findall(r"[0-9a-f]{64}", (out / "report.html").read_text().rstrip().rpartition("sha256 of results.json")[2])
    return stated == hashlib.sha256((out / "results.json").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("kills", some(4, 60))
def test_f2_killed_while_writing_there_is_the_old_report_or_the_new_one(bench, earlier, table, kills):
    rows = [f"{i},{'ab'[i % 2]},cat,{'dog' if i % 4 == 1 else 'cat'}" for i in range(800)]
    words, moments = ("--predictions", table("answers", "id,group,y_true,y_pred", rows)), random.Random(2)
    for _ in range(kills):
        bench.again(earlier)
        assert page_of_these_facts(bench.out)
        process = bench.start(*words)
        until(process, "writing the report")
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        # Not all files of a folder can be renamed at one moment: what is read is old or new, and a mixture is refused by name.
        said, read = "", None
        try:
            read = audit.load(bench.out)
        except DataError as error:
            said = str(error)
        assert page_of_these_facts(bench.out) if read else "report.html" in said or bench.out.name in said
    bench.process(*words)
    assert page_of_these_facts(bench.out)


@pytest.mark.slow
def test_f3_a_disk_of_a_megabyte_takes_no_report_and_the_run_resumes_once_there_is_room(bench, model, inputs):
    small, script = bench.folder / "small", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    small.mkdir()
    if subprocess.run(["unshare", "-m", "sh", "-c", script, small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    # The folder is filled but for what an audit's facts take: its report of several models and probes does not fit.
    fill = 'head -c 900000 /dev/zero > "$1/other" && mkdir "$1/out" && touch "$1/out/STATUS" && shift && exec "$@"'
    words = bench.line(*model, "--out", small / "out", out=False)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, small, "sh", "-c", fill, "sh", small, *words],
        cwd=bench.folder, env=bench.env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    bench.held(done, code=5, said=["No space left on device"])
    bench.run(*model)
    assert "embedded 0 images" in (bench.out / "run.log").read_text()


@pytest.mark.slow
def test_f4_a_file_that_may_not_grow_is_the_machines_fault_and_the_old_report_stays(bench, model, tmp_path):
    done = bench.process(*model, code=5, under=limited_line(tmp_path / "usage", file_size=60_000))  # the page is the first that is larger
    assert "File too large" in done.stderr
    bench.run(*model)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_f4_words_that_find_no_room_do_not_spoil_the_result(bench, model):
    with Path("/dev/full").open("w") as full:
        done = bench.process(*model, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (bench.out / "STATUS").read_text() == "complete\n"
    assert "internal error" not in done.stderr


@pytest.mark.slow
def test_f5_a_flipped_byte_in_the_cache_is_found_and_its_rows_embedded_again(bench, model):
    bench.run(*model)
    before = facts(bench.out)
    (shard,) = shards(bench)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = bench.run(*model)
    assert "damaged" in done.stderr
    assert "embedded 40 images" in (bench.out / "run.log").read_text()
    assert facts(bench.out) == before


def test_f6_a_cache_that_others_may_write_is_refused(bench, model):
    bench.cache.mkdir()
    bench.cache.chmod(0o777)
    bench.run(*model, code=4, said=["can be written by others", "chmod 700"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_f6_a_cache_of_another_user_is_refused(bench, model):
    bench.cache.mkdir(mode=0o700)
    os.chown(bench.cache, 12345, -1)
    bench.run(*model, code=4, said=["belongs to another user", "AUDIT_CACHE_DIR"])


def embedded_again(bench):
    """Return how many images the last run embedded."""
    return int(re.search(r"embedded (\d+) images", (bench.out / "run.log").read_text())[1])


@pytest.mark.slow
def test_f7_other_weights_of_the_same_name_size_and_time_are_another_model(bench, inputs, model):
    from tests.support.tiny import write_checkpoint

    path = shutil.copy(inputs / "ckpt.pt", bench.folder / "ckpt.pt")
    words = ("--model", path, *model[2:])
    bench.run(*words)
    first, stat = facts(bench.out), path.stat()
    write_checkpoint(path, seed=1)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    bench.run(*words)
    assert embedded_again(bench) == 40
    assert facts(bench.out) != first
    bench.run(*words)
    assert embedded_again(bench) == 0


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"resample": 2}, {"image_mean": [0.5, 0.5, 0.5]}, {"crop_size": {"height": 24, "width": 24}}])
def test_f8_another_preprocessing_of_the_same_weights_is_another_model(bench, clip_folder, model, change):
    folder = shutil.copytree(clip_folder, bench.folder / "clip")
    words = ("--model", folder, *model[2:])
    bench.run(*words)
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    if "crop_size" in change:  # a picture of another size needs the whole model to be of that size: the shorter edge is what may differ
        change = {"size": {"shortest_edge": 40}}
    path.write_text(json.dumps({**settings, **change}))
    bench.run(*words)
    assert embedded_again(bench) == 40


@pytest.mark.slow
def test_f9_of_pictures_only_the_one_whose_bytes_changed_is_embedded_again(bench, inputs, model):
    from PIL import Image

    faces = shutil.copytree(inputs / "faces", bench.folder / "faces")
    words = (*model[:-1], faces)
    bench.run(*words)
    assert embedded_again(bench) == 40
    stat = (faces / "val" / "7.jpg").stat()
    Image.new("RGB", (32, 32), "red").save(faces / "val" / "7.jpg")
    os.utime(faces / "val" / "7.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    bench.run(*words)
    assert embedded_again(bench) == 1


@pytest.mark.slow
def test_f10_a_second_run_into_the_same_directory_is_told_who_holds_it(bench, slow):
    process, _ = hanging(bench, slow, 2 * BATCH)
    bench.run(*slow, code=5, said=["another audit is writing", str(process.pid)])


@pytest.mark.slow
def test_f11_ctrl_c_keeps_what_is_embedded_and_says_how_to_go_on(bench, slow):
    process, said = hanging(bench, slow, AFTER_A_SHARD, SHARD_ROWS=str(SHARD))
    process.send_signal(signal.SIGINT)
    _, more = process.communicate(timeout=600)  # it does not wait for the encoder
    bench.held(subprocess.CompletedProcess([], process.returncode, "", said + more), code=130, said=["resume"])
    assert shards(bench)
    assert "interrupted" in (bench.out / "STATUS").read_text()
    bench.process(*slow)
    assert embedded_again(bench) < IMAGES


@pytest.mark.slow
def test_f11_a_second_ctrl_c_ends_at_once(bench, slow):
    process, said = hanging(bench, slow, 2 * BATCH)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, more = process.communicate(timeout=600)
    assert process.returncode in (130, -signal.SIGINT)
    assert "internal error" not in said + more
    assert bench.intact()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_f12_asked_to_end_it_keeps_what_is_embedded_and_says_so(bench, slow, number, code):
    process, said = hanging(bench, slow, AFTER_A_SHARD, SHARD_ROWS=str(SHARD))
    assert len(shards(bench)) == 1
    process.send_signal(number)
    _, more = process.communicate(timeout=600)
    bench.held(subprocess.CompletedProcess([], process.returncode, "", said + more), code=code, said=["resume"])
    assert "interrupted" in (bench.out / "STATUS").read_text()
    bench.process(*slow)
    assert embedded_again(bench) < IMAGES


def test_f13_memory_that_runs_out_halves_the_batch_and_is_noted(bench, slow, monkeypatch):
    monkeypatch.setenv("MOST_IMAGES", "8")
    done = bench.run(*slow[:-1], 64)
    for size in (32, 16, 8):
        assert f"going on with {size}" in done.stderr
    assert "going on with 4" not in done.stderr
    assert "going on with 8" in (bench.out / "run.log").read_text()


@pytest.fixture
def no_network(monkeypatch):
    """No name is found and no address is reached."""

    def refuse(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("kind", ["model", "data"])
def test_f14_what_lies_on_a_hub_out_of_reach_is_named_with_the_local_form(bench, model, no_network, kind):
    words = ("--model", "hf:acme/clip-nowhere", *model[2:]) if kind == "model" else (*model[:4], "--data", "hf:acme/faces-nowhere")
    started = time.monotonic()
    done = bench.run(*words, code=5, said=["acme/", "fix: "])
    assert time.monotonic() - started < 5
    assert re.search("folder|local|--data", done.stderr.partition("fix: ")[2])


@pytest.mark.slow
def test_f15_without_a_network_what_is_local_works(bench, model, clip_folder, no_network):
    bench.run(*model)
    bench.run("--model", clip_folder, *model[2:])


@pytest.mark.slow
def test_f19_a_pipe_closed_after_a_line_changes_nothing_in_the_result(bench, model):
    bench.run(*model)
    before = facts(bench.out)
    process = bench.start(*model)
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    code = process.wait(60)
    assert code in (0, 141)  # 141 without a word: nobody reads any more
    bench.held(subprocess.CompletedProcess([], 0, "", said))
    assert "error" not in said
    assert (bench.out / "STATUS").read_text() == "complete\n"
    assert facts(bench.out) == before
