"""The hook of Inspect, without Inspect: names in a log do not say where an audit is written."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

NAMES = {
    "a path": "../../x",
    "absolute": "/tmp/x",
    "NUL": "a\0b",
    "long": "x" * 5000,
    "lines": "a\n\x1b[2Jb",
    "dots": "..",
    "a flag": "--out=/x",
}


@pytest.fixture
def hook(monkeypatch):
    """Return a module as if Inspect were installed, and the commands that it runs."""
    for name, parts in {
        "inspect_ai": {},
        "inspect_ai.hooks": {"Hooks": object, "TaskEnd": object, "hooks": lambda **_: lambda of: of},
    }.items():
        module = ModuleType(name)
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "audit.extensions.logs.inspect_hook", raising=False)
    inspect_hook, ran = import_module("audit.extensions.logs.inspect_hook"), []

    async def run_process(words, check):
        ran.append(words)
        return SimpleNamespace(returncode=0, stderr=b"")

    monkeypatch.setattr(inspect_hook.anyio, "run_process", run_process)
    yield inspect_hook.AuditOfTask(), ran
    del sys.modules["audit.extensions.logs.inspect_hook"]


@pytest.mark.parametrize("of", ["task", "eval_id"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(hook, name, of, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("VLM_AUDIT_OUT", str(tmp_path))
    said = {"task": "a_task", "eval_id": "Xy12"} | {of: NAMES[name]}
    log = SimpleNamespace(eval=SimpleNamespace(task=said["task"]), location="x.eval")
    asyncio.run(hook[0].on_task_end(SimpleNamespace(log=log, eval_id=said["eval_id"])))
    ((*_, flag, folder, _),) = hook[1]
    assert (flag, Path(folder).parent) == ("--out", tmp_path)
    Path(folder).mkdir()
    assert "\x1b" not in caplog.text
