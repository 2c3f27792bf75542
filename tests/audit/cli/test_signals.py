"""Asked to stop, a command says so in STATUS and by its exit code; asked twice, it is gone."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from strictio.stop_requests import Stopped, stopping
from tests.support.forked import Forked

SLOW = """
import time
import numpy as np

class Slow:
    fingerprint = "slow"
    seen = 0
    def encode_images(self, images):
        self.seen += len(images)
        if self.seen > 2:  # two are tried when it is loaded
            try:
                print("ready", flush=True)
                time.sleep(60)
            finally:
                if STUBBORN:
                    print("stubborn", flush=True)
                    time.sleep(60)
        return np.ones((len(images), 4))
    def encode_texts(self, texts):
        return np.ones((len(texts), 4))

class Other(Slow):
    fingerprint = "other"
"""


def started(folder, faces, short, *words, stubborn=False, module="audit.run", ignored=()):
    """Start an audit with a model that takes a minute a batch, and return it once it embeds."""
    (folder / "slow.py").write_text(f"STUBBORN = {stubborn}\n{SLOW}")

    begin = f"import os, runpy, signal\nos.setsid()\nfor each in {list(map(int, ignored))}: signal.signal(each, signal.SIG_IGN)\n"
    run = [sys.executable, "-c", f"{begin}runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"]
    run += [*words, "--probe", short, "--data", faces, "--out", "out"]
    running = Forked(run, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout.readline() == "ready\n", running.communicate()[1]
    return running


def ended(running, folder):
    """Return exit code, last line on stderr and what STATUS begins with; no process of its group is left."""
    try:
        _, said = running.communicate(timeout=30)
    finally:
        running.kill()
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    assert "Traceback" not in said
    return running.returncode, said.splitlines()[-1], (folder / "out" / "STATUS").read_text().splitlines()[0]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_an_audit_as_interrupted(tmp_path, faces, short, name, code):
    running = started(tmp_path, faces, short, "--model", "slow.py:Slow")
    running.send_signal(signal.Signals[name])
    said = f"interrupted ({name}); what was embedded is kept: the same command resumes"
    assert ended(running, tmp_path) == (code, said, "interrupted")


def test_a_comparison_too_and_what_nohup_ignores_stays_ignored(tmp_path, faces, short):
    words = ("slow.py:Slow", "slow.py:Other")
    running = started(tmp_path, faces, short, *words, module="audit.compare", ignored=[signal.SIGHUP])
    running.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    code, said, status = ended(running, tmp_path)
    assert (code, said.partition(";")[0], status) == (143, "interrupted (SIGTERM)", "interrupted")


def test_a_second_signal_ends_it_at_once(tmp_path, faces, short):
    running = started(tmp_path, faces, short, "--model", "slow.py:Slow", stubborn=True)
    running.send_signal(signal.SIGINT)
    assert running.stdout.readline() == "stubborn\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == -signal.SIGTERM  # a shell calls it 143
    running.communicate()


def test_while_the_program_is_imported_nothing_is_begun(tmp_path, faces, short):
    (tmp_path / "late.py").write_text("print('importing', flush=True)\nimport time\ntime.sleep(60)\n")
    patient = (
        "import sys; from strictio import stop_requests; stop_requests.PATIENCE_S = 60.0; from audit.run import main; sys.exit(main())"
    )
    run = [sys.executable, "-c", patient, "--model", "slow.py:Slow", "--probe", "late.py", "--out", "out"]
    running = Forked(run, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout.readline() == "importing\n"
    running.terminate()
    _, said = running.communicate(timeout=30)
    assert (running.returncode, "Traceback" in said, (tmp_path / "out").exists()) == (143, False, False)


DEAF = """
import collections, itertools, signal, sys, time
from strictio import stop_requests
stop_requests.PATIENCE_S = 0.5

def native():
    collections.deque(itertools.repeat(0), maxlen=0)  # holds the interpreter for ever: no handler of Python runs

def stubborn():
    try:
        time.sleep(60)
    finally:
        time.sleep(60)

def patient():
    with stop_requests.patient():
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, lambda *_: None)
        for _ in range(12):
            time.sleep(0.1)
        print("done", flush=True)

def again():
    for _ in range(2):
        try:
            with stop_requests.stopping():
                signal.raise_signal(signal.SIGTERM)
        except stop_requests.Stopped:
            pass
        time.sleep(0.7)
    print("done", flush=True)

print("ready", flush=True)
with stop_requests.stopping():
    globals()[sys.argv[1]]()
"""
ENDS = {"native": -signal.SIGKILL, "stubborn": -signal.SIGKILL, "patient": 0, "again": 0}


@pytest.mark.parametrize(("how", "name"), [*((how, "SIGTERM") for how in ENDS), ("native", "SIGINT")])
def test_what_does_not_stop_is_killed_whatever_native_code_does(how, name):
    with Forked([sys.executable, "-c", DEAF, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "ready\n"
        time.sleep(0.1)
        if how != "again":
            running.send_signal(signal.Signals[name])
        began = time.monotonic()
        assert running.communicate(timeout=30)[0] == ("" if ENDS[how] else "done\n")
        assert running.returncode == ENDS[how]
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_so_is_an_audit_within_five_seconds(tmp_path, faces, short):
    (tmp_path / "slow.py").write_text(
        "STUBBORN = False\n"
        + "import collections, itertools\n"
        + SLOW.replace("time.sleep(60)", "collections.deque(itertools.repeat(0), maxlen=0)", 1)
    )
    run = [sys.executable, "-m", "audit.run", "--model", "slow.py:Slow", "--probe", short, "--data", faces, "--out", "out"]
    with Forked(run, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout.readline() == "ready\n"
        time.sleep(0.2)
        running.terminate()
        began = time.monotonic()
        assert running.wait(30) == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_a_forked_process_reports_no_signal_of_its_own():
    with stopping():
        assert signal.set_wakeup_fd(-1) >= 0
    with stopping():
        child = os.fork()
        if child == 0:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_what_was_set_before_is_set_again():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as caught, stopping():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_forked_from_it_and_a_thread_are_left_alone():
    with stopping():
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        time.sleep(0.2)
        os.kill(child, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
        handler, seen = signal.getsignal(signal.SIGTERM), []

    def look():
        with stopping():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen != [handler]
