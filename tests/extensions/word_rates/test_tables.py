"""Texts that somebody recorded: read from columns, audited by group without a model, and as our own audit counts them."""

import csv

import numpy as np
import pandas as pd
import pytest

import audit
from audit.errors import DataError, UsageError
from tests.support.command import command
from tests.support.writers import PLAN, Stereotyper, pictures, word_probe


def table(planted=True):
    """Return 80 rows: 45 women and 35 men; 40 of the women are "gentle" and 2 men, or every second row is; one has no text."""
    rows = []
    for place in range(80):
        woman = place < 45
        gentle = (place < 40 or place >= 78) if planted else place % 2 == 0
        text = f'A {"gentle" if gentle else "busy"} person,\nseen in "light" {"late" if place % 3 else "early"}.'
        rows.append((f"i{place}", "Female" if woman else "Male", "" if place == 44 else text, f"note {place % 4}"))
    return pd.DataFrame(rows, columns=["id", "gender", "caption", "remark"])


def signals(result):
    return {
        (rate.kind, rate.word, rate.group) for rates in result.analyses["word_rates"] for rate in rates.rates if rate.verdict == "signal"
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")

    def run(name, rows):
        rows.to_csv(folder / f"{name}.csv", index=False)
        how = ("--texts", "caption", "--attributes", "gender", "--out", folder / name)
        return command("--predictions", folder / f"{name}.csv", *how), folder / name

    return {"planted": run("planted", table()), "nothing": run("nothing", table(planted=False))}


@pytest.mark.slow
def test_a_planted_word_is_found_by_command_without_a_model(ran):
    """40 of 45 women and 2 of 35 men: 89 % and 6 %."""
    done, folder = ran["planted"]
    assert done.returncode == 0, done.stderr
    (result,) = audit.load(folder).results.audits
    assert signals(result) == {("word", "busy", "Male"), ("word", "gentle", "Female")}
    (rates,) = result.analyses["word_rates"]
    gentle = next(rate for rate in rates.rates if rate.word == "gentle")
    assert (rates.prompt, rates.attribute, rates.sizes) == ("caption", "gender", (45, 35))
    assert (gentle.means, gentle.chance.mean) == ((40 / 45, 2 / 35), 42 / 80)
    assert next(rate for rate in rates.rates if rate.kind == "empty").means == (1 / 45, 0)
    assert (result.data.used, result.measurements, result.findings, result.verdict) == (80, (), (), "inconclusive")
    assert "use ‘busy’" in " ".join(done.stdout.split())
    page = (folder / "report.html").read_text()
    assert "Which words are used about whom</h3>" in page
    assert "The file holds texts about every image" in page
    assert "The model wrote" not in page
    with (folder / "tables" / "word_rates.csv").open() as file:
        assert "gentle" in {row["word"] for row in csv.DictReader(file)}


def test_nothing_is_found_where_nothing_is(ran):
    done, folder = ran["nothing"]
    assert done.returncode == 0, done.stderr
    assert signals(audit.load(folder).results.audits[0]) == set()
    assert "it is undecided whether texts about groups differ" in (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return our own audit of a writer, its probe, and its texts.csv."""
    dataset, folder = pictures(), tmp_path_factory.mktemp("own")
    probe = word_probe(dataset)
    made = audit.audit(Stereotyper(), probe, data=dataset, no_cache=True, draws=99, seed=1, out=folder / "out")
    return made.results.audits[0], probe, folder / "out" / "texts.csv"


def test_our_own_texts_give_the_same_numbers_with_the_probe_and_without(written):
    own, probe, path = written
    with_probe = audit.audit(predictions=path, probe=probe, draws=99, seed=1).results.audits[0]
    assert with_probe.model.name == own.model.name == "writer"
    assert with_probe.analyses["word_rates"] == own.analyses["word_rates"]
    without = audit.audit(predictions=path, draws=99, seed=1).results.audits[0]
    assert without.analyses["word_rates"] == own.analyses["word_rates"]
    assert (with_probe.probe.name, without.probe.name) == ("words", "texts")


class Formulas(Stereotyper):
    """Writes every text as a formula."""

    def _neutral(self, image, prompt):
        return f"=1+1 {super()._neutral(image, prompt)}"


@pytest.mark.slow
def test_a_text_that_a_spreadsheet_would_run_has_an_apostrophe_in_front_and_gives_the_same_numbers(tmp_path):
    dataset = pictures()
    made = audit.audit(Formulas(), word_probe(dataset), data=dataset, no_cache=True, draws=99, seed=1, out=tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "texts.csv", dtype=str, keep_default_na=False)
    assert {text[:3] for name in rows if name.startswith("text:") for text in rows[name]} == {"'=1"}
    again = audit.audit(predictions=tmp_path / "out" / "texts.csv", draws=99, seed=1)
    assert again.results.audits[0].analyses["word_rates"] == made.results.audits[0].analyses["word_rates"]


def test_texts_of_two_models_are_audited_apart_and_order_changes_nothing(written):
    own, _, path = written
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    both = pd.concat([rows.sample(frac=1, random_state=2), rows.assign(model="other")]).reset_index(drop=True)
    first, second = audit.audit(predictions=both, draws=99, seed=1).results.audits
    assert {first.model.name, second.model.name} == {"writer", "other"}
    assert first.analyses["word_rates"] == second.analyses["word_rates"] == own.analyses["word_rates"]


def test_excluded_rows_and_rows_of_weight_0_take_their_texts_with_them():
    listed = tuple(f"i{place}" for place in range(40, 45))
    left = audit.audit(predictions=table(), texts="caption", attributes="gender", exclude=listed, draws=99).results.audits[0]
    kept = audit.audit(predictions=table().query("id not in @listed"), texts="caption", attributes="gender", draws=99).results.audits[0]
    assert (left.analyses["word_rates"], left.analyses["word_rates"][0].sizes) == (kept.analyses["word_rates"], (40, 35))
    weighted = table().assign(w=np.arange(80) % 2)
    (rates,) = (
        audit.audit(predictions=weighted, texts="caption", attributes="gender", weights="w", draws=99)
        .results.audits[0]
        .analyses["word_rates"]
    )
    assert (rates.rates, rates.reason.code) == ((), "gallery_of_units")


def test_a_check_says_how_many_texts_there_are(written):
    done = command("--predictions", written[2], "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "153 rows with 2 texts (caption, resume)" in done.stdout


def test_what_cannot_be_read_or_says_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no column 'captoin'"):
        audit.audit(predictions=table(), texts="captoin")
    with pytest.raises(UsageError, match="--texts cannot be used with --outcome"):
        audit.audit(predictions=table(), texts="caption", outcome="x=y")
    with pytest.raises(UsageError, match="--texts cannot be used with answers"):
        audit.audit(predictions=table().assign(y_pred="a"), texts="caption")
    with pytest.raises(UsageError, match="holds texts: --outcome"):
        audit.audit(predictions=table().rename(columns={"caption": "text:caption"}), outcome="x=y")
    with pytest.raises(DataError, match="no row has a text in the column 'caption'"):
        audit.audit(predictions=table().assign(caption=" "), texts="caption")
    with pytest.raises(DataError, match="holds int64, which is not text"):
        audit.audit(predictions=table().assign(caption=1), texts="caption")
    with pytest.raises(DataError, match="two columns of texts have one name"):
        audit.audit(predictions=table().assign(**{"text:caption": "a"}), texts="caption,text:caption")
    with pytest.raises(UsageError, match="has no texts that the probe 'fairface' reads"):
        audit.audit(predictions=table(), texts="caption", probe="fairface")
    with pytest.raises(UsageError, match="name the columns text:caption, text:resume, and of gender, race"):
        audit.audit(predictions=table().drop(columns="gender"), texts="remark", probe=word_probe(pictures(), PLAN), attributes="caption")
