"""Names and values as phrases."""

from audit.records.finding import Rate
from reports.text.phrases import cell_value


def test_rates_of_one_line_have_the_same_decimals():
    narrow, wide = Rate(("a",), 900, 899, 0.9989, 0.9937, 0.9998, "ok"), Rate(("b",), 700, 598, 0.8543, 0.826, 0.879, "ok")
    shown = [cell_value(each).replace("\xa0", " ") for each in (narrow, wide)]
    together = [cell_value(each, narrow, wide).replace("\xa0", " ") for each in (narrow, wide)]
    assert (shown, together) == (["99.89 %", "85.4 %"], ["99.9 %", "85.4 %"])


def test_all_and_none_have_no_decimals():
    every, no = Rate(("a",), 900, 900, 1.0, 0.9958, 1.0, "ok"), Rate(("b",), 900, 0, 0.0, 0.0, 0.0042, "ok")

    assert [cell_value(each).replace("\xa0", " ") for each in (every, no)] == ["100 %", "0 %"]
