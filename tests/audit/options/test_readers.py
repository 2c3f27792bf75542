"""The options that a reader of answers declares: fields and flags like any other, whose values its own function checks."""

import pytest
from pydantic import create_model

from audit.errors import UsageError
from audit.extension import AnswerReader, Option, answer_readers
from audit.options.audits import AuditRequest
from audit.options.command_line import given_options, options_parser
from audit.options.readers import declared_fields
from audit.options.schema import Options


def sides(value):
    if str(value) not in "46":
        raise ValueError("4 or 6")
    return f"{value} sides"


READER = AnswerReader(
    "throws of dice", (".dice",), "json:loads", "json:loads",
    (
        Option("sides", "how many", metavar="4|6", check=f"{__name__}:sides"), Option("thrower", "who", metavar="NAME"),
        Option("fair_dice", "so they say"),
    ),
)  # fmt: skip
Thrown = create_model("Thrown", __base__=Options, **declared_fields([READER]))


def test_what_is_not_given_is_nothing():
    assert Thrown().model_dump() == {"sides": None, "thrower": None, "fair_dice": False}


@pytest.mark.parametrize("given", [6, "6"])
def test_its_own_function_checks_a_value(given):
    assert Thrown(sides=given).sides == "6 sides"
    with pytest.raises(UsageError, match=r"invalid sides '8': expected 4 or 6 \(--sides\)"):
        Thrown(sides="8")
    with pytest.raises(UsageError, match="invalid thrower 3: expected a string"):
        Thrown(thrower=3)


def test_the_command_has_them_as_flags_under_a_heading_of_their_own():
    parser = options_parser(("vlm-audit throw",), None, Thrown)
    given = given_options(parser.parse_args(["--sides", "4", "--fair-dice"]), Thrown)
    assert Thrown(**given).model_dump() == {"sides": "4 sides", "thrower": None, "fair_dice": True}
    assert "throws of dice (with --predictions):\n  --sides 4|6" in parser.format_help_all()


def test_an_audit_says_which_options_of_the_installed_readers_were_given():
    switches = {option.name: True for reader in answer_readers() for option in reader.options if not option.metavar}
    assert dict(AuditRequest(predictions="x.csv").given_to_readers) == {}
    assert dict(AuditRequest(predictions="x.csv", **switches).given_to_readers) == switches
