"""What the person who ran an audit chose is said on the first screen, in the summary, in the model card and on the terminal."""

import hashlib

import numpy as np
import pandas as pd
import pytest

import audit
from audit.results import to_json
from reports.exports.markdown import summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from tests.support.page_text import text_of

N = 400
ROWS = pd.DataFrame(
    {
        "id": [f"i{row}" for row in range(N)],
        "gender": np.array(["f", "m"])[np.arange(N) % 2],
        "race": np.array(list("ABCD"))[np.arange(N) // 100],
        "age": [str(20 + row % 40) for row in range(N)],
        "y_true": np.array(["no", "yes"])[np.arange(N) // 2 % 2],
        "y_pred": ["no", "yes", "yes", "no"] * 100,
    }
)
WHO = "Chosen by the person who ran this audit"


def everywhere(**options):
    """Return the first screen, the summary, the model card and what the terminal prints, each as one line."""
    done = audit.audit(predictions=ROWS, draws=199, **options)
    page = text_of(done.to_html())
    texts = [page, summary_markdown(done.results), next(iter(model_cards(done.results).values())), audit_lines(done.results)]
    return done, [" ".join(text.replace("\\", "").split()) for text in texts]


def test_columns_that_a_choice_of_attributes_leaves_out_are_named():
    """The rule takes gender and race; age is a column of numbers, which it never takes."""
    done, texts = everywhere(attributes="gender")
    assert all("not compared: race (column of the file)" in text for text in texts), texts
    assert all(f"{WHO}: the attribute gender." in text for text in texts)
    assert all("differences by race: columns of the file that were not compared" in text for text in texts[:3])
    assert done.results.audits[0].probe.not_tested[0].startswith("differences by race")


@pytest.mark.slow
def test_an_audit_by_the_rule_chose_nothing():
    for options in ({}, {"attributes": ["gender", "race"]}):
        _, texts = everywhere(**options)
        assert not any("not compared:" in text or WHO in text for text in texts)
        assert not any("set before the run" in text for text in texts)


@pytest.mark.slow_except("options8-intersections of up to 1 attribute (default 2)")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(tolerance=0.25), "a tolerance of 25 points (default 5)"),
        (dict(alpha=0.01), "intervals at 99 % (default 95 %)"),
        (dict(ratio_tolerance=2.0), "a tolerance in ratio of 2 (default 1.25)"),
        # Of each race 100 images, 50 of either truth: with 60 the two error rates by race are not judged.
        (
            dict(min_group_size=60),
            "a minimum group size of 60 images (default 30; because of it, some questions do not judge A (n = 50)",
        ),
        (dict(bins=["age=30,45"]), "groups of age: under 30, 30 to under 45, 45 and over"),
        (dict(outcome=["good=yes"]), "the outcome good = yes"),
        (dict(cluster="age"), "the clusters in age (default: every image is a sampling unit)"),
        (dict(weights="age"), "the weights in age (default: every image counts once)"),
        (dict(depth=1), "intersections of up to 1 attribute (default 2)"),
    ],
)
def test_every_choice_that_differs_from_its_default_is_said(options, said):
    _, texts = everywhere(**options)
    assert all(f"{WHO}: {said}" in text for text in texts), texts


@pytest.mark.slow
def test_a_list_of_excluded_images_is_hashed_and_counted_by_group(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("".join(f"i{row}\n" for row in (0, 2, 4, 101, 399)))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    done, texts = everywhere(exclude=path)
    said = f"5 images left out by bad.txt (sha256 {sha256[:12]}), by gender (f 3, m 2), by race (A 3, B 1, D 1)."
    assert all(f"{WHO}: {said}" in text for text in texts), texts
    assert f'"sha256": "{sha256}"' in to_json(done.results)


@pytest.mark.slow
def test_who_set_a_tolerance_stands_with_it():
    """There is no lock of a plan, so nothing can show that a tolerance was set before the run."""
    chosen, by_default = (everywhere(**options)[1][0] for options in ({"tolerance": 0.25}, {}))
    assert "Tolerance (chosen by the person who ran this audit) 25 points" in chosen
    assert "Tolerance (default) 5 points" in by_default
