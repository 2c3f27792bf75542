"""Figures as files: one for each finding that counts, the same bytes twice, foreign names as text and nothing else."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from audit.output.directory import OutputFolder
from audit.output.publish import replacing_files
from audit.results import to_json
from reports import figures as module
from reports.figures import pictures


@pytest.fixture(scope="module")
def results(everything):
    audit = everything.audits[0]
    return replace(everything, audits=(replace(audit, findings=audit.findings[:3], specifications=audit.specifications[:1]),))


@pytest.mark.slow
def test_every_estimable_finding_and_curve_is_drawn(results):
    names = [name for name, _ in pictures(results)]
    audit = results.audits[0]
    drawn = [finding for finding in audit.findings if finding.primary and any(cell.value is not None for cell in finding.by_group)]

    assert len(names) == len(set(names)) == len(drawn) + len(audit.specifications)
    assert all(re.fullmatch(r"[a-z0-9.-]+\.svg", name) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["svg", "png"])
def test_equal_results_give_equal_bytes(results, form):
    assert list(pictures(results, form)) == list(pictures(results, form))


@pytest.mark.slow
def test_groups_stand_in_the_figure_as_text(results):
    _, content = next(pictures(results))
    text = "".join(ET.fromstring(content).itertext())  # made here

    assert all(cell.group[0] in text for cell in results.audits[0].findings[0].by_group)


@pytest.mark.parametrize("name", ["$\\frac{1}{0}$", "<script>alert(1)</script>", "\u202eevil", "a & b"])
def test_a_hostile_group_is_text(results, name):
    audit = results.audits[0]
    finding = audit.findings[0]
    cells = (replace(finding.by_group[0], group=(name,)), *finding.by_group[1:])
    hostile = replace(results, audits=(replace(audit, findings=(replace(finding, by_group=cells),), specifications=()),))
    ((_, content),) = pictures(hostile)
    root = ET.fromstring(content)

    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert name.replace("\u202e", "").strip("$")[:5] in "".join(root.itertext())


def test_the_command_writes_them_and_says_where(results, tmp_path, capsys):
    (tmp_path / "results.json").write_text(to_json(results), "utf-8")

    assert module.main([str(tmp_path), "--format", "png"]) == 0
    files = sorted((tmp_path / "figures").iterdir())
    assert f"{len(files)} figures" in capsys.readouterr().out
    for file in files:
        with Image.open(file) as image:
            assert image.size[0] == 1400

    assert module.main([str(tmp_path / "absent")]) == 3
    assert "results.json not found" in capsys.readouterr().err
    assert module.main([str(tmp_path), "--out", str(tmp_path / "results.json" / "figures")]) == 5
    assert "cannot create" in capsys.readouterr().err


def test_a_defect_never_looks_like_a_finding(results, tmp_path, capsys, monkeypatch):
    from reports import render

    with replacing_files(OutputFolder(tmp_path)) as folder:
        folder.write("results.json", to_json(results).encode())
    monkeypatch.setattr(module, "pictures", lambda *_: 1 / 0)
    monkeypatch.setattr(render, "report_page", lambda *_: 1 / 0)

    assert (module.main([str(tmp_path)]), render.main([str(tmp_path)])) == (70, 70)
    assert capsys.readouterr().err.count("error[E70] internal error: ZeroDivisionError") == 2
