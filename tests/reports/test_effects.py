"""The section about scores and trends, the first screen that one of them leads, and the lines of terminal and summary."""

from dataclasses import replace

from audit.records.base import Estimate
from audit.records.effect import Effect, EffectLevel, EffectResult, ThresholdRates
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.text.headline import headline_of
from tests.support import report_samples as samples
from tests.support.page_text import text_of

LEVELS = (EffectLevel("women <i>", 200, 0.0083, "ok"), EffectLevel("men", 200, 0.004, "ok"), EffectLevel("unknown", 3, 0.1, "unknown"))
SCORES = EffectResult(
    "gender/superiority[unsafe]/gender", "superiority", "gender", "unsafe", None, "gender", True, 0.05, LEVELS, 1,
    (Effect("women <i>", "men", 0.62, 0.56, 0.68, 1e-6, 0.03, 0.17),), 1e-6, 4e-6, 0.09, "disparity", True,
    thresholds=(ThresholdRates(0.01, 0.1, (Estimate(0.15, 0.1, 0.2), Estimate(0.05, 0.02, 0.09), None)),),
)  # fmt: skip
TREND = EffectResult(
    "gender/trend of accuracy/age", "trend", "gender", None, "accuracy", "age", True, 0.05,
    tuple(EffectLevel(name, 90, value, "ok") for name, value in (("0-2", 0.9), ("3-9", 0.92), ("10-19", 0.97))), 2,
    (Effect("0-2", "10-19", -0.035, -0.06, -0.01, 0.017, 0.012, 0.11),), 0.017, 0.034, 0.1, "disparity", False, clusters=True,
)  # fmt: skip
PAIRS = replace(
    SCORES, id="gender/superiority[unsafe]/race", attribute="race", primary=False, verdict="signal", exceeds_tolerance=False,
    effects=(SCORES.effects[0], Effect("women <i>", "others", 0.55, 0.48, 0.62, 0.2, 0.04, 0.12)), thresholds=(), within_truth=True,
)  # fmt: skip
SMALL = replace(SCORES, id="gender/superiority[x]/gender", outcome="x", effects=(), p=None, p_adjusted=None, minimum_detectable=None,
                verdict="not estimable", exceeds_tolerance=False, reason="groups", thresholds=())  # fmt: skip


def records():
    """Return analyses that fill every part of the section."""
    return SCORES, TREND, PAIRS, SMALL


def audited(*effects, **changes):
    return replace(samples.emoji(), effects=effects, **changes)


def page(audit):
    return " ".join(text_of(render(samples.results(audit))).replace("\u00a0", " ").split())


def test_the_section_has_every_number():
    text = page(audited(*records()))
    assert "Of 3 planned questions: 2 disparity, 1 not estimable." in text
    assert "For ‘unsafe’, an image of women <i> scores higher than one of men in 62 % of pairs (95 % interval 56 to 68;" in text
    assert "Scores of ‘x’ by gender (gender): not estimable, because fewer than two groups have enough images" in text
    assert "above 0.01 10.0 % 15 % [10, 20] 5.0 % [2.0, 9.0]" in text
    assert "women <i> 200 0.83 compared" in text


def test_a_falling_trend_is_said_as_a_fall():
    text = page(audited(TREND))
    assert "Gender accuracy" not in text.split("Scores and trends")[1].split("Scores:")[0]
    assert "Accuracy falls by 3.5 points from one level of age to the next (95 % interval 1.0 to 6.0), from 0" in text


def test_the_first_screen_is_led_by_a_score_where_no_rate_is_a_disparity():
    """The verdict said "disparity" and the headline named a rate that was none."""
    quiet = tuple(replace(one, verdict="inconclusive") if one.primary else one for one in samples.emoji().findings)
    audit = audited(SCORES, TREND, findings=quiet, verdict="disparity")
    headline = headline_of(audit, samples.results(audit).settings)
    assert headline.sentence.startswith("For ‘unsafe’, an image of women <i> scores higher than one of men")
    assert headline.finding is None
    assert headline.lines[0].sentence.startswith("Accuracy falls by 3.5")
    assert f"2 of {len([one for one in quiet if one.primary]) + 2} planned questions" in headline.verdict_line


def test_terminal_and_summary_have_a_line_per_planned_question():
    results = samples.results(audited(*records()))
    for text in (audit_lines(results), summary_markdown(results)):
        plain = " ".join(text.replace("\\", "").replace("&lt;", "<").split())
        assert "Scores of ‘unsafe’ by gender (gender): women <i> above men in 62 % [56, 68] of pairs, adjusted p < .001" in plain
        assert "Trend of accuracy along age (gender): −3.5 [−6.0, −1.0] points from one level to the next, 0-2 to 10-19" in plain
        assert "Not planned: 1 of 1 question about scores and trends is beyond chance." in plain


def test_no_effects_no_section():
    assert "Scores and trends" not in page(samples.emoji())
