"""What a probe fixes before the run besides its measurements: words and names, one kind of plan a file."""

from audit.plans.base import AnalysisPlan, Group, ProbeData
from audit.plans.conditions import AttackPlan, ConditionsPlan, ImageConditionsPlan, NaturalShiftPlan, PromptConditionsPlan
from audit.plans.counterfactual import Choice, CounterfactualSetsPlan, PairedClaim
from audit.plans.few_shot import FewShotPlan
from audit.plans.published import CellReference, PublishedRow, PublishedTable
from audit.plans.row_options import RowOptions, RowQuestions
from audit.plans.similarity import AssociationPlan, RankingPlan
from audit.plans.specification import Specification, SpecificationPlan
from audit.plans.tagging import TaggingPlan
from audit.plans.what_if import Combined, Direction, Pairs, RightAnswer, WhatIfPlan
from audit.plans.words import TextAssociationPlan, WordRatePlan

__all__ = [
    "AnalysisPlan", "AssociationPlan", "AttackPlan", "CellReference", "Choice", "Combined", "ConditionsPlan", "CounterfactualSetsPlan",
    "Direction", "FewShotPlan", "Group", "ImageConditionsPlan", "NaturalShiftPlan", "PairedClaim", "Pairs", "ProbeData",
    "PromptConditionsPlan", "PublishedRow", "PublishedTable", "RankingPlan", "RightAnswer", "RowOptions", "RowQuestions",
    "Specification", "SpecificationPlan", "TaggingPlan", "TextAssociationPlan", "WhatIfPlan", "WordRatePlan",
]  # fmt: skip
