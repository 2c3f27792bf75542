"""Shared fixtures: a small honest encoder, four faces that are numbers, and the FairFace test images where they are present."""

import atexit
import gc
import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

# Before numpy and torch are imported (so no plug-in of pytest may do it: see pyproject.toml), here and in every process of a test. Tests
# run beside each other, one to a core: threads of small sums would only wait for one another, which takes twice the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the trainer sets it: what changed meanwhile a forked process would not heed

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

from audit.testing import FakeEncoder, four_faces
from audit.types import Dataset
from tests.support import tiers

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")
settings.register_profile("a quarter", settings.get_profile("unhurried"), max_examples=25)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in the background begins, and so would every process of a test
    signal.signal(signal.SIGINT, signal.default_int_handler)
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30  # of bytes: eight times what all tests hold at once
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    # Tests make tens of thousands of small files and folders, which takes a file system on a disk a sixth of their time.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
if "PYTEST_XDIST_WORKER" not in os.environ:  # its workers share the folder
    # Set before any fixture: those of modules and of the session run before `_private_cache`, and nothing may reach the user's cache.
    cache_of_the_run = Path(tempfile.mkdtemp(prefix="vlm-audit-tests-"))
    atexit.register(shutil.rmtree, cache_of_the_run, ignore_errors=True)
    os.environ |= {"AUDIT_CACHE_DIR": str(cache_of_the_run / "cache"), "AUDIT_CACHE_KEY": str(cache_of_the_run / "key")}
os.fsync = os.fstat  # no test cuts the power: waiting until the disk has a file proves nothing and takes milliseconds each time

BROWSER_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


gc.disable()  # what is imported and collected stays: looking through it for garbage takes a fifth of that time


def pytest_addoption(parser):
    parser.addoption("--other-seed", type=int, default=0, help="draw every shuffle from another stream: a conclusion must not hang on one")
    parser.addoption("--no-extensions", action="store_true", help="leave out tests about or with extensions: none is installed")
    parser.addoption("--order", type=int, default=0, help="take files, and the tests of each, in another order: no test may need another")


def pytest_configure(config):
    if "not slow" in config.option.markexpr:  # as many examples as Hypothesis takes by itself are for a run of all tests
        settings.load_profile("a quarter")
    if number := config.getoption("--other-seed"):
        from audit.statistics import null

        usual = null.generator
        assert "audit.statistics.findings" not in sys.modules, "modules that use the generator hold the usual one already"
        null.generator = lambda seed, name: usual(seed, f"{name}/{number}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    tiers.make_slow(items, whole_files=not any("::" in place for place in config.args))
    if config.getoption("--no-extensions"):
        items[:] = [item for item in items if item.get_closest_marker("extension") is None]
    if config.getoption("--other-seed"):
        items[:] = [item for item in items if item.get_closest_marker("own_stream") is None]
    if number := config.getoption("--order"):
        items[:] = tiers.in_another_order(items, number)


@pytest.fixture(scope="session")
def fairface_dir() -> Path:
    """Folder of 180 FairFace images (CC BY 4.0) beside the repository; real people, so never inside it."""
    folder = Path(os.environ.get("FAIRFACE_TEST_DIR", Path(__file__).parents[2] / "shared" / "fairface"))
    if not (folder / "labels.csv").is_file():
        pytest.skip("the FairFace test images are not beside this repository (set FAIRFACE_TEST_DIR to their folder)")
    return folder


@pytest.fixture(scope="session")
def caches(tmp_path_factory) -> Path:
    """Where each test has a cache of its own: thousands of folders beside those of `tmp_path` would make each of these slower to name."""
    return tmp_path_factory.mktemp("caches")


counter = itertools.count()


@pytest.fixture(autouse=True)
def _private_cache(caches, monkeypatch):
    """No test reads or writes the user's embedding cache or its key, and none asks a hub."""
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(caches / str(next(counter))))  # made where it is used: most tests use none
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def one_thread():
    """Torch computes with one thread: sums keep their order, and small models are no slower."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(request, tmp_path) -> str:
    """Path of a training run's file: the module's `RUN`, which ends in a folder of the test's own."""
    path = tmp_path / "run.toml"
    path.write_text(request.module.RUN.replace("OUT", str(tmp_path / "out")))
    return str(path)


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium. Of a module, not of the session: its event loop would be in the way of other tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install --editable '.[dev]')")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, headless=True, args=BROWSER_FLAGS)
        new_context = opened.new_context

        def patient_context(**options):
            context = new_context(**options)
            context.set_default_timeout(180_000)  # of milliseconds: on a machine with ten times its work a page takes over half a minute
            return context

        opened.new_context = patient_context
        opened.new_page = lambda **options: patient_context(**options).new_page()
        yield opened
        opened.close()


@pytest.fixture
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(name="four_faces")
def _four_faces() -> Dataset:
    return four_faces()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path):
    """No examples are looked for in files of tests, which have none: that takes a second in every process."""
    collected = yield
    return [each for each in collected if not (isinstance(each, DoctestModule) and file_path.name.startswith("test_"))]


def pytest_collection_finish():
    """What was imported stays: no later collection looks through it again, which takes a fifth of a second each time.

    Nor does this one: the few megabytes of garbage stay too. Torch's loggers hand on what they are told, so that pytest's handlers are
    attached to one logger, and not to sixty, six times in each test.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "torch" and isinstance(logger, logging.Logger):
            logger.propagate = True
    gc.freeze()
    gc.enable()
    gc.callbacks.append(note_long_collections)


LONG_S = 0.01
collections = {"began": 0.0, "long": False}


def note_long_collections(phase, info):
    if phase == "start":
        collections["began"] = time.thread_time()
    elif info["generation"] == 2:
        collections["long"] = time.thread_time() - collections["began"] > LONG_S


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Nor through what tests have imported since: an audit collects garbage after each model."""
    if not item.config.getoption("--no-extensions"):  # a variant may be a page of one
        tiers.check_named(item)
    if collections["long"]:
        gc.collect()
        gc.freeze()
        collections["long"] = False
