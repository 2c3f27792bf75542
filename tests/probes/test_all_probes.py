"""Every probe, by command, on made-up data of its layout: a planted stereotyper is found."""

import pytest

import audit
import probes
from reports.text.headline import headline_of
from tests.support.command import command
from tests.support.every_probe import asked_with_less, made_data
from tests.support.planted import MODELS


@pytest.fixture(scope="module", autouse=True)
def _asked_with_less():
    with asked_with_less():
        yield


@pytest.mark.extension("text_association")
@pytest.mark.slow_except("text_only")
@pytest.mark.parametrize("name", probes.names())
def test_a_planted_stereotyper_is_found(name, tmp_path):
    made, arguments, data = made_data(name, tmp_path / "data")
    out = tmp_path / "out"
    if hasattr(made, "stereotyper"):  # a generative model, of which no file of a class can be one
        audit.audit(model=made.stereotyper(), probe=name, data=data, out=out, cache_root=tmp_path / "cache")
    else:
        (tmp_path / "models.py").write_text(getattr(made, "MODELS", MODELS.format(probe=name, data=data)))
        ran = command("--model", f"{tmp_path / 'models.py'}:Stereotyper", "--probe", name, *arguments, "--out", out, "--no-cache")
        assert ran.returncode == 0, ran.stderr
    results = audit.load(out).results
    said = headline_of(results.audits[0], results.settings)
    assert said.kind == "disparity" or said.signal.startswith("Not planned, but visible: ")
    assert results.audits[0].verdict != "equivalent"
    assert (out / "report.html").is_file()
