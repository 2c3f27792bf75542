"""Judges published claims again, from the counts that they follow from: ``python -m docs.tools.claims`` writes ``docs/claims/index.md``."""

from __future__ import annotations

import csv
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.tools.generated import ROOT
from strictio.folders import Folder

FOLDER = ROOT / "docs" / "claims"
PAGE = FOLDER / "index.md"
RIGHT, WRONG, OTHER = "right", "wrong", "another word"
_PEOPLE = {"male": "Male", "female": "Female"}
"""Table of sizes -> the gender of its images."""


@dataclass(frozen=True)
class Judged:
    """A claim, and what our rule says of the same counts."""

    claim: Mapping[str, Any]
    verdict: str
    sentence: str
    audit: Any

    @property
    def lines(self) -> str:
        """The section of the page."""
        claim = self.claim
        rows = (("Claimed", f"{claim['claim']} ({claim['source']})"), ("Our rule", self.sentence), ("What to make of it", claim["why"]))
        return "\n".join([f"## {claim['title']}", "", "| | |", "|---|---|", *(f"| **{name}** | {text} |" for name, text in rows)])


def claims() -> tuple[list[Mapping[str, Any]], Mapping[str, Mapping[str, int]]]:
    """Return the claims, and the number of images of each group."""
    content = tomllib.loads((FOLDER / "claims.toml").read_text("utf-8"))
    return content["claims"], content["sizes"]


def rows_of(claim: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]]) -> Iterator[dict[str, str]]:
    """Yield one row per image: its group, and an answer that is right, or the outcome, in as many images as the percent says.

    If a claim has `counts`, these are its rows: a table below docs/ with the number of images of each.
    """
    if "counts" in claim:
        with (FOLDER.parent / claim["counts"]).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                images = int(row.pop("images"))
                yield from ({**row} for _ in range(images))
        return
    for table, rates in claim["rates"].items():
        for group, percent in rates.items():
            images = sizes[table][group]
            events = round(percent * images / 100)
            people = {claim["by"]: group} | ({"gender": _PEOPLE[table]} if table in _PEOPLE else {})
            if outcome := claim.get("outcome"):
                answers = [{"y_pred": outcome}] * events + [{"y_pred": OTHER}] * (images - events)
            else:
                answers = [{"y_true": RIGHT, "y_pred": RIGHT}] * events + [{"y_true": RIGHT, "y_pred": WRONG}] * (images - events)
            yield from (people | answer for answer in answers)


def judged(claim: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]]) -> Judged:
    """Audit the answers that a claim follows from; the question is the difference by its attribute."""
    import audit
    from reports.text.headline.differences import size_sentence, statement

    rows = [{"id": str(number)} | row for number, row in enumerate(rows_of(claim, sizes), 1)]
    outcome = claim.get("outcome")
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "answers.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        chosen: dict[str, Any] = {"outcome": (f"{outcome}:low={outcome}",)} if outcome else {}
        results = audit.audit(predictions=table, attributes=(claim["by"],), out=Path(name) / "out", **chosen).results
    (answered,) = results.audits
    metric = "selection_rate" if outcome else "accuracy"
    finding = next(one for one in answered.findings if one.attributes == (claim["by"],) and one.metric == metric)
    verdict = "Equivalent within 5 points" if finding.verdict == "equivalent" else finding.verdict.capitalize()
    sentence = f"{verdict}. {statement(finding, answered)}. {size_sentence(finding, results.settings)}"
    return Judged(claim, finding.verdict, " ".join(sentence.split()), answered)


def page() -> str:
    """Return the page."""
    published, sizes = claims()
    return "\n\n".join([_ABOVE, *(judged(claim, sizes).lines for claim in published)]) + "\n"


_ABOVE = """# Published claims, judged again

What would our rule have said? Published percentages are turned into counts with the number of images of each group in FairFace's
validation part, and audited as any table of answers is: tolerance 5 points, 95 % intervals that hold for all pairs of groups at once.
A verdict here is about the published numbers, not about a model that anybody can run: the prompts of the CLIP paper's tables were never
published. `python -m docs.tools.claims` makes this page; the counts are in [claims.toml](claims.toml).

CLIP paper: Radford et al. 2021 ([arXiv 2103.00020](https://arxiv.org/abs/2103.00020)), section 7. Group sizes: FairFace, Karkkainen and
Joo, WACV 2021."""


def main() -> None:
    """Write the page."""
    Folder.of(FOLDER).write(PAGE.name, page().encode())


if __name__ == "__main__":
    main()
