"""Every probe on made-up data of its layout: who answers all alike is not called fair, and all probes of faces embed each picture once."""

import pytest

import audit
import probes
from reports.text.responsiveness import why_unresponsive
from tests.support.command import command
from tests.support.every_probe import asked_with_less, made_data
from tests.support.planted import MODELS, Refuser


@pytest.fixture(scope="module", autouse=True)
def _asked_with_less():
    with asked_with_less():
        yield


@pytest.mark.slow_except("facet")
@pytest.mark.parametrize("name", probes.names())
def test_who_answers_all_alike_is_not_called_fair(name, tmp_path):
    made, _, data = made_data(name, tmp_path / "data")
    refuser = getattr(made, "refuser", Refuser)()
    found = audit.audit(model=refuser, probe=name, data=data, draws=99).results.audits[0]
    assert found.verdict in ("inconclusive", "not estimable")
    assert not [finding.id for finding in found.findings if finding.primary and finding.verdict == "equivalent"]


OF_ROWS = [name for name in probes.names() if any(measurement.options for measurement in probes.get(name).measurements)]


@pytest.mark.slow_except("genderbias_vl")
@pytest.mark.parametrize("name", OF_ROWS)
def test_who_reads_the_question_and_sees_no_picture_is_not_called_fair(name, tmp_path):
    """Within 60 points all groups would be equivalent; but nearly equal rates come with the questions, which all groups share."""
    _, _, data = made_data(name, tmp_path / "data")
    found = audit.audit(model=Refuser(), probe=name, data=data, draws=99, tolerance=0.6).results.audits[0]
    of_rows = {measurement.name for measurement in probes.get(name).measurements if measurement.options}
    assert {measurement.responsiveness.code for measurement in found.measurements if measurement.name in of_rows} == {"constant"}
    assert {finding.verdict for finding in found.findings if finding.primary and finding.measurement in of_rows} == {"not estimable"}
    assert found.verdict in ("inconclusive", "not estimable")
    said = why_unresponsive(next(finding for finding in found.findings if finding.primary and finding.measurement in of_rows), found)
    assert said.endswith(": groups that get the same questions have equal rates by design")


@pytest.mark.slow
def test_all_probes_of_faces_share_one_pass(tmp_path, monkeypatch):
    """Of 122 pictures each is embedded once, for the first probe; the log of every other says that all come from the cache."""
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    _, data, location = made_data("fairface", tmp_path / "data")
    (tmp_path / "models.py").write_text(MODELS.format(probe="fairface", data=location))
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
