"""The options that a reader of answers or a kind of model declares: fields and flags like any other, each with its check."""

from pathlib import Path

import pytest
from pydantic import create_model

from audit.errors import UsageError
from audit.extension import Option, answer_readers
from audit.options.audits import AuditRequest
from audit.options.command_line import given_options, options_parser
from audit.options.declared import declared_fields
from audit.options.schema import Options


def sides(value):
    if str(value) not in "46":
        raise ValueError("4 or 6")
    return f"{value} sides"


DECLARED = (
    Option("sides", "how many", metavar="4|6", check=f"{__name__}:sides"), Option("thrower", "who", metavar="NAME"),
    Option("fair_dice", "so they say"),
    Option("hand", "which", choices=("left", "right")), Option("throws", "how many", metavar="N", value="count"),
    Option("height", "of the table", metavar="METRES", value="amount"), Option("table", "what it is", metavar="FILE", value="file"),
)  # fmt: skip
NOT_GIVEN = {option.name: None if option.metavar or option.choices else False for option in DECLARED}
Thrown = create_model("Thrown", __base__=Options, **declared_fields(("dice (with --predictions)", one) for one in DECLARED))


def test_what_is_not_given_is_nothing():
    assert Thrown().model_dump() == NOT_GIVEN


@pytest.mark.parametrize("given", [6, "6"])
def test_its_own_function_checks_a_value(given):
    assert Thrown(sides=given).sides == "6 sides"
    with pytest.raises(UsageError, match=r"invalid sides '8': expected 4 or 6 \(--sides\)"):
        Thrown(sides="8")
    with pytest.raises(UsageError, match="invalid thrower 3: expected a string"):
        Thrown(thrower=3)


def test_the_command_has_them_as_flags_under_a_heading_of_their_own():
    parser = options_parser(("vlm-audit throw",), None, Thrown)
    given = given_options(parser.parse_args(["--sides", "4", "--fair-dice", "--hand", "left", "--throws", "7"]), Thrown)
    assert Thrown(**given).model_dump() == {**NOT_GIVEN, "sides": "4 sides", "fair_dice": True, "hand": "left", "throws": 7}
    assert "dice (with --predictions):\n  --sides 4|6" in parser.format_help_all()
    assert "--hand {left,right}" in parser.format_help_all()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("throws", 0, "a whole number of at least 1"), ("height", 0, "a number above 0"), ("table", 3, "a path"), ("hand", "both", "one of")],
)
def test_each_kind_of_value_has_the_check_of_the_core(name, value, expected):
    with pytest.raises(UsageError, match=f"invalid {name} .*: expected {expected}"):
        Thrown(**{name: value})
    assert Thrown(throws="3", height="0.5", table="oak.csv").model_dump(exclude_none=True) == {
        "throws": 3, "height": 0.5, "table": Path("oak.csv"), "fair_dice": False,
    }  # fmt: skip


def test_an_audit_says_which_options_of_the_installed_readers_were_given():
    switches = {option.name: True for reader in answer_readers() for option in reader.options if not option.metavar}
    assert dict(AuditRequest(predictions="x.csv").given_to_readers) == {}
    assert dict(AuditRequest(predictions="x.csv", **switches).given_to_readers) == switches
