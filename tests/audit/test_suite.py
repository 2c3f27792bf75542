"""``--suite people``: five probes of one data set, decided with one correction over the questions of all of them."""

from dataclasses import replace

import numpy as np
import pytest

import audit
import probes
from audit.api.plan import plan_audit
from audit.api.plan_lock import Statement, plan_lock
from audit.errors import UsageError
from audit.options.plans import PlanRequest
from audit.records.plan_lock import FILE
from audit.run import main
from audit.statistics.multiplicity import benjamini_hochberg, holm
from tests.support.command import command
from tests.support.every_probe import asked_with_less

PROBES = ("fairface", "moderation", "occupations", "taxonomy", "traits")
SMALL = {"min_group_size": 5, "draws": 99, "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def _asked_with_less():
    """A few claims and templates of each probe: what is corrected together does not depend on how many there are."""
    with asked_with_less():
        yield


@pytest.fixture(scope="module")
def together(checkpoint, faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("suite") / "out"
    return audit.audit(str(checkpoint), suite="people", data=str(faces), out=out, **SMALL)


def gaps(audits, *, primary):
    return [finding.gap for result in audits for finding in result.findings if finding.primary == primary and finding.gap]


def test_p_is_adjusted_over_the_questions_of_all_probes(together):
    audits = together.results.audits
    assert tuple(result.probe.name for result in audits) == PROBES == probes.SUITES["people"]
    for primary, adjust in ((True, holm), (False, benjamini_hochberg)):
        tested = gaps(audits, primary=primary)
        expected = adjust(np.array([gap.p for gap in tested]))
        np.testing.assert_allclose([gap.p_adjusted for gap in tested], expected)
    planned, exploratory = len(gaps(audits, primary=True)), len(gaps(audits, primary=False))
    assert {(result.suite.name, result.suite.planned, result.suite.exploratory) for result in audits} == {("people", planned, exploratory)}
    assert planned > max(len(gaps([result], primary=True)) for result in audits)


@pytest.mark.slow
def test_only_the_correction_differs_from_a_probe_of_its_own(together, checkpoint, faces):
    alone = audit.audit(str(checkpoint), "occupations", data=str(faces), **SMALL).results.audits[0]
    of_suite = next(result for result in together.results.audits if result.probe.name == "occupations")
    assert alone.suite is None
    assert [finding.by_group for finding in of_suite.findings] == [finding.by_group for finding in alone.findings]
    own, suites = (gaps([result], primary=True) for result in (alone, of_suite))
    assert [gap.p for gap in suites] == [gap.p for gap in own]
    assert all(of_all.p_adjusted >= of_one.p_adjusted for of_one, of_all in zip(own, suites, strict=True))
    assert any(of_all.minimum_detectable > of_one.minimum_detectable for of_one, of_all in zip(own, suites, strict=True))


def test_report_and_summary_name_the_suite(together):
    suite = together.results.audits[0].suite
    said = f"p is adjusted over {suite.planned} questions and {suite.exploratory} exploratory comparisons of {', '.join(PROBES)}."
    for file in ("report.html", "summary.md"):
        assert said in " ".join((together.directory / file).read_text("utf-8").split())
    assert audit.load(together.directory).results == together.results


def test_the_cost_is_printed_before_the_first_image(checkpoint, faces, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    words = ("--model", checkpoint, "--suite", "people", "--data", faces, "--out", tmp_path / "out")
    done = command(*words, "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    claims = [claim.primary for name in PROBES for measurement in probes.get(name).measurements for claim in measurement.claims]
    printed = " ".join(done.stdout.split())
    assert "suite people: 5 probes, 40 images (embedded once), " in printed
    assert f"; {sum(claims)} planned questions and {len(claims) - sum(claims)} exploratory comparisons, corrected together" in printed
    assert "to embed 40 images" in printed  # of one data set, not of five
    assert not (tmp_path / "out").exists()


def test_the_run_logs_the_cost_before_it_looks_at_a_model(faces, tmp_path):
    done = command("--model", "absent.pt", "--suite", "people", "--data", faces, "--out", tmp_path / "out", cwd=tmp_path)
    assert (done.returncode, "absent.pt" in done.stderr) == (3, True)
    assert done.stderr.index("suite people: 5 probes, 40 images") < done.stderr.index("error[E3]")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--suite", "peple", "--model", "x.pt"), "invalid suite 'peple': expected one of people"),
        (("--suite", "people", "--probe", "emoji", "--model", "x.pt"), "--suite cannot be used with --probe"),
        (("--suite", "people", "--predictions", "x.csv"), "--suite cannot be used with --predictions"),
    ],
)
def test_a_suite_that_cannot_be_run_is_refused(capsys, words, said):
    assert main(list(words)) == 2
    assert said in capsys.readouterr().err


def test_python_may_name_the_probes_of_the_suite_themselves():
    from audit.options.audits import AuditRequest

    assert AuditRequest(model="x.pt", suite="people").probe == PROBES
    assert AuditRequest(model="x.pt", suite="people", probe=PROBES).suite == "people"
    with pytest.raises(UsageError, match="--suite cannot be used with --probe"):
        AuditRequest(model="x.pt", suite="people", probe="emoji")


@pytest.mark.slow
def test_a_suite_is_locked_as_one_family(together, checkpoint, faces, tmp_path):
    """With a lock and no deviation the numbers are the same; of claims that deviate in one probe, all probes bear the correction."""
    given = {"suite": "people", "data": str(faces), **SMALL}
    plan = plan_audit(PlanRequest(model=str(checkpoint), **given).model_copy(update={"out": None}))
    lock = plan_lock(plan, Statement())
    sizes = {(probe.family, probe.family_size) for probe in lock.probes.values()}
    assert sizes == {("suite people", sum(len(probe.claims) for probe in lock.probes.values()))}
    path = tmp_path / "plan.lock.json"
    path.write_text(FILE.to_json(lock))
    done = audit.audit(str(checkpoint), lock=path, **given)
    assert [result.lock.deviations for result in done.results.audits] == [()] * 5
    assert gaps(done.results.audits, primary=True) == gaps(together.results.audits, primary=True)
    traits = lock.probes["traits"]
    strict = {name: replace(claim, tolerance=0.001) for name, claim in traits.claims.items()}
    path.write_text(FILE.to_json(replace(lock, probes={**lock.probes, "traits": replace(traits, claims=strict)})))
    fewer = audit.audit(str(checkpoint), lock=path, **given).results.audits
    kept = gaps(fewer, primary=True)
    padded = holm(np.array([*(gap.p for gap in kept), *[1.0] * len(strict)]))[: len(kept)]
    np.testing.assert_allclose([gap.p_adjusted for gap in kept], padded)
