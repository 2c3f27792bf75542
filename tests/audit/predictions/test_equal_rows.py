"""Rows without identifiers that repeat are counted, and the group that they favour is named on the first screen."""

import numpy as np
import pandas as pd
import pytest

import audit
from reports.exports.card import card
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from tests.support.page_text import text_of

N = 300
C = np.arange(N) % 3 == 2
RIGHT = np.arange(N) % 100 < np.where(C, 77, 93)
ROWS = pd.DataFrame({
    "race": np.array(list("ABC"))[np.arange(N) % 3], "y_true": np.array(["no", "yes"])[np.arange(N) // 3 % 2],
    "score": np.arange(N) / N + 0.001,
})  # fmt: skip
ROWS["y_pred"] = np.where(RIGHT, ROWS.y_true, ROWS.y_true.map({"yes": "no", "no": "yes"}))
COPIED = pd.concat([ROWS, *[ROWS[C & RIGHT]] * 4], ignore_index=True)
CANNOT = "copies of a row cannot be told from other images with the same answers."


def screens(rows, **options):
    done = audit.audit(predictions=rows, draws=99, **options)
    texts = text_of(done.to_html()), summary_markdown(done.results), audit_lines(done.results), text_of(card(done.results))
    return [" ".join(text.replace("\\", "").replace("\xa0", " ").split()) for text in texts]


def test_right_answers_of_a_group_five_times_are_on_the_first_screen():
    extra = 4 * int((C & RIGHT).sum())
    said = f"{extra} of the {extra + 100} rows with race C are equal to an earlier row in every column ({extra} of {N + extra} rows in all)"
    assert all(said in text and CANNOT in text for text in screens(COPIED)), screens(COPIED)
    assert not any(CANNOT in text for text in screens(ROWS))


def test_rows_that_repeat_in_every_group_alike_are_counted_beside_the_verdict():
    page, summary, lines, _ = screens(ROWS.drop(columns="score"))
    said = f"288 of {N} rows are equal to an earlier row in every column. Without a column of identifiers, {CANNOT}"
    assert all(said in text for text in (page, summary, lines)), lines


@pytest.mark.parametrize("extra", ["id", "list"])
def test_rows_that_an_identifier_or_any_column_tells_apart_do_not_repeat(extra, tmp_path):
    column = [f"i{row}" for row in range(len(COPIED))] if extra == "id" else [[row] for row in range(len(COPIED))]
    COPIED.assign(**{extra: column}).to_parquet(tmp_path / "rows.parquet")
    assert not any(CANNOT in text for text in screens(tmp_path / "rows.parquet"))


def test_an_audit_of_the_answers_of_an_audit_counts_them_too(tmp_path):
    audit.audit(predictions=COPIED, draws=99, out=tmp_path / "out")
    page, summary, lines, _ = screens(tmp_path / "out" / "predictions.parquet")
    assert all("are equal to an earlier row in every column" in text for text in (page, summary, lines))
