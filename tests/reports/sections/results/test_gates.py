"""Gates on the page, in the summary and on the terminal; hostile names."""

import re
from dataclasses import replace

import pytest

from audit.records.gates import GateCheck, GateResult
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.text.gates import gate_rows, gates_sentence
from tests.support.report_samples import gates


@pytest.fixture(scope="module")
def results(everything):
    return replace(everything, gates=gates("breached", "held", "inconclusive"))


@pytest.fixture(scope="module")
def page(results):
    return render(results)


def test_gates_are_chips_on_the_first_screen_that_lead_to_their_reasons(page, results):
    first = page[page.index('<section class="answer') :].split("</section>")[0]
    part = page[page.index('id="a1-gates"') :].split('<details class="part">')[0]

    assert first.count('href="#a1-gates"') == 3
    assert re.findall(r"</svg> (Breached|Held|Inconclusive)</span>", part) == ["Breached", "Held", "Inconclusive"]
    assert "gap[role.accuracy by gender] &gt; 0.1" in part
    assert gate_rows(results, results.audits[1]) == ()
    assert page.count("A gate states what must not happen") == 1


def test_a_gate_on_many_questions_names_the_one_that_decides(results):
    audit = results.audits[0]
    names = [finding.id for finding in audit.findings if finding.primary][:2]
    checks = tuple(
        GateCheck(audit.model.name, audit.probe.name, name, outcome, (Note.of(f"because of {outcome}"),))
        for name, outcome in zip(names, ("held", "breached"), strict=True)
    )
    (row,) = gate_rows(replace(results, gates=(GateResult("gap > 0.1", "breached", checks),)), audit)
    assert (row.word, row.looks) == ("Breached", "disparity")
    assert re.fullmatch(r".+ by .+: because of breached Of 2 questions: 1 breached, 1 held\.", row.why)


def test_summary_and_terminal_say_how_each_gate_ended(results):
    assert gates_sentence(results.gates) == "3 gates: 1 breached, 1 inconclusive, 1 held."
    summary, said = summary_markdown(results), audit_lines(results)
    assert "**3 gates: 1 breached, 1 inconclusive, 1 held.**" in summary
    assert "| **Breached** | " in summary
    assert "BREACHED gap[role.accuracy by gender] > 0.1" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "gates" not in summary_markdown(replace(results, gates=()))
    assert "passed" not in (summary + said).lower()


@pytest.mark.slow_except("{{7*7}}\\x1b[31m")
@pytest.mark.parametrize("name", ["<b>&\"'", "| a | b |\n# c", "{{7*7}}\x1b[31m", "x" * 400])
def test_hostile_gates_stay_text(results, name):
    hostile = replace(results, gates=gates("breached", expression=name, reason=name))
    page, summary = render(hostile), summary_markdown(hostile)
    assert "<b>" not in page[page.index("<main") :].replace('<b class="', "").split('id="a1-gates"')[1][:600]
    assert "\x1b" not in page + summary + audit_lines(hostile)
    assert max(map(len, audit_lines(hostile).splitlines())) <= 80
    table = next(block for block in summary.split("\n\n") if block.startswith("| gate"))
    assert len(table.splitlines()) == 3
