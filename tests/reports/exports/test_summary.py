"""The summary: a Markdown text of at most 60 lines that leads with the headline and that no name can turn into markup."""

import re
from dataclasses import replace

import pytest

from audit.types import Note, Settings
from reports.exports.markdown import escaped, summary_markdown
from reports.text.headline import headline_of
from tests.support import report_samples as samples


def summary(*audits):
    return summary_markdown(samples.results(*audits))


def test_the_summary_leads_with_the_headline_and_has_a_row_a_question():
    audit = samples.emoji()
    said = headline_of(audit, Settings())
    text = summary(audit)

    led = f"**{escaped(said.verdict_line)}.** {escaped(said.text)}".replace("\u00a0", " ")
    assert text.startswith(f"## Audit of emoji/ckpt.pt with the emoji probe\n\n{led}\n\n| verdict |")
    assert "| disparity | Role accuracy by gender | man 98.0 % (100) | woman 72 % (100) | 26 points \\[14, 38\\] | 1" in text
    assert "**According to the checkpoint:** Trained on 3953 emoji drawings" in text
    assert "Not tested: photographs and people;" in text
    assert "`9c41d2aa7e03`" in text


def test_what_a_checkpoint_says_stands_once_for_all_probes_of_a_model():
    audit = samples.emoji()
    four = [replace(audit, probe=replace(audit.probe, name=name)) for name in "abcd"]
    text = summary(*four)
    assert (text.count("According to the checkpoint"), text.count("Trained on 3953 emoji drawings")) == (1, 1)
    other = replace(audit, model=replace(audit.model, name="b.pt", data_card="Trained on photographs."))
    text = summary(*four, other)
    assert f"**According to the checkpoint ({escaped('emoji/ckpt.pt')}):** Trained on 3953 emoji" in text
    assert f"**According to the checkpoint ({escaped('b.pt')}):** Trained on photographs" in text
    assert text.count("emoji/ckpt.pt `") == 1  # its hash at the end


def test_what_cannot_be_judged_is_a_line_and_no_row():
    audit = samples.emoji()
    only = replace(audit, findings=tuple(replace(finding, primary=True) for finding in audit.findings if finding.gap is None))

    assert "\n1 question: fewer than two groups with 30 images that count.\n" in summary(only)
    assert "| not estimable |" not in summary(only)
    assert "fewer than two groups" not in summary(audit)


def test_what_a_rule_left_out_stands_in_the_summary():
    audit = samples.emoji()
    note = Note("attributes_by_rule_of_several", {"attributes": ("a",), "levels": 50, "others": ("'city' (60 levels)",)})
    audit = replace(audit, data=replace(audit.data, notes=(*audit.data.notes, note)))

    assert "Columns left out by default: 'city' (60 levels)" in summary(audit)
    assert "without 'city' (60 levels).** " in summary(audit)


@pytest.mark.parametrize("audits", [1, 2, 3, 6])
def test_the_summary_stays_within_sixty_lines_and_leads_with_every_verdict(audits):
    text = summary(*[samples.fairface()] * audits)

    assert len(text.splitlines()) <= 60
    assert ("10 of 16 questions." in text) is (audits == 1)
    assert text.index("\n\n", 60) > text.rindex("planned questions.**")


def test_a_name_cannot_become_markup():
    hostile = samples.mapped(
        samples.results(samples.emoji()), lambda text: "[x](https://e.example)|<b>@you`*_# \n- y $z$ www.e.example" + text
    )
    text = summary_markdown(hostile)
    table = [line for line in text.splitlines() if line.startswith("| ")]

    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}
    assert not re.search(r"(?<!\\)\[x|<b>|@you|https://|www\.|(?<!\\)\$z", text)
    assert len(text.splitlines()) <= 60


@pytest.mark.slow
def test_a_limited_run_says_so():
    assert "**LIMITED RUN. Inconclusive" in summary(samples.fairface(limited=True))
    assert "LIMITED RUN" not in summary(samples.fairface())


def test_nothing_is_called_fair_or_passed():
    assert not re.search(r"\bfair\b|\bpass(ed)?\b", summary(samples.fairface(), samples.emoji()), re.IGNORECASE)


def test_signals_stand_in_the_summary_as_not_planned():
    text = summary(samples.fairface())

    assert "\n\nNot planned: " in text
    assert 1 <= len(re.findall(r"^- .*\. The (?:gap|widest gap|difference) is ", text, re.MULTILINE)) <= 3
