"""The bias profile: its numbers are those of results.json, what people do not state is "not stated", and it claims nothing about laws."""

import csv
import io
import re
from dataclasses import replace

import pytest

from audit.errors import DataError, UsageError
from audit.extensions.formats.profile import check_compared, profile_csv, profile_problems
from audit.extensions.formats.profile_page import profile_page
from audit.extensions.formats.statements import NOT_STATED, Statements, read_statements
from tests.support import comparison_samples

SHA256 = "5" * 64
CLAIMS = re.compile(r"conform|complian|complies|comply|certif|lawful|legally|meets the requirement|satisfies", re.IGNORECASE)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def number(cell):
    return None if cell == "" else float(cell)


@pytest.fixture(scope="module")
def rows(everything):
    return rows_of(profile_csv(everything, Statements()))


def test_every_number_is_that_of_the_results(everything, rows):
    """One row per question and group, in their order; every cell against the record, not against another table."""
    at = iter(rows)
    for audit in everything.audits:
        for finding in audit.findings:
            contrasts = {contrast.first: contrast for contrast in finding.contrasts}
            for rate in finding.by_group:
                row, gap, other = next(at), finding.gap, contrasts.get(rate.group)
                assert (row["model"], row["question"], row["group"]) == (audit.model.name, finding.id, " x ".join(rate.group))
                assert (int(row["n"]), int(row["events"]), row["status"]) == (rate.n, rate.events, rate.status)
                assert [number(row[name]) for name in ("rate", "low", "high", "clusters")] == [
                    rate.value,
                    rate.low,
                    rate.high,
                    rate.clusters,
                ]
                against = [other.difference, other.low_adjusted, other.high_adjusted] if other else [None] * 3
                assert [number(row[name]) for name in ("difference", "difference_low", "difference_high")] == against
                of_gap = ("largest_gap", "ratio", "p", "p_adjusted", "minimum_detectable")
                mine = [gap.value, gap.ratio, gap.p, gap.p_adjusted, gap.minimum_detectable] if gap else [None] * 5
                assert [number(row[name]) for name in of_gap] == mine
                leading = gap.leading if gap else None
                ends = [leading.difference, leading.low, leading.high] if leading else [None] * 3
                assert [number(row[name]) for name in ("gap", "gap_low", "gap_high")] == ends
                assert (number(row["tolerance"]), number(row["ratio_tolerance"])) == (finding.tolerance, finding.ratio_tolerance)
                assert (row["verdict"], row["planned"]) == (finding.verdict, "planned" if finding.primary else "exploratory")
                assert number(row["level"]) == 1 - everything.settings.alpha
                assert (row["fingerprint"], row["data"]) == (audit.data.fingerprint, audit.data.name)
    assert next(at, None) is None


def test_p_is_adjusted_for_the_questions_that_were_tested(everything, rows):
    for audit in everything.audits:
        tested = [finding for finding in audit.findings if finding.gap]
        planned = sum(finding.primary for finding in tested)
        said = {row["adjusted_for"] for row in rows if row["planned"] == "planned" and row["probe"] == audit.probe.name and row["p"]}
        if audit.suite is None and said:
            assert f"{planned} planned question{'s' * (planned != 1)} (Holm)" in said


def test_what_nobody_states_is_not_stated(rows):
    stated = [name for name in rows[0] if "stated_" in name]
    assert len(stated) == 7
    assert {row[name] for row in rows for name in stated} == {NOT_STATED}


def test_statements_about_a_group_a_question_and_everything(everything, tmp_path):
    finding = next(finding for finding in everything.audits[0].findings if len(finding.by_group) > 1)
    first, second = (" x ".join(rate.group) for rate in finding.by_group[:2])
    path = tmp_path / "profile.toml"
    path.write_text(f"""
[default]
owner = "A. Example"
review_date = 2027-01-31
[questions.'{finding.id}']
hazard = "=HYPERLINK(1)"
[questions.'{finding.id}'.groups.'{first}']
hazard = "<b>arrest</b>"
owner = "B. Example"
""")
    statements = read_statements(path, everything)
    rows = [row for row in rows_of(profile_csv(everything, statements)) if row["question"] == finding.id]
    by_group = {row["group"]: row for row in rows}
    assert (by_group[first]["stated_hazard"], by_group[first]["stated_owner"]) == ("<b>arrest</b>", "B. Example")
    assert (by_group[second]["stated_hazard"], by_group[second]["stated_owner"]) == ("'=HYPERLINK(1)", "A. Example")
    assert {row["stated_review_date"] for row in rows} == {"2027-01-31"}
    assert {row["stated_mitigation"] for row in rows} == {NOT_STATED}
    page = profile_page(everything, SHA256, statements)
    assert "<b>arrest" not in page
    assert "&lt;b&gt;arrest" in page
    assert "B. Example" in page


@pytest.mark.parametrize("name", ["=1+1", "-x", "a\nb\t c", "\u202emoc.live", "🙂é×", "'quoted'", '<script>&"', " lead"])
def test_the_second_program_reads_hostile_names_as_this_one_writes_them(everything, name):
    audit = everything.audits[0]
    finding = audit.findings[0]
    group = replace(finding.by_group[0], group=(name,))
    hostile = replace(finding, by_group=(group, *finding.by_group[1:]), contrasts=())
    results = replace(everything, audits=(replace(audit, model=replace(audit.model, name=name), findings=(hostile,)),))
    text = profile_csv(results, Statements())
    assert list(profile_problems(text.encode(), results)) == []
    assert list(profile_problems(text.replace(str(group.n), str(group.n + 1), 1).encode(), results))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hazard = 'x'", "no setting 'hazard'"),
        ("[default]\nhazzard = 'x'", "hazzard"),
        ("[default]\nowner = 3", "owner"),
        ("[default]\nowner = '" + "x" * 2001 + "'", "more than 2,000 characters"),
        ("[questions.'role/accuracy/gendr']\nowner = 'x'", "no question 'role/accuracy/gendr'"),
        ("[questions.'role/accuracy/gender'.groups.men]\nowner = 'x'", "no group 'men'"),
        ("a = = b", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_statements_about_nothing_are_refused(everything, tmp_path, text, what):
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises((DataError, UsageError), match=re.escape(what)):
        read_statements(path, everything)


def test_statements_of_1_mib_are_read_and_of_a_byte_more_refused(everything, tmp_path):
    path = tmp_path / "profile.toml"
    text = b"[default]\nowner = 'A. Example'\n#"
    path.write_bytes(text.ljust(2**20, b"x"))
    assert read_statements(path, everything).default.owner == "A. Example"
    path.write_bytes(text.ljust(2**20 + 1, b"x"))
    with pytest.raises(DataError, match="1,048,576 is the most that is read"):
        read_statements(path, everything)


def test_a_change_is_that_of_the_comparison():
    """The changed model's questions have their change; the first model has none."""
    facts = comparison_samples.skewed_and_plain()
    results = comparison_samples.two_models()
    after = facts.comparisons[0]
    model = next(side.model for side in facts.sides if side.name == after.after)
    audit = replace(results.audits[0], model=model, probe=replace(results.audits[0].probe, name=after.probe))
    known = {change.id: change for change in after.changes}
    audit = replace(audit, findings=tuple(finding for finding in audit.findings if finding.id in known) or audit.findings)
    changed = replace(results, audits=(audit,))
    if any(finding.id in known for finding in audit.findings):
        rows = rows_of(profile_csv(changed, Statements(), facts))
        for row in rows:
            gap = known[row["question"]].gap
            assert number(row["change"]) == (gap.difference if gap else None)
            assert row["compared_with"] == after.before
    other = replace(results, audits=(replace(audit, probe=replace(audit.probe, name="another")),))
    with pytest.raises(DataError, match="no change to the audited model"):
        check_compared(other, facts)


def test_no_profile_says_that_anything_conforms(everything):
    """Neither in words of ours nor in a heading; the words of probes and data are theirs."""
    bare = replace(
        everything,
        audits=tuple(replace(audit, probe=replace(audit.probe, limits=(), not_tested=(), licence="")) for audit in everything.audits),
    )
    for text in (
        profile_csv(bare, Statements()),
        re.sub(r"<style>.*?</style>", "", profile_page(bare, SHA256, Statements()), flags=re.DOTALL),
    ):
        assert CLAIMS.search(text) is None
        assert "pre-specified" not in text


def test_the_page_shows_every_planned_question_and_group_and_asks_for_nothing(everything):
    page = profile_page(everything, SHA256, Statements())
    assert SHA256 in page
    assert page.count("<script") == 1  # opens the appendix to print it
    assert "http" not in re.sub(r'xmlns="[^"]*"|http-equiv', "", re.sub(r"<dd>.*?</dd>|<li>.*?</li>", "", page, flags=re.DOTALL))
    for audit in everything.audits:
        for finding in (finding for finding in audit.findings if finding.primary):
            assert f"{finding.id} (planned)" in page
    assert page.count("Hazard *") >= sum(len(audit.findings) for audit in everything.audits)
