"""The options of a watch: those of ``vlm-audit watch``, and those only available from Python."""

from __future__ import annotations

from typing import Any

from audit.errors import UsageError
from audit.options.audits import AuditRequest
from audit.options.kinds import Bins, Encoding, ErrorRate, FilePath, Fraction, Names, Several, Text
from audit.options.schema import Options, flag, is_given, like, option
from audit.predictions.bins import parse_bins

SOURCE, PLAN = "what to watch", "the plan, fixed at the first look"
DEFAULT_ALPHA, DEFAULT_TOLERANCE = 0.05, 0.05
OF_PLAN = ("attributes", "outcome", "prediction_column", "truth_column", "cluster", "bins", "encoding", "alpha", "tolerance")
"""Options that a later look takes from the plan."""


def _as_in_audit(name: str, help: str | None = None) -> Any:  # noqa: A002 - argparse's word
    return like(AuditRequest.model_fields[name], PLAN, help)


class WatchRequest(Options):
    """All options of a watch: those of ``vlm-audit watch``, and those only available from Python."""

    source: Several[FilePath] = option(
        (), SOURCE, "a table of predictions that grows at its end, or a folder that gains such tables", metavar="SOURCE", basic=True,
        positional=True,
    )  # fmt: skip
    out: FilePath | None = option(
        None, SOURCE, "the folder of the watch: watch.json, by which the next look continues, and watch.html", metavar="DIR", basic=True
    )

    attributes: Names | None = _as_in_audit("attributes", "columns to compare by (default: text with 2 to 50 levels)")
    outcome: Several[Text] = _as_in_audit("outcome", "labels that count as one outcome: NAME=LABEL,LABEL; repeatable")
    prediction_column: Text | None = _as_in_audit("prediction_column", "the column of answers (default: y_pred)")
    truth_column: Text | None = _as_in_audit("truth_column", "the column of true answers (default: y_true)")
    cluster: Text | None = _as_in_audit("cluster", "a column whose values must all differ: rows of one person, say, are not independent")
    bins: Bins = _as_in_audit("bins", "a column of numbers as an attribute: NAME=18,30,60 cuts at these numbers; repeatable")
    encoding: Encoding | None = _as_in_audit("encoding")
    alpha: ErrorRate | None = _as_in_audit(
        "alpha", f"probability of a false alarm about any gap, however often one looks (default: {DEFAULT_ALPHA})"
    )
    tolerance: Fraction | None = _as_in_audit("tolerance", f"an alarm says that a gap exceeds this (default: {DEFAULT_TOLERANCE})")

    command: Several[Text] = option((), None, "The command line, for the results.")

    def check_combination(self) -> None:
        """Raise UsageError for an option that is missing, or bins whose edges would depend on later rows."""
        if len(self.source) != 1 or self.out is None:
            what = "--out is missing" if len(self.source) == 1 else f"a watch is over one file or folder; {len(self.source)} were given"
            raise UsageError(what, fix="vlm-audit watch predictions/ --out watched")
        for text in self.bins:
            if not parse_bins(text).edges:
                why = "quantiles would change with every look"
                raise UsageError(f"--bins {text} names no edges", why=why, fix="name them: --bins age=18,30,60")

    def given_for_plan(self) -> dict[str, Any]:
        """The options of the plan on this command line: flag -> value."""
        return {flag(name): value for name in OF_PLAN if is_given(value := getattr(self, name))}
