"""Names and values as phrases."""

from audit.records.finding import Rate
from reports.text.phrases import cell_value


def test_rates_of_one_line_have_the_same_decimals():
    narrow, wide = Rate(("a",), 900, 900, 1.0, 0.9958, 1.0, "ok"), Rate(("b",), 700, 598, 0.8543, 0.826, 0.879, "ok")
    shown = [cell_value(each).replace("\xa0", " ") for each in (narrow, wide)]
    together = [cell_value(each, narrow, wide).replace("\xa0", " ") for each in (narrow, wide)]
    assert (shown, together) == (["100.00 %", "85.4 %"], ["100.0 %", "85.4 %"])
