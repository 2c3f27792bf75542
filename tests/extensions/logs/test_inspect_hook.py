"""The hook of Inspect: a task over two sets of images is audited when it ends, and an audit that fails does not fail the evaluation."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.support.house import ROOT
from tests.support.planted import picture

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None, reason="Inspect is not installed (python -m pip install '.[inspect]')"
)
EVALUATE = """
import json, runpy, sys
import inspect_ai
from inspect_ai.model import ModelOutput, get_model

replies = json.loads(sys.argv[2])
model = get_model("mockllm/model", custom_outputs=[ModelOutput.from_content("mockllm/model", reply) for reply in replies])

async def one(*_, **__):  # tokens are not counted, because that would need a download
    return 1

model.api.count_text_tokens = model.api.count_tokens = one
task = runpy.run_path(sys.argv[1])["two_image_sets"]("women", "men", "Is this person a doctor?")
(log,) = inspect_ai.eval(task, model=model, max_connections=1, max_samples=1, log_dir="logs", display="plain")
print("ended:", log.status)
"""
"""Replies are those of the samples in their order."""


@pytest.fixture
def folder(tmp_path):
    for name in ("women", "men"):
        (tmp_path / name).mkdir()
        for number in range(60):
            (tmp_path / name / f"{number:02}.png").write_bytes(picture(number))
    return tmp_path


def evaluated(folder, replies, **variables):
    words = [sys.executable, "-c", EVALUATE, str(ROOT / "docs" / "examples" / "inspect_task.py"), json.dumps(replies)]
    environment = {**os.environ, "COLUMNS": "1000", **variables}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "ended: success" in done.stdout, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_the_two_sets_are_compared_when_the_task_ends(folder):
    """30 of 60 right for women, 57 of 60 for men."""
    replies = ["yes" if number % 2 else "no" for number in range(60)] + ["no" if number % 20 == 0 else "Yes, it is" for number in range(60)]
    evaluated(folder, replies, VLM_AUDIT_OUT="audits")
    (made,) = (folder / "audits").iterdir()
    (audit,) = json.loads((made / "results.json").read_text())["audits"]
    rates = {rate["group"][0]: (rate["events"], rate["n"]) for rate in audit["findings"][0]["by_group"]}
    assert rates == {"women": (30, 60), "men": (57, 60)}
    assert audit["findings"][0]["verdict"] == "disparity"


def test_an_audit_that_fails_is_said_and_the_evaluation_goes_on(folder):
    said = evaluated(folder, ["yes"] * 120, VLM_AUDIT_OUT="audits", VLM_AUDIT_OPTIONS="--attributes absent")
    assert "no audit of two_image_sets" in said
    assert "absent" in said


def test_without_a_folder_nothing_is_audited(folder):
    evaluated(folder, ["yes"] * 120, VLM_AUDIT_OUT="")
    assert not (folder / "audits").exists()


def test_a_log_may_be_named_by_a_url():
    from audit.extensions.logs.inspect_hook import command

    assert [command(name)[-1] for name in ("file:///tmp/a%20b.eval", "logs/x.eval")] == ["/tmp/a b.eval", "logs/x.eval"]
