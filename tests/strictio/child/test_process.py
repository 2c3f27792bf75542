"""A locked child: it answers, and whatever its code does, it opens, writes, sends and starts nothing, and ends within its limits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strictio.child import process, serve
from strictio.child.process import Child, EndedError, TooMuchMemoryError
from strictio.errors import DataError, MachineError
from tests.support.forked import Forked

ROOT = Path(__file__).parents[3]
MAKE = "tests.strictio.child.hostile:hostile"


@pytest.fixture(scope="module")
def kept():
    child = Child(MAKE, (), 2**28)
    yield child
    child.end()


@pytest.fixture
def child():
    child = Child(MAKE, (), 2**28)
    yield child
    child.end()


def test_it_answers_and_reads_what_is_handed_in(kept, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file:
        assert kept.ask({"do": "read"}, 5, [file.fileno()]) == {"content": "content"}
    assert kept.ask({"do": "echo", "text": "ä" * 300_000}, 5) == {"text": "ä" * 10}


DENIED = ["open", "list", "write", "create", "remove", "rename", "folder", "network", "unix", "fork", "program", "kill parent", "shared"]


@pytest.mark.parametrize("what", DENIED)
def test_it_may_not(kept, what, tmp_path):
    (tmp_path / "secret").write_text("secret")
    answer = kept.ask({"do": what, "path": str(tmp_path / "secret"), "parent": os.getpid()}, 5)
    assert answer == {"refused": "PermissionError"}
    assert (tmp_path / "secret").read_text() == "secret"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_it_may_start_threads_and_import_code(kept):
    assert kept.ask({"do": "thread"}, 5) == {"done": True}
    assert kept.ask({"do": "import"}, 5) == {"done": True}


def test_it_learns_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)  # no secret: a child is told whether to use threads
    child = Child(MAKE, (), 2**28)
    assert child.ask({"do": "environment"}, 5) == {"tokens": []}
    child.end()


@pytest.mark.parametrize("what", ["compute", "compute, deaf", "compute without timers", "sleep without timers"])
def test_what_takes_too_long_is_ended_whatever_it_does_with_signals(child, monkeypatch, what):
    monkeypatch.setattr(process, "WAITING", 1)
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    child.ask({"do": "echo", "text": ""}, 5)
    began = time.monotonic()
    with pytest.raises(EndedError) as caught:
        child.ask({"do": what}, 0.2)
    assert caught.value.took_too_long
    assert time.monotonic() - began < 5
    assert not child.runs


def test_what_crashes_has_crashed(child):
    with pytest.raises(EndedError) as caught:
        child.ask({"do": "crash"}, 5)
    assert not caught.value.took_too_long


@pytest.mark.parametrize("what", ["long answer", "no answer", "deep answer", "no JSON", "no table", "no error"])
def test_an_answer_that_is_none_ends_it(child, what):
    with pytest.raises(EndedError):
        child.ask({"do": what}, 5)
    assert not child.runs


def test_too_much_memory_is_an_error_and_the_next_request_is_answered(child):
    for _ in range(2):
        with pytest.raises(TooMuchMemoryError):
            child.ask({"do": "memory"}, 5)
    with pytest.raises(RuntimeError, match="File too large"):
        child.ask({"do": "fill"}, 5)
    assert child.ask({"do": "echo", "text": "a"}, 5) == {"text": "a"}


def test_errors_with_a_way_out_are_raised_and_defects_are_named(kept):
    with pytest.raises(DataError) as caught:
        kept.ask({"do": "raise"}, 5)
    assert (caught.value.what, caught.value.where, caught.value.why, caught.value.fix) == ("what", None, "why", "fix")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        kept.ask({"do": "fail"}, 5)


def test_an_interrupted_wait_ends_it(child):
    """Its answer would be taken for that to the next request."""
    script = f"""
import signal, sys
from strictio.child.process import Child
from strictio.stop_requests import Stopped, stopping
child = Child({MAKE!r}, (), 2**28)
child.ask({{"do": "echo", "text": ""}}, 5)
try:
    with stopping():
        print(child.process.pid, flush=True)
        child.ask({{"do": "compute, deaf"}}, 60)
except Stopped:
    print(child.process.wait(), flush=True)
"""
    with Forked([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        int(parent.stdout.readline())
        time.sleep(0.1)
        parent.send_signal(signal.SIGTERM)
        assert parent.stdout.readline() == "-9\n"


def test_where_it_cannot_start_the_machine_is_at_fault(monkeypatch):
    with pytest.raises(MachineError, match="does not start"):
        Child("tests.strictio.child.hostile:missing", (), 2**28).ask({}, 5)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(MachineError, match="no process"):
        Child(MAKE, (), 2**28)


def test_what_the_system_does_not_enforce_is_said_once(monkeypatch, caplog, kept):
    process._say_missing.cache_clear()
    kept.ask({"do": "echo", "text": ""}, 5)
    assert caplog.text == ""
    for _ in range(2):
        child = Child("tests.strictio.child.hostile:unlocked", (), 2**28)
        assert child.ask({"do": "open", "path": __file__}, 5) == {"done": True}
        with pytest.raises(TooMuchMemoryError):  # limits stay
            child.ask({"do": "memory"}, 5)
        child.end()
    assert caplog.text.count(f"without {serve.FILES}, {serve.NETWORK}") == 1
    process._say_missing.cache_clear()
