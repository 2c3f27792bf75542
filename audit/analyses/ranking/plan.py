"""Queries that rank images: whose images come first?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from audit.plans import AnalysisPlan, Group, Retrieval
from audit.types import Claim, LabelSet, Measurement


@dataclass(frozen=True)
class RankingPlan(AnalysisPlan):
    """Queries, each of which ranks all images, or those of its own gallery: whose images come first?"""

    queries: Mapping[str, tuple[str, ...]]
    """query -> its prompts, whose normalised embeddings are averaged: ``{"doctor": ("a photo of a doctor",)}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    preset: str
    """Name and version of the prompts."""
    ks: tuple[int, ...] = ()
    """How many images are retrieved; empty: a tenth of the gallery, at most 1,000."""
    target: Literal["population", "equal"] = "population"
    """The share of the first k that a group should have: its share of the gallery, or the same share as every other group."""
    gallery: str | None = None
    """The attribute that names the query of each image: a query ranks only the images with its name (the caption of an occupation only
    the images of that occupation). Images with another name are in no gallery. None: every query ranks all images."""

    def planned(self, k: int, name: str, *, query: str | None = None, tolerance: float | None = None) -> Measurement:
        """The measurement that asks as a planned question whether groups are among the first `k` equally often; it goes in `measurements`.

        With a gallery for each query, groups are compared inside galleries, and queries are the independent units. Otherwise it is about
        one `query`, and images are.
        """
        queries = self.queries if query is None else {query: self.queries[query]}
        # The gallery is part of the name of the outcome, so that a plan lock holds it.
        first = f"among the first {k}" if self.gallery is None else f"among the first {k} of the {self.gallery.replace('_', ' ')}"
        labels = (first, f"not {first}")
        prompts = {first: tuple(dict.fromkeys(chain.from_iterable(queries.values()))), labels[1]: ()}
        claims = tuple(Claim("retrieval_rate", (attribute,), first, tolerance=tolerance) for attribute in self.by)
        return Measurement(
            name, self.question, LabelSet(name, labels, prompts), self.preset, claims, outcomes={first: (first,)}, kind="retrieved",
            retrieval=Retrieval(k, queries, self.gallery),
        )  # fmt: skip
