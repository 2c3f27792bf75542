"""What may stand together on a page: a rule book over results.json, comparison.json, and what page, terminal and summary say of them.

A rule takes a case, which is one run with everything that it left, and yields a sentence for each contradiction. `RULES` holds the rules of
an audit, `CHANGE_RULES` those of a comparison. A rule reads facts from JSON and sentences from text, never from our own records and
functions: what it checks cannot make it pass.
"""

import html
import itertools
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from tests.support.page_text import text_of

EPSILON = 1e-9
NUMBER = r"[−-]?\d[\d,]*(?:\.\d+)?"
ONE_PAIR = re.compile(
    rf"(?P<first>{NUMBER}) %(?: \([^)]*\))?, against (?P<second>{NUMBER}) %(?: \([^)]*\))? for [^.]*?\. "
    rf"The (?:widest )?(?:gap|difference)(?: within clusters)? is (?P<size>less than )?(?P<gap>{NUMBER}) points?"
)
UNKNOWN = "unknown"
"""How results.json writes a true answer that is not known."""


@dataclass(frozen=True)
class Case:
    """One run: what it found, what it said, how it ended, and what was put in."""

    results: Mapping
    """results.json."""
    page: str = ""
    """report.html."""
    terminal: str = ""
    summary: str = ""
    card: str = ""
    junit: str = ""
    exit_code: int = 0
    allows_undecided: bool = False
    requires_conclusive: bool = False
    columns: tuple[str, ...] = ()
    """Columns of the table that could have been attributes."""
    attributes: tuple[str, ...] = ()
    """Columns that were compared."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Options that differ from their default: name -> what a reader must see of the value."""

    @property
    def settings(self) -> Mapping:
        return self.results["settings"]

    @property
    def texts(self) -> dict[str, str]:
        """Everything that is read, by where it stands."""
        said = {
            "page": plain(text_of(self.page)),
            "terminal": plain(self.terminal),
            "summary": plain(html.unescape(self.summary)),
            "card": plain(self.card),
        }
        return {where: text for where, text in said.items() if text}


@dataclass(frozen=True)
class ChangeCase:
    """A comparison with what it said."""

    facts: Mapping
    page: str = ""
    terminal: str = ""
    same_answers: bool = False
    of_tables: bool = True
    """Whether no model was loaded: a file of answers has no weights."""


Rule = Callable[[Case], Iterator[str]]
RULES: dict[str, Rule] = {}
CHANGE_RULES: dict[str, Callable[[ChangeCase], Iterator[str]]] = {}


def rule(check: Rule) -> Rule:
    RULES[check.__name__] = check
    return check


def change_rule(check: Callable[[ChangeCase], Iterator[str]]) -> Callable[[ChangeCase], Iterator[str]]:
    CHANGE_RULES[check.__name__] = check
    return check


def broken(case: Case | ChangeCase) -> list[str]:
    """Return every contradiction, as ``rule: what``."""
    rules = CHANGE_RULES if isinstance(case, ChangeCase) else RULES
    return [f"{name}: {what}" for name, check in rules.items() for what in check(case)]


# ---- reading -------------------------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Return a text with ordinary spaces, one at a time, and without the escapes of Markdown."""
    return " ".join(re.sub(r"\\([^\w\s])", r"\1", text.replace("\u00a0", " ").replace("\u202f", " ")).split())


def value_of(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def unit_of(text: str) -> float:
    """Return what one step of the last printed digit is worth."""
    return 10.0 ** -len(text.partition(".")[2])


def is_zero(text: str) -> bool:
    return value_of(text) == 0


@dataclass(frozen=True)
class FirstScreen:
    """What the page says of one audit before anything else."""

    verdict_line: str
    headline: str
    tiles: tuple[tuple[str, str], ...]
    """Number and what it is."""
    text: str


def first_screens(page: str) -> list[FirstScreen]:
    """Return the first screen of each audit of a page."""
    return [_first_screen(section) for section in re.findall(r'<section class="answer.*?</section>', page, re.DOTALL)]


def _first_screen(section: str) -> FirstScreen:
    def texts(pattern: str) -> list[str]:
        return [plain(text_of(found)) for found in re.findall(pattern, section, re.DOTALL)]

    tiles = zip(texts(r"<dd>(.*?)</dd>"), texts(r"<dt>(.*?)</dt>"), strict=True)
    line, headline = texts(r'<p class="verdict-line">(.*?)</p>'), texts(r'<h2[^>]*class="headline"[^>]*>(.*?)</h2>')
    return FirstScreen(line[0], headline[0], tuple(tiles), plain(text_of(section)))


def audits_of(case: Case) -> Iterator[tuple[Mapping, FirstScreen | None]]:
    screens = first_screens(case.page)
    assert not screens or len(screens) == len(case.results["audits"])
    yield from itertools.zip_longest(case.results["audits"], screens)


def findings_of(case: Case) -> Iterator[Mapping]:
    for audit in case.results["audits"]:
        yield from audit["findings"]


def planned(audit: Mapping) -> list[Mapping]:
    return [finding for finding in audit["findings"] if finding["primary"]]


def questions(audit: Mapping) -> list[Mapping]:
    """The planned questions: about rates, and about scores and trends."""
    return [*planned(audit), *(effect for effect in audit["effects"] if effect["primary"])]


def judged_rates(finding: Mapping) -> list[Mapping]:
    return [rate for rate in finding["by_group"] if rate["status"] == "ok"]


def columns_of(counted: Mapping) -> dict[str, np.ndarray]:
    """Return the cells of a count table with true answers: the attributes, `y_true` and `y_pred` of each."""
    axes = [*counted["levels"], counted["answers"], counted["answers"]]
    codes = np.unravel_index(counted["cells"], [len(axis) for axis in axes])
    names = [*counted["attributes"], "y_true", "y_pred"]
    return {name: np.array(axis)[code] for name, axis, code in zip(names, axes, codes, strict=True)}


# ---- facts among themselves ----------------------------------------------------------------------------------------------------------


@rule
def a_planned_question_ends_in_one_of_four_states(case: Case) -> Iterator[str]:
    allowed = {True: {"disparity", "equivalent", "inconclusive", "not estimable"}, False: {"signal", "no signal", "not estimable"}}
    for finding in findings_of(case):
        if finding["verdict"] not in allowed[finding["primary"]]:
            yield f"{finding['id']} (planned: {finding['primary']}) is {finding['verdict']!r}"


@rule
def an_audit_is_as_bad_as_its_worst_planned_question(case: Case) -> Iterator[str]:
    for audit in case.results["audits"]:
        verdicts = [question["verdict"] for question in questions(audit)] or ["not estimable"]
        expected = "disparity" if "disparity" in verdicts else verdicts[0] if len(set(verdicts)) == 1 else "inconclusive"
        if planned(audit) and audit["verdict"] != expected:
            yield f"the audit is {audit['verdict']!r}, its questions {Counter(verdicts)}"


@rule
def an_interval_holds_its_number(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        for rate in (*finding["by_group"], finding["overall"]):
            if (
                rate["value"] is not None
                and not -EPSILON <= rate["low"] <= rate["value"] + EPSILON <= rate["high"] + 2 * EPSILON <= 1 + 3 * EPSILON
            ):
                yield f"{finding['id']}, {rate['group']}: {rate['value']} outside [{rate['low']}, {rate['high']}]"
        for pair in (*finding["contrasts"], *finding["pairs"]):
            for low, high in ((pair["low"], pair["high"]), (pair["low_adjusted"], pair["high_adjusted"])):
                if not low - EPSILON <= pair["difference"] <= high + EPSILON:
                    yield f"{finding['id']}, {pair['first']} and {pair['second']}: {pair['difference']} outside [{low}, {high}]"


@rule
def events_are_no_more_than_images(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        for rate in finding["by_group"]:
            if not 0 <= rate["events"] <= rate["n"]:
                yield f"{finding['id']}, {rate['group']}: {rate['events']} events of {rate['n']}"


@rule
def a_disparity_passed_its_corrected_test(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        if finding["verdict"] in ("disparity", "signal") and finding["gap"]["p_adjusted"] > case.settings["alpha"] + EPSILON:
            yield f"{finding['id']} is a {finding['verdict']} with adjusted p {finding['gap']['p_adjusted']}"


@rule
def a_correction_never_makes_p_smaller(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        gap = finding["gap"]
        if gap and not 0 < gap["p"] <= gap["p_adjusted"] + EPSILON <= 1 + 2 * EPSILON:
            yield f"{finding['id']}: p {gap['p']}, adjusted {gap['p_adjusted']}"


@rule
def of_two_groups_a_disparity_leaves_out_0(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        if finding["verdict"] in ("disparity", "signal") and len(judged_rates(finding)) == 2 and finding["gap"]["low"] <= 0:
            yield f"{finding['id']}: a {finding['verdict']} of two groups with an interval from 0"


@rule
def a_pair_that_stands_out_is_led(case: Case) -> Iterator[str]:
    """A disparity leads with a pair beyond its chance whose simultaneous interval leaves out 0; a diffuse one with none."""
    for finding in findings_of(case):
        if finding["verdict"] != "disparity":
            continue
        gap, led = finding["gap"], finding["gap"]["leading"]
        if finding["diffuse"] != (led is None) or (gap["low"] <= 0 and led is not None):
            yield f"{finding['id']}: diffuse is {finding['diffuse']}, the gap's interval begins at {gap['low']}, led {led}"
        if led and (led["low"] <= 0 or led["difference"] <= led["chance"]):
            yield f"{finding['id']}: leads with {led}"


@rule
def equivalent_is_bounded(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        if finding["verdict"] != "equivalent":
            continue
        bound, ratio = finding["gap"]["equivalence_bound"], finding["gap"]["equivalence_ratio"]
        if bound is None or bound >= finding["tolerance"]:
            yield f"{finding['id']}: equivalent within {finding['tolerance']}, but the bound is {bound}"
        negligible = finding.get("negligible") or finding["gap"].get("negligible")
        if finding["ratio_tolerance"] is not None and not negligible and (ratio is None or ratio >= finding["ratio_tolerance"]):
            yield f"{finding['id']}: equivalent within a factor {finding['ratio_tolerance']}, but the bound is {ratio}"
        if any(pair["beyond_tolerance"] for pair in finding["pairs"]):
            yield f"{finding['id']}: equivalent, and a pair is beyond the tolerance"


@rule
def fewer_than_two_groups_are_not_compared(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        if len(judged_rates(finding)) < 2 and (finding["verdict"] != "not estimable" or finding["gap"] or finding["pairs"]):
            yield f"{finding['id']}: {len(judged_rates(finding))} groups, {finding['verdict']}"


@rule
def groups_that_are_not_judged_take_no_part(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        judged = {tuple(rate["group"]) for rate in judged_rates(finding)}
        ends = [finding["gap"][end] for end in ("highest", "lowest")] if finding["gap"] else []
        compared = [*ends, *(pair[side] for pair in finding["pairs"] for side in ("first", "second"))]
        for group in compared:
            if tuple(group) not in judged:
                yield f"{finding['id']}: {group} is compared and not judged"


@rule
def beyond_the_tolerance_is_what_the_interval_says(case: Case) -> Iterator[str]:
    for finding in findings_of(case):
        for pair in finding["pairs"]:
            beyond = pair["low_adjusted"] > finding["tolerance"] or pair["high_adjusted"] < -finding["tolerance"]
            if pair["beyond_tolerance"] != beyond:
                yield f"{finding['id']}, {pair['first']} and {pair['second']}: beyond is {pair['beyond_tolerance']}"


@rule
def a_sample_settles_nothing(case: Case) -> Iterator[str]:
    for audit in case.results["audits"]:
        if audit["data"]["limited"]:
            for finding in audit["findings"]:
                if finding["verdict"] not in ("inconclusive", "no signal", "not estimable"):
                    yield f"{finding['id']}: {finding['verdict']} of a sample"


@rule
def what_was_shown_is_not_hidden(case: Case) -> Iterator[str]:
    """A corrected p under alpha with an interval beyond 0 is a disparity, unless the mix of true answers explains it, or a model that
    is shown to be no better than one answer for all images differs by less than the tolerance: "equivalent" would say nothing of it; or
    true answers are missing by answer, of which the first screen must speak.
    """
    alpha = case.settings["alpha"]
    for audit in case.results["audits"]:
        for finding in planned(audit):
            gap = finding["gap"]
            shown = gap is not None and gap["p_adjusted"] <= alpha and gap["low"] > 0
            settled = finding["verdict"] in ("disparity", "equivalent") or audit["data"]["limited"] or finding.get("withheld")
            if shown and not settled and not (small_and_unresponsive(finding) or explained_by_truths(audit, finding, alpha)):
                yield f"{finding['id']}: adjusted p {gap['p_adjusted']}, interval from {gap['low']}, yet {finding['verdict']!r}"


def small_and_unresponsive(finding: Mapping) -> bool:
    gap, most = finding["gap"], finding["ratio_tolerance"]
    in_ratio = most is None or (gap["equivalence_ratio"] is not None and gap["equivalence_ratio"] < most)
    in_points = gap["equivalence_bound"] is not None and gap["equivalence_bound"] < finding["tolerance"]
    return finding["unresponsive"] is not None and in_points and in_ratio


def explained_by_truths(audit: Mapping, finding: Mapping, alpha: float) -> bool:
    """Whether the mix of true answers explains a gap, or nothing can tell whether it does.

    At equal mix the gap vanishes; or the test within each true answer shows no difference (the gap at equal mix needs every true answer in
    every group, which a near copy of the truth lacks); or the groups share no true answer, so that there is nothing to test within.
    """
    composition, within_truth_p = finding.get("composition"), finding.get("within_truth_p")
    if (composition and composition["explains"]) or (within_truth_p is not None and within_truth_p > alpha):
        return True
    return within_truth_p is None and share_no_truth(audit, finding)


def share_no_truth(audit: Mapping, finding: Mapping) -> bool:
    """Whether no true answer occurs in all judged groups of a finding, by the count table."""
    record = next(counted for counted in audit["counts"] if counted["measurement"] == finding["measurement"])
    if not record["truth"] or not set(finding["attributes"]) <= set(record["attributes"]):
        return False
    columns = columns_of(record)
    groups = list(zip(*(columns[name] for name in finding["attributes"]), strict=True))
    truths = dict.fromkeys((tuple(rate["group"]) for rate in judged_rates(finding)), frozenset())
    for group, truth in zip(groups, columns["y_true"], strict=True):
        if group in truths and truth != UNKNOWN:
            truths[group] |= {truth}
    return not frozenset.intersection(*truths.values())


@rule
def a_perfect_model_is_not_accused(case: Case) -> Iterator[str]:
    """Where every answer is the true one, nothing that the model does differs between groups."""
    for audit in case.results["audits"]:
        for finding in audit["findings"]:
            if is_perfect(audit, finding["measurement"]) and finding["verdict"] in ("disparity", "signal"):
                yield f"{finding['id']}: a {finding['verdict']} of a model without an error"


def is_perfect(audit: Mapping, measurement: str) -> bool:
    right = [f for f in audit["findings"] if f["measurement"] == measurement and f["metric"] == "accuracy" and f["outcome"] is None]
    return bool(right) and all(f["overall"]["value"] == 1 for f in right)


# ---- what is said --------------------------------------------------------------------------------------------------------------------


@rule
def headline_terminal_and_summary_say_the_same(case: Case) -> Iterator[str]:
    for _, screen in audits_of(case):
        for where in ("terminal", "summary"):
            if screen and where in case.texts and screen.headline not in case.texts[where]:
                yield f"the {where} lacks the page's headline {screen.headline!r}"


@rule
def the_verdict_word_is_that_of_the_facts(case: Case) -> Iterator[str]:
    words = {"disparity": "Disparity", "equivalent": "Equivalent", "inconclusive": "Inconclusive", "not estimable": "Not estimable"}
    for audit, screen in audits_of(case):
        if screen and planned(audit) and words[audit["verdict"]].lower() not in screen.verdict_line.lower():
            yield f"the verdict is {audit['verdict']!r}, the page says {screen.verdict_line!r}"


@rule
def one_pair_has_one_number(case: Case) -> Iterator[str]:
    """Where two rates and their gap stand in one sentence, the gap is the difference of the printed rates, but for its own rounding."""
    for where, text in case.texts.items():
        for said in ONE_PAIR.finditer(text):
            first, second, gap = said["first"], said["second"], said["gap"]
            off = abs(abs(value_of(first) - value_of(second)) - value_of(gap))
            if not said["size"] and off > unit_of(gap) / 2 + EPSILON:
                yield f"{where}: {said[0]!r}"


def two_answers(audit: Mapping, finding: Mapping) -> bool:
    counted = next((record for record in audit["counts"] if record["measurement"] == finding["measurement"]), None)
    return counted is not None and len(set(counted["answers"]) - {UNKNOWN}) == 2


@rule
def a_rate_beside_its_rest_says_so(case: Case) -> Iterator[str]:
    """Of two answers, a page shows errors ("taken for"): where a table or a chart gives the rest of 100 %, that is said."""
    for audit in case.results["audits"]:
        turned = [f for f in audit["findings"] if f["metric"] in ("true_positive_rate", "true_negative_rate") and two_answers(audit, f)]
        shown = [f for f in turned if f["primary"] and f["gap"] and f["verdict"] != "not estimable"]
        page, summary = (case.texts.get(where, "") for where in ("page", "summary"))
        if shown and page and not re.search(r"true (positive|negative) rate for ‘[^’]*’: 100 % minus the share of", page):
            yield f"the page gives {shown[0]['id']} as errors and as the rest, without a word"
        if shown and re.search(r"(?m)^\| [a-z ]+ \| True (positive|negative) rate for", summary):  # not that of gates, which have own names
            yield "the summary's table gives the rest of the errors that its headline gives"


@rule
def an_end_is_not_printed_beyond_a_tolerance_that_is_undecided(case: Case) -> Iterator[str]:
    """An interval from 5 points on contradicts "that any two differ by more than the tolerance of 5 points is not shown"."""
    open_whether = rf"that any two differ by more than the tolerance of ({NUMBER}) point"
    for _, screen in audits_of(case):
        if screen and (said := re.search(open_whether, screen.text)):
            first = re.search(rf"The (?:widest )?gap[^.]*? is [^(]*\([^)]*interval ({NUMBER}) to", screen.text)
            if first and value_of(first[1]) >= value_of(said[1]):
                yield f"{said[0]!r} beside {first[0]!r}"


@rule
def chance_is_below_a_disparity(case: Case) -> Iterator[str]:
    """The number of the headline's pair is not within what the tile beside it gives to chance."""
    for audit, screen in audits_of(case):
        if not screen or audit["verdict"] != "disparity":
            continue
        chance = [value for value, what in screen.tiles if "random groups" in what or "chance" in what]
        led = [value for value, what in screen.tiles if "interval" in what][:1]
        if not chance or not led:
            continue
        size, most = (re.search(NUMBER, text) for text in (led[0], chance[0]))
        leading = next((f for f in planned(audit) if f["verdict"] == "disparity"), None)
        if size and most and leading and not any(f["diffuse"] for f in planned(audit)) and value_of(size[0]) < value_of(most[0]):
            yield f"a disparity of {led[0]} beside chance of {chance[0]}"


@rule
def an_open_question_says_why_its_interval_does_not_decide(case: Case) -> Iterator[str]:
    """An interval that leaves out 0 beside "inconclusive" needs the correction in the same screen.

    Not where no question is open but some cannot be estimated: the tiles are then of one that is equivalent, whose gap may be shown.
    """
    for audit, screen in audits_of(case):
        is_open = any(finding["verdict"] == "inconclusive" for finding in planned(audit))
        if not screen or audit["verdict"] != "inconclusive" or not is_open or audit["data"]["limited"]:
            continue
        for value, what in screen.tiles:
            interval = re.search(rf"interval ({NUMBER}) to", what)
            shown = interval and value_of(interval[1]) > 0 and "not planned" not in what
            reasons = ("correct", "the test of all groups does not reject", "have no true answer, depending on the answer")
            if shown and not any(reason in screen.text for reason in reasons):
                yield f"inconclusive beside {value}, {what!r}, and no word of a correction"


@rule
def an_end_that_is_not_0_is_not_printed_as_0(case: Case) -> Iterator[str]:
    """In the table of the summary, row by row."""
    for audit in case.results["audits"] if len(case.results["audits"]) == 1 else ():
        led = [f["gap"]["leading"] for f in planned(audit) if f["gap"] and f["gap"]["leading"]]
        lows = {(round(pair["difference"], 9), round(pair["high"], 9)): pair["low"] for pair in led}
        for row in re.findall(rf"({NUMBER}) points \\?\[({NUMBER}), ({NUMBER})\\?\]", plain(case.summary)):
            gap, low, high = row
            near = [
                value for (size, end), value in lows.items()
                if abs(100 * size - value_of(gap)) <= unit_of(gap) and abs(100 * end - value_of(high)) <= unit_of(high)
            ]  # fmt: skip
            if near and min(near) > 0 and is_zero(low):
                yield f"{gap} [{low}, {high}]: the low end is {min(near)}"


@rule
def few_images_are_blamed_only_where_they_are_few(case: Case) -> Iterator[str]:
    """Few images cannot show a difference, or a group has so few that not even zero errors would show that there is none."""
    for audit, screen in audits_of(case):
        findings = [f for f in planned(audit) if f["gap"] and f["verdict"] == "inconclusive"]
        gaps = [f["gap"] for f in findings]
        blames = screen and re.search(r"few images", screen.text, re.IGNORECASE)
        alpha = case.settings["alpha"]
        if blames and gaps and not audit["data"]["limited"] and not all(has_too_few(finding, alpha) for finding in findings):
            tolerance = max(f["tolerance"] for f in planned(audit))
            if all(gap["minimum_detectable"] <= tolerance for gap in gaps) and all(gap["p"] > alpha for gap in gaps):
                yield f"{screen.headline!r}, yet differences of {max(gap['minimum_detectable'] for gap in gaps):.3f} would show"


def has_too_few(finding: Mapping, alpha: float) -> bool:
    """Whether a group is named as too small to bound the tolerance, and is.

    The score limit of no event, with the correction for continuity, is at most z squared + 1 of n: 3.7 at alpha .05, 6.4 at alpha .01.
    """
    sizes = {tuple(rate["group"]): rate["n"] / max(rate["design_effect"] or 1, 1) for rate in finding["by_group"]}
    named = [sizes[tuple(group)] for group in finding["gap"]["too_few"]]
    return bool(named) and max(named) * finding["tolerance"] < norm.isf(alpha) ** 2 + 1


@rule
def a_share_with_known_truth_is_not_led_by_its_mix(case: Case) -> Iterator[str]:
    """Where an answer is true of some images and not of others, how often it is given is a finding only at equal true shares.

    Otherwise the mix of the data is in it. Of an answer that is true of no image, or of all, every group has the same true share.
    """
    for audit, screen in audits_of(case):
        for led in re.finditer(r"(?<!t equal true shares, )‘([^’]*)’ is the answer (more|less) often[^.]*", screen.text if screen else ""):
            if true_share_varies(audit, led[1]):
                yield f"{led[0]!r}"


def true_share_varies(audit: Mapping, outcome: str) -> bool:
    """Whether an outcome is true of some images of a measurement and not of others, by the count table."""
    answers = {record["name"]: record.get("outcomes", {}).get(outcome, [outcome]) for record in audit["measurements"]}
    for record in audit["counts"]:
        if record["truth"]:
            truths = columns_of(record)["y_true"]
            if len(set(np.isin(truths[truths != UNKNOWN], answers[record["measurement"]]))) == 2:
                return True
    return False


@rule
def what_is_planned_and_what_is_not_are_told_apart(case: Case) -> Iterator[str]:
    for audit, screen in audits_of(case):
        if screen and not planned(audit) and "Disparity" in screen.verdict_line:
            yield "a disparity without a planned question"


@rule
def columns_that_were_not_compared_are_named(case: Case) -> Iterator[str]:
    left = [name for name in case.columns if name not in case.attributes]
    for where, text in (("first screen", " ".join(s.text for s in first_screens(case.page))), ("summary", case.texts.get("summary", ""))):
        for name in left if text else ():
            if not re.search(rf"[Nn]ot compared:[^.]*\b{re.escape(name)}\b", text):
                yield f"{where}: {name} is a column of the file, was not compared, and is not named"


@rule
def choices_are_said(case: Case) -> Iterator[str]:
    places = {"first screen": plain(" ".join(s.text for s in first_screens(case.page)))} if case.page else {}
    places |= {where: text for where, text in case.texts.items() if where in ("summary", "card")}
    for where, text in places.items():
        for name, shown in case.choices.items():
            if not re.search(shown, text):
                yield f"{where}: {name} was chosen, and {shown!r} is not there"


@rule
def nothing_is_set_before_a_run_without_a_lock(case: Case) -> Iterator[str]:
    for where, text in case.texts.items():
        if found := re.search(r"set before the run|[Pp]re-specified|fixed before", text):
            yield f"{where}: says {found[0]!r}, which nothing shows"


@rule
def a_model_that_recognises_nothing_is_said_to(case: Case) -> Iterator[str]:
    """Where the answers to every question with known truth are no better than one answer for all, the first line says so."""
    for audit, screen in audits_of(case):
        looks = [record["responsiveness"] for record in audit["measurements"] if record.get("responsiveness")]
        checked = [look for look in looks if look.get("against_constant")]
        if not checked or any(look["code"] in (None, "looks", "varies") for look in checked):
            continue
        if audit["verdict"] == "equivalent" or any(f["verdict"] == "equivalent" for f in planned(audit)):
            yield "equivalent, of a model that recognises nothing"
        if screen and not re.search(
            r"not a valid test|responds? to the images|depend on the images|uses? the images|one answer|constant", screen.text[:600]
        ):
            yield f"nothing is recognised, and the page begins {screen.text[:160]!r}"


@rule
def a_sample_is_marked(case: Case) -> Iterator[str]:
    for audit in case.results["audits"]:
        for where, text in case.texts.items():
            if audit["data"]["limited"] and where != "card" and "limited run" not in text.lower():
                yield f"the {where} does not say that a sample was audited"


@rule
def every_citation_has_a_key_of_its_own(case: Case) -> Iterator[str]:
    for key, many in Counter(re.findall(r"@misc\{([^,\s]+),", html.unescape(case.page))).items():
        if many > 1:
            yield f"{many} citations are called {key}"


@rule
def the_scope_counts_the_questions(case: Case) -> Iterator[str]:
    for audit, screen in audits_of(case):
        counted = re.search(r"(\d+) of (\d+) planned questions", screen.verdict_line) if screen else None
        of = len(questions(audit))
        same = sum(question["verdict"] == audit["verdict"] for question in questions(audit))
        if counted and (int(counted[1]), int(counted[2])) != (same, of):
            yield f"{screen.verdict_line!r}, where {same} of {of} are {audit['verdict']!r}"


@rule
def every_open_question_is_counted_beside_a_disparity(case: Case) -> Iterator[str]:
    """A reader of "Disparity" learns how many planned questions are undecided, not only of the worst of each attribute."""
    for audit, screen in audits_of(case):
        for verdict, word in (("inconclusive", "Undecided"), ("equivalent", "Equivalent")):
            many = sum(finding["verdict"] == verdict for finding in planned(audit))
            said = f"{word}: {many} questions." if many > 1 else f"{word}: "
            if screen and audit["verdict"] == "disparity" and many and said not in screen.text:
                yield f"{many} questions are {verdict}, and the first screen lacks {said!r}"


@rule
def images_that_no_question_counts_are_named_everywhere(case: Case) -> Iterator[str]:
    """Images whose true answer is unknown, where every measurement of the audit has the same truth."""
    for audit in case.results["audits"]:
        unscored = {note["values"]["measurement"]: note["values"]["count"] for note in audit["warnings"] if note["code"] == "not_scored"}
        names, truths = {record["name"] for record in audit["measurements"]}, {record["truth"] for record in audit["measurements"]}
        if len(truths) == 1 and None not in truths and names and names <= set(unscored):
            for where, text in case.texts.items():
                if f"{min(unscored[name] for name in names):,} of {audit['data']['used']:,} image" not in text:
                    yield f"the {where} does not say how many images have no true answer"


@rule
def a_withheld_verdict_says_what_is_missing(case: Case) -> Iterator[str]:
    for audit, _ in audits_of(case):
        if any(question.get("withheld") for question in questions(audit)):
            for where, text in case.texts.items():
                if where != "card" and "no true answer, depending on the answer" not in text:
                    yield f"a verdict is withheld, and the {where} does not say that true answers are missing by answer"


# ---- gates ---------------------------------------------------------------------------------------------------------------------------


def fails(check: Mapping, case: Case) -> bool:
    undecided = check["outcome"] == "inconclusive" and (case.requires_conclusive or check.get("limited", False))
    unasked = check["outcome"] == "not estimable" and not case.allows_undecided
    return check["outcome"] == "breached" or undecided or unasked


@rule
def a_gate_that_says_nothing_does_not_pass(case: Case) -> Iterator[str]:
    """A gate is not held, and the build does not pass, by a question that cannot be estimated."""
    verdicts = {
        (audit["model"]["name"], audit["probe"]["name"], f["id"]): f["verdict"]
        for audit in case.results["audits"]
        for f in (*audit["findings"], *audit["effects"])
    }
    for gate in case.results.get("gates", ()):
        for check in gate["checks"]:
            verdict = verdicts.get((check["model"], check["probe"], check["finding"]))
            if verdict == "not estimable" and case.exit_code == 0 and not case.allows_undecided:
                yield f"{gate['expression']} of {check['finding']}, which is not estimable, passes with exit 0"


@rule
def the_exit_code_is_that_of_the_gates(case: Case) -> Iterator[str]:
    checks = [check for gate in case.results.get("gates", ()) for check in gate["checks"]]
    if case.exit_code != int(any(fails(check, case) for check in checks)):
        yield f"exit {case.exit_code} with {Counter(check['outcome'] for check in checks)}"


@rule
def junit_counts_what_failed(case: Case) -> Iterator[str]:
    if not case.junit:
        return
    suite = next(ET.fromstring(case.junit.encode()).iter("testsuite"))
    failures = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
    if (failures > 0) != (case.exit_code == 1):
        yield f"{failures} failures, exit {case.exit_code}"


@rule
def a_gate_agrees_with_the_interval(case: Case) -> Iterator[str]:
    """``gap > x`` is breached only by an interval above x, and held only by one below."""
    findings = {(audit["model"]["name"], f["id"]): f for audit in case.results["audits"] for f in audit["findings"]}
    for gate in case.results.get("gates", ()):
        limit = re.fullmatch(r"gap(?:\[.*\])? > ([\d.]+)", gate["expression"])
        for check in gate["checks"] if limit else ():
            finding = findings.get((check["model"], check["finding"]))  # of rates
            if finding is None or finding["gap"] is None:
                continue
            if check["outcome"] == "breached" and finding["gap"]["high"] <= float(limit[1]):
                yield f"{gate['expression']} is breached by {finding['id']}, whose gap ends at {finding['gap']['high']}"
            if check["outcome"] == "held" and finding["gap"]["low"] > float(limit[1]):
                yield f"{gate['expression']} is held by {finding['id']}, whose gap begins at {finding['gap']['low']}"


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


def changes_of(case: ChangeCase) -> Iterator[Mapping]:
    for comparison in case.facts["comparisons"]:
        yield from comparison["changes"]


@change_rule
def a_change_is_after_minus_before(case: ChangeCase) -> Iterator[str]:
    for change in changes_of(case):
        gap = change["gap"]
        if gap and abs(gap["after"]["value"] - gap["before"]["value"] - gap["difference"]) > 1e-9:
            yield f"{change['id']}: {gap['before']['value']} -> {gap['after']['value']} is {gap['difference']}"
        if gap and not gap["low"] - EPSILON <= gap["difference"] <= gap["high"] + EPSILON:
            yield f"{change['id']}: {gap['difference']} outside [{gap['low']}, {gap['high']}]"


@change_rule
def a_printed_change_is_that_of_the_printed_gaps(case: ChangeCase) -> Iterator[str]:
    """``2.5 -> 3, change 0.0`` is two roundings of one number."""
    line = re.compile(rf"({NUMBER}) points? \[[^\]]*\] -> ({NUMBER}) points? \[[^\]]*\], ([+−-]?\d[\d.]*) ")
    for before, after, change in line.findall(plain(case.terminal)):
        off = abs(value_of(after) - value_of(before) - value_of(change.replace("+", "")))
        if off > (unit_of(before) + unit_of(after) + unit_of(change)) / 2 + EPSILON:
            yield f"{before} -> {after} with a change of {change}"
        if len({len(part.partition(".")[2]) for part in (before, after)}) > 1:
            yield f"{before} -> {after} has two roundings"


@change_rule
def equal_answers_did_not_change(case: ChangeCase) -> Iterator[str]:
    for change in changes_of(case):
        if case.same_answers and change["verdict"] == "disparity":
            yield f"{change['id']}: equal answers, {change['direction']}"


@change_rule
def a_gap_that_changed_passed_its_test(case: ChangeCase) -> Iterator[str]:
    alpha = case.facts["settings"]["alpha"]
    for change in changes_of(case):
        if change["verdict"] == "disparity" and change["direction"] != "reversed" and change["gap"]["p_adjusted"] > alpha + EPSILON:
            yield f"{change['id']}: {change['direction']} with adjusted p {change['gap']['p_adjusted']}"


@change_rule
def no_gap_shrinks_into_answers_without_a_verdict(case: ChangeCase) -> Iterator[str]:
    """Answers that do not depend on the images are alike for all groups: a gap that is gone with them was not repaired."""
    for change in changes_of(case):
        if change["direction"] == "shrank" and change["gap"] and change["verdict_after"] == "not estimable":
            yield f"{change['id']} shrank, and the audit after has no verdict on it"


@change_rule
def what_may_have_grown_is_said(case: ChangeCase) -> Iterator[str]:
    """Beside "gap shrank", a gap whose own interval says that it grew is not passed over."""
    for comparison in case.facts["comparisons"]:
        grew = [c["id"] for c in comparison["changes"] if c["primary"] and c["gap"] and c["gap"]["low"] > 0 and c["direction"] != "grew"]
        said = re.search(r'<section class="changed answer.*?</section>', case.page, re.DOTALL)
        if comparison["direction"] == "shrank" and grew and said and not re.search(r"\bgr[eo]w", plain(text_of(said[0]))):
            yield f"the headline says that gaps shrank and passes over {grew}"


@change_rule
def a_table_has_no_weights(case: ChangeCase) -> Iterator[str]:
    if case.of_tables and "sha256 of the weights" in plain(text_of(case.page)):
        yield "the page gives a hash of weights, and no model was loaded"
