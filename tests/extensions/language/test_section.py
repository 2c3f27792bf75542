"""The section of a language: whether it is understood, by what, and what is not answered."""

from dataclasses import replace

from audit.extensions.language.record import ImageContrast, LanguageCheck, TextContrast
from reports.render import render
from reports.text.analyses import lines, withheld
from tests.support import report_samples as samples
from tests.support.page_text import text_of

PAIRS = tuple(
    TextContrast(f"a {name} / a {other}", (first, second), (f"a {name}", f"a {other}"), people, right)
    for name, other, first, second, people, right in (
        ("man", "woman", "رجل", "امرأة", True, True), ("doctor", "dog", "طبيب", "كلب", False, True),
        ("bird", "key <i>", "طائر", "مفتاح", False, False),
    )
)  # fmt: skip
PICTURED = ImageContrast("a woman / a man", ("صورة امرأة", "صورة رجل"), ("a photo of a woman", "a photo of a man"), "gender", 200, 0.875,
                         0.83, 0.95, True)  # fmt: skip
CHECK = LanguageCheck("Does the model understand Arabic?", "ar", "Arabic", False, 0.8, PAIRS, (PICTURED,), ("Which occupation?",))


def records():
    """Return analyses that fill every part of the section."""
    return (CHECK,)


def words(check):
    results = samples.results(samples.emoji().with_analyses({"language_checks": (check,)}))
    page = render(results)
    return page, " ".join(text_of(page).replace("\u00a0", " ").split())


def test_a_language_that_is_not_understood_is_said_with_its_pairs_and_what_is_not_answered():
    page, text = words(CHECK)
    assert (
        "Arabic: not understood. 2 of 3 pairs of words are right, 1 of the 1 about people (80 % of each are needed). "
        "No difference in Arabic is reported." in text
    )
    assert "a woman / a man 200 87.5 % 83.0 % 95.0 % passed" in text
    assert "Not answered: Which occupation?" in text
    assert '<bdi lang="ar">\u2068طبيب\u2069</bdi>' in page
    assert "a bird / a key <i>" in text
    assert withheld(samples.emoji().with_analyses({"language_checks": (CHECK,)})) == "Arabic: not understood. No difference is reported."


def test_images_that_fail_are_named():
    _, text = words(replace(CHECK, images=(replace(PICTURED, passed=False),)))
    assert "On images, it fails to distinguish a woman / a man. No difference in Arabic is reported." in text


def test_a_language_that_is_understood_is_said_in_one_line_and_nothing_is_withheld():
    check = replace(CHECK, understood=True, images=(), withheld=())
    _, text = words(check)
    assert "Arabic: understood. 2 of 3 pairs" in text
    assert "Not answered" not in text
    assert "On images whose right answer" not in text
    audit = samples.emoji().with_analyses({"language_checks": (check,)})
    assert withheld(audit) == ""
    assert any(line.startswith("Arabic: understood.") for line in lines(audit, samples.results(audit).settings))
