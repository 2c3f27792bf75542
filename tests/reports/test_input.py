"""What the report does with hostile names and with files that are no results."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from audit.errors import MachineError, UsageError
from audit.results import to_json
from reports.environment import _printable
from reports.render import main, render, write
from tests.support import forked
from tests.support import report_samples as samples
from tests.support.house import ROOT
from tests.support.page_text import Walk, without_breaks

# ---- hostile text ----------------------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='alert(1)", "{{7*7}}{% raw %}{# x #}",
    "</style></title><b>", "javascript:alert(1)", "<!-- -->]]>", "&lt;i&gt;", "=cmd|' /C calc'!A0", "\u202eevil\u2066",
    "\x00\x1b[31m\x9f", "\ud800", "a\nb\tc", "}*{x:y}",
)  # fmt: skip


@pytest.fixture(scope="module")
def benign_shape(everything):
    return shape(render(samples.mapped(everything, lambda text: f"benign{text}")))


def shape(page):
    """Elements and attributes, but for what a name has by its length alone: its breaks, and a tooltip where it is shortened."""
    elements = [element for element in Walk(without_breaks(page)).shape if element != ("wbr",)]
    return [(tag, *(name for name in names if (tag, name) != ("th", "title"))) for tag, *names in elements]


@pytest.mark.slow_except("<!-- -->]]>")
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_adds_no_element_and_no_attribute(hostile, everything, benign_shape):
    drawn = render(samples.mapped(everything, lambda text: hostile + text))

    assert shape(drawn) == benign_shape
    drawn.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", drawn)


def test_a_template_in_a_name_stays_text():
    drawn = render(samples.mapped(samples.results(samples.emoji()), lambda text: "{{7*7}}" + text))

    assert "{{7*7}}" in drawn
    assert "49emoji" not in drawn


def test_the_running_header_takes_nothing_but_hexadecimal_digits():
    audit = samples.emoji()
    hostile = replace(audit, model=replace(audit.model, sha256='"; } body { display: none } a1b2'))

    rule = re.search(r'@top-right \{ content: "(.*?)"; \}', render(samples.results(hostile)))
    assert rule
    assert re.fullmatch("[0-9a-f]*", rule[1])


@pytest.mark.parametrize("value", [None, 0.5, True, ("a",)])
def test_a_template_that_prints_what_was_not_formatted_is_a_defect(value):
    with pytest.raises(TypeError, match="not formatted"):
        _printable(value)


# ---- the command -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "results.json").write_text(to_json(samples.results(samples.emoji())), "utf-8")
    return tmp_path


def test_the_command_draws_the_page_where_it_is_told_and_prints_its_path(directory, capsys):
    assert main([str(directory), "--out", str(directory / "other.html")]) == 0
    assert (directory / "other.html").is_file()
    assert not (directory / "report.html").exists()

    capsys.readouterr()
    assert main([str(directory)]) == 0
    assert capsys.readouterr().out == f"{directory / 'report.html'}\n"
    assert (directory / "report.html").read_text("utf-8") == render(samples.results(samples.emoji()))


def contradiction(plain):
    plain["audits"][0]["findings"][0]["gap"]["highest"] = ["nobody"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain: plain.update(schema_version="99"), "schema version '99'"),
        (lambda plain: plain.pop("audits"), "does not follow its schema"),
        (contradiction, "contradicts itself"),
    ],
    ids=["version", "schema", "contradiction"],
)
def test_a_wrong_results_file_is_bad_data_and_leaves_the_old_page(directory, capsys, change, said):
    (directory / "report.html").write_text("old")
    plain = json.loads((directory / "results.json").read_text("utf-8"))
    change(plain)
    (directory / "results.json").write_text(json.dumps(plain))

    assert main([str(directory)]) == 3
    assert said in capsys.readouterr().err
    assert (directory / "report.html").read_text() == "old"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"<html>"], ids=["not UTF-8", "empty", "HTML"])
def test_what_is_no_json_is_bad_data(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)

    assert main([str(tmp_path)]) == 3


def test_a_missing_directory_is_bad_data_in_a_process_of_its_own(tmp_path):
    done = forked.run(
        [sys.executable, "-m", "reports.render", "absent"], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )

    assert done.returncode == 3
    assert done.stderr.startswith("error[E3] results.json not found in 'absent'")
    assert "Traceback" not in done.stderr


def test_a_page_that_cannot_be_written_says_why(directory, monkeypatch):
    with pytest.raises(UsageError, match="folder of the report not found"):
        write(render(samples.results(samples.emoji())), directory / "absent" / "report.html")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("strictio.folders.Folder._drafted", refused)
    with pytest.raises(MachineError, match="cannot write"):
        write(render(samples.results(samples.emoji())), directory / "report.html")


def test_drawing_imports_nothing_heavy():
    """pandas and scipy come with the records of evidence, which stand beside their computation."""
    heavy = ("torch", "transformers", "fairlearn", "matplotlib")
    code = f"import sys, reports.render, reports.exports.markdown; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.extension("causes", "watch", "mitigate")
@pytest.mark.parametrize("kind", ["results", "comparison"])
def test_facts_that_somebody_changed_so_that_they_do_not_fit_are_bad_data(tmp_path, capsys, kind):
    """Of the fuzzer's finds: counts of places that the table does not have; an interval up to 1e308, a contrast of a group not there."""
    files = sorted((ROOT / "tests" / "fuzz" / "corpus" / kind).glob("*.json"))
    assert files
    for file in files:
        (tmp_path / f"{kind}.json").write_bytes(file.read_bytes())
        assert main([str(tmp_path)]) == 3, file.name
        shown = capsys.readouterr().err
        assert f"{kind}.json cannot be rendered" in shown or f"{kind}.json contradicts itself" in shown
        assert "its contents are inconsistent" in shown or "has no rate for" in shown
        assert list(tmp_path.glob("*.html")) == []
