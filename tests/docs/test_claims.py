"""The page of published claims is what our rule says of the published counts today."""

from itertools import chain

import pytest

from audit.results import AuditResult
from docs.tools import claims

PUBLISHED, SIZES = claims.claims()


@pytest.fixture(scope="module", params=PUBLISHED, ids=lambda claim: claim["id"])
def judged(request):
    return claims.judged(request.param, SIZES)


@pytest.mark.slow_except("crime-by-gender")
def test_the_verdict_is_the_one_that_the_text_explains_and_the_page_says_so(judged):
    assert judged.verdict == judged.claim["verdict"]
    assert judged.lines in claims.PAGE.read_text("utf-8"), "run: python -m docs.tools.claims"


def test_the_rates_are_the_published_ones(judged):
    finding = next(one for one in judged.audit.findings if one.attributes == (judged.claim["by"],))
    assert isinstance(judged.audit, AuditResult)
    if len(judged.claim.get("rates", {})) == 1:
        ((table, rates),) = judged.claim["rates"].items()
        of = {rate.group[0]: rate for rate in finding.by_group}
        for group, percent in rates.items():
            assert of[group].n == SIZES[table][group]
            assert abs(100 * of[group].value - percent) <= 50 / of[group].n + 1e-9


def test_counts_are_those_of_the_worked_example():
    """`Table 6`, counts by hand: 255, 519, 370, 175, 238, 62 and 20 crime-related, 224, 115, 115, 60, 24, 27 and 0 non-human."""
    named = {claim["id"]: claim for claim in PUBLISHED}
    for name, events in (("crime-by-race", [255, 519, 370, 175, 238, 62, 20]), ("non-human-by-race", [224, 115, 115, 60, 24, 27, 0])):
        rows = list(claims.rows_of(named[name], SIZES))
        groups = ("Black", "White", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian", "East Asian")
        assert [sum(row == {"race": group, "y_pred": named[name]["outcome"]} for row in rows) for group in groups] == events
        assert len(rows) == 10954


def test_the_sizes_are_of_one_data_set():
    of = {name: sum(groups.values()) for name, groups in SIZES.items()}
    assert (of["race"], of["gender"], of["age"], of["white"], of["male"] + of["female"]) == (10954,) * 5
    assert {group: SIZES["male"][group] + SIZES["female"][group] for group in SIZES["male"]} == SIZES["race"]
    assert set(chain.from_iterable(claim.get("rates", {}) for claim in PUBLISHED)) <= set(SIZES)
