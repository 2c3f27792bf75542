"""Records of what-ifs to show, made without a model."""

from dataclasses import replace

from audit.extensions.whatif.record import Frontier, FrontierPoint, GroupChange, Refused, WhatIf, WhatIfs
from audit.records.base import Estimate
from audit.records.changed_model import Utility
from audit.types import Note

LEGAL = Note("group_of_each_person")


def what_if(method="projection", setting="1 direction", gap=0.12, accuracy=0.85, **given):
    """Before: a gap of 30 points and 90 % right."""
    fields = {
        "needs": (Note("attribute_words"),), "default": True, "gap_before": Estimate(0.3, 0.22, 0.38),
        "gap": Estimate(gap, max(gap - 0.08, 0.0), gap + 0.08), "p": 0.01, "null_95": 0.071,
        "change": Estimate(gap - 0.3, gap - 0.39, gap - 0.21),
        "pair": (("man",), ("woman",)), "pair_before": 0.3, "pair_after": Estimate(gap, gap - 0.08, gap + 0.08),
        "by_group": (GroupChange(("man",), 75, 0.95, 0.91, 0.06), GroupChange(("woman",), 75, 0.65, 0.79, 0.22)),
        "not_compared": (("person",),),
        "utility": Utility(150, 0.9, accuracy, Estimate(accuracy - 0.9, accuracy - 0.95, accuracy - 0.86), 0.04, 1.0, accuracy),
        "outcome": "smaller", "change_p": 0.001, "change_p_adjusted": 0.013, "beats_random": 0.97,
    }  # fmt: skip
    return WhatIf(method=method, setting=setting, **{**fields, **given})


def frontier(*points, finding="role/accuracy/gender"):
    return Frontier(finding, 0.3, 0.9, True, tuple(FrontierPoint(each, efficient) for each, efficient in points), 150, 150)


def asked(**given):
    second = what_if(setting="1 direction out of both", gap=0.2, accuracy=0.8, default=False, outcome="unchanged", change_p_adjusted=0.31)
    third = what_if("group-thresholds", "equalized odds", 0.05, 0.7, needs=(LEGAL,), outcome="levelled down", beats_random=None)
    points = ((what_if(), True), (second, False), (third, True))
    other = frontier(*((replace(each, gap_before=Estimate(0.04, 0.0, 0.1), outcome="larger"), False) for each, _ in points),
                     finding="role/accuracy/tone")  # fmt: skip
    few = Note.of("too few")
    refused = (Refused("neutral-label", "a", few), Refused("neutral-label", "b", few), Refused("", "gender × tone", few))
    fields = {"question": Note.of("Role accuracy by gender"), "unit": "role", "units": 20,
              "cost": Note.of("images answered right"),
              "target": frontier(*points), "other_attributes": (other,), "refused": refused, "draws": 100}  # fmt: skip
    return WhatIfs(**{**fields, **given})


def records():
    """Return what-ifs that fill every part of the section."""
    return asked(), asked(question=Note.of("Nothing tried"), target=None, other_attributes=())
