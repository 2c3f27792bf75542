"""The section of text associations: its sentence and its row."""

from dataclasses import replace

from audit.analyses.records import ChanceBand
from audit.extensions.text_association.record import TextAssociation
from reports.render import render
from reports.text.analyses import lines
from tests.support import report_samples as samples
from tests.support.page_text import text_of

CHANCE = ChanceBand(0.0, -0.7, 0.7)
FOUND = TextAssociation(
    "What are flowers near to?", ("flowers <i>", "insects"), ("pleasant", "unpleasant"), (8, 8), 1.2, CHANCE, CHANCE, 0.001, True, 0.004,
    0.004, 0.004, "signal", 999, 0.5,
)  # fmt: skip


def records():
    """Return analyses that fill every part of the section."""
    return (FOUND,)


def words(*associations):
    results = samples.results(samples.emoji().with_analyses({"text_associations": associations}))
    return " ".join(text_of(render(results)).replace("\u00a0", " ").split())


def test_a_set_is_said_with_the_words_that_it_is_nearer_to_and_has_a_row():
    page = words(FOUND)
    assert "1 of 1 text association (false discovery rate 5 %) is beyond chance." in page
    assert (
        "‘flowers <i>’ (8 texts) is closer to ‘pleasant’ than to ‘unpleasant’, compared with ‘insects’: d = 1.2; in 19 of 20 random sets "
        "of neutral texts −0.7 to 0.7 (adjusted p = .0040)." in page
    )
    assert "flowers <i> / insects pleasant / unpleasant 1.2 −0.7 to 0.7 0.5 .0010 .0040 .0040" in page


def test_where_nothing_is_beyond_chance_it_is_undecided():
    page = words(replace(FOUND, effect_size=-0.1, verdict="no signal", p_adjusted=0.6))
    assert "None of 1 text association (false discovery rate 5 %) is beyond chance: it is undecided whether the sets differ." in page
    assert "Each alone would show a d of 0.5 with a power of 80 %." in page


def test_terminal_and_summary_say_the_result_of_a_probe_that_asks_nothing_else():
    """A probe of texts ended with a terminal that did not say what it found."""
    results = samples.results(samples.emoji())
    quiet = replace(FOUND, effect_size=-0.1, verdict="no signal", p_adjusted=0.6)
    alone = replace(samples.emoji(), findings=()).with_analyses({"text_associations": (quiet,)})
    assert lines(alone, results.settings)[-1].startswith("None of 1 text association (false discovery rate 5\u00a0%) is beyond chance")
    assert lines(samples.emoji().with_analyses({"text_associations": (quiet,)}), results.settings) == lines(
        samples.emoji(), results.settings
    )
    assert lines(alone.with_analyses({"text_associations": (FOUND,)}), results.settings)[-1].startswith(
        "Not planned: 1 of 1 text association"
    )
