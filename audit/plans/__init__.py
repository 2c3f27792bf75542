"""What a probe fixes before the run besides its measurements: words and names, one kind of plan a file."""

from audit.plans.base import AnalysisPlan, Group, ProbeData
from audit.plans.counterfactual import Choice, CounterfactualSetsPlan, PairedClaim
from audit.plans.published import CellReference, PublishedRow, PublishedTable
from audit.plans.row_options import RowOptions
from audit.plans.similarity import AssociationPlan, RankingPlan
from audit.plans.specification import Specification, SpecificationPlan
from audit.plans.tagging import TaggingPlan
from audit.plans.what_if import Combined, Direction, Pairs, RightAnswer, WhatIfPlan

__all__ = [
    "AnalysisPlan", "AssociationPlan", "CellReference", "Choice", "Combined", "CounterfactualSetsPlan", "Direction", "Group",
    "PairedClaim", "Pairs", "ProbeData", "PublishedRow", "PublishedTable", "RankingPlan", "RightAnswer", "RowOptions", "Specification",
    "SpecificationPlan", "TaggingPlan", "WhatIfPlan",
]  # fmt: skip
