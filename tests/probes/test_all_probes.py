"""Every probe, by command, on made-up data of its layout: a planted stereotyper is found, and who answers all alike is not called fair."""

from importlib import import_module

import pytest

import audit
import probes
from reports.text.headline import headline_of
from tests.support.command import command
from tests.support.planted import MODELS, Refuser


@pytest.fixture(scope="module", params=probes.names())
def probe_run(request, tmp_path_factory):
    """The name of a probe, where its data are, the model that answers all alike, and the audit of the stereotyper by command."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "data").mkdir()
    made = import_module(f"tests.probes.made.{request.param}")
    arguments = made.make(folder / "data")
    data = arguments[arguments.index("--data") + 1] if "--data" in arguments else None
    if hasattr(made, "stereotyper"):  # a generative model, of which no file of a class can be one
        audit.audit(model=made.stereotyper(), probe=request.param, data=data, out=folder / "out", cache_root=folder / "cache")
        return request.param, data, made.refuser, folder / "out"
    (folder / "models.py").write_text(getattr(made, "MODELS", MODELS.format(probe=request.param, data=data)))
    ran = command(
        "--model", f"{folder / 'models.py'}:Stereotyper", "--probe", request.param, *arguments, "--out", folder / "out", "--no-cache"
    )
    assert ran.returncode == 0, ran.stderr
    return request.param, data, Refuser, folder / "out"


def test_a_planted_stereotyper_is_found(probe_run):
    *_, out = probe_run
    results = audit.load(out).results
    said = headline_of(results.audits[0], results.settings)
    assert said.kind == "disparity" or said.signal.startswith("Not planned, but visible: ")
    assert results.audits[0].verdict != "equivalent"
    assert (out / "report.html").is_file()


def test_all_probes_of_faces_share_one_pass(tmp_path, monkeypatch, capsys):
    """Of 122 pictures each is embedded once, for the first probe; the log of every other says that all come from the cache."""
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    data = import_module("tests.probes.made.fairface").make(tmp_path / "data")
    (tmp_path / "models.py").write_text(MODELS.format(probe="fairface", data=data[1]))
    faces = [name for name in probes.names() if probes.get(name).data == probes.get("fairface").data]
    chosen = [word for name in faces for word in ("--probe", name)]
    ran = command("--model", f"{tmp_path / 'models.py'}:Refuser", *chosen, *data, "--no-inference", "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    embedded = [
        line.partition("embedded ")[2] for line in (tmp_path / "out" / "run.log").read_text("utf-8").splitlines() if " images, " in line
    ]
    assert len(embedded) == len(faces) >= 2
    assert embedded[0].startswith("122 images, 0 from the cache")
    assert all(each.startswith("0 images, 122 from the cache") for each in embedded[1:])


def test_who_answers_all_alike_is_not_called_fair(probe_run):
    name, data, refuser, _ = probe_run
    found = audit.audit(model=refuser(), probe=name, data=data, draws=99).results.audits[0]
    assert found.verdict in ("inconclusive", "not estimable")
    assert not [each.id for each in found.findings if each.primary and each.verdict == "equivalent"]
