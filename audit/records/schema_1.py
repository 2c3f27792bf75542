"""Files of schema 1 brought up to schema 2: fields in, fields out. Sentences that schema 1 held become notes of their text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Fields = dict[str, Any]

_CHANGED = {
    "no change that matters": ("equivalent", None), "cannot tell": ("inconclusive", None), "not estimable": ("not estimable", None),
    "mixed": ("disparity", "mixed"), "gap grew": ("disparity", "grew"), "gap shrank": ("disparity", "shrank"),
    "gap reversed": ("disparity", "reversed"),
}  # fmt: skip
_RENAMED_EVIDENCE = {"listed": "family_correction", "near_tie_verdict": "near_ties"}
_EXCLUDED = re.compile(r"up to ([\d,]+) images? that an audit itself left out")
_WORDS = {"predictions made elsewhere": "external predictions", "made elsewhere": "external predictions"}


def upgrade_results(old: Fields) -> Fields:
    """Return the fields of a `results.json`."""
    gates = [gate | {"checks": [_check(check) for check in gate["checks"]]} for gate in old.get("gates", [])]
    return old | {"schema_version": "2", "audits": [_audit(each) for each in old["audits"]], "gates": gates}


def upgrade_comparisons(old: Fields) -> Fields:
    """Return the fields of a `comparison.json`."""
    return old | {
        "schema_version": "2",
        "sides": [side | {"model": _noted(side["model"])} for side in old["sides"]],
        "comparisons": [_comparison(each) for each in old["comparisons"]],
        "series": [each | {"trajectories": [_without(one, "reason") for one in each["trajectories"]]} for each in old["series"]],
        "notes": _notes(old["notes"]),
    }


def _without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def _renamed(fields: Fields, **names: str) -> Fields:
    return {names.get(name, name): value for name, value in fields.items()}


def _moved(fields: Fields, **places: str) -> tuple[Fields, Fields]:
    """Return the fields without some, and these under their new names, where they are there."""
    return _without(fields, *places), {new: fields[old] for old, new in places.items() if old in fields}


def _note(text: str) -> Fields:
    return {"code": "text", "values": {"text": text}}


def _notes(texts: Iterable[str]) -> list[Fields]:
    return [_note(text) for text in texts]


def _noted(fields: Fields) -> Fields:
    return _reworded(fields | {"notes": _notes(fields.get("notes", []))})


def _reworded(fields: Fields) -> Fields:
    """Return a model or a measurement of predictions by the words that they have now."""
    return {name: _WORDS.get(value, value) if name in ("kind", "preset") else value for name, value in fields.items()}


# ---- results -------------------------------------------------------------------------------------------------------------------------


def _audit(old: Fields) -> Fields:
    fields, evidence = _moved(old, odds="equalized_odds", threshold_curves="threshold_curves", scores="score_spread")
    for each in evidence.get("equalized_odds", []):
        each["difference"] = _renamed(each["difference"], equalised_odds="equalized_odds")
    exclusions = [each | {"reason": _note(each["reason"])} for each in old["data"]["exclusions"]]
    control = old.get("twin")
    return _without(fields, "verdict_reason", "twin") | {
        "model": _noted(old["model"]),
        "data": _noted(old["data"]) | {"exclusions": exclusions},
        "measurements": [_measurement(each) for each in old["measurements"]],
        "findings": [_finding(each) for each in old["findings"]],
        "specifications": [_curve(each) for each in old["specifications"]],
        "warnings": _notes(warning for warning in old["warnings"] if not warning.startswith("LIMITED RUN")),
        "what_ifs": [_what_ifs(each) for each in old.get("what_ifs", [])],
        "untrained_control": control and _without(control, "description"),
        "evidence": evidence,
    }


def _measurement(old: Fields) -> Fields:
    fields, evidence = _moved(old, open_decisions="near_ties", calibration="calibration")
    return _reworded(fields) | {"evidence": evidence}


def _finding(old: Fields) -> Fields:
    fields, evidence = _moved(old, effect="effect_size", four_fifths="four_fifths", shrinkage="shrinkage", **_RENAMED_EVIDENCE)
    if evidence.get("family_correction"):
        evidence["family_correction"] = _renamed(evidence["family_correction"], entries="size")
    if old.get("noise") or old.get("tipping"):
        evidence["label_noise"] = {"tipping_point": old.get("tipping"), "points": old.get("noise", [])}
    if old.get("adjusted"):
        evidence["adjustment"] = {"pairs": old["adjusted"], "gap": old.get("adjusted_gap")}
    gap = old["gap"] and _renamed(old["gap"], farthest="equivalence_bound", clearest="most_significant")
    return _without(fields, "reason", "tipping", "noise", "adjusted", "adjusted_gap") | {"gap": gap, "evidence": evidence}


def _curve(old: Fields) -> Fields:
    shares = old.get("shares")
    return old | {"shares": shares and _renamed(shares, wording="prompts", interplay="interaction")}


def _what_ifs(old: Fields) -> Fields:
    return _renamed(old, elsewhere="other_attributes") | {
        "question": _note(old["question"]),
        "cost": _note(old["cost"]),
        "refused": [each | {"reason": _note(each["reason"])} for each in old["refused"]],
        "target": old["target"] and _frontier(old["target"]),
        "other_attributes": [_frontier(each) for each in old["elsewhere"]],
    }


def _frontier(old: Fields) -> Fields:
    def point(each: Fields) -> Fields:
        return each | {"what_if": each["what_if"] | {"needs": _notes(each["what_if"]["needs"])}}

    return old | {"points": [point(each) for each in old["points"]]}


def _check(old: Fields) -> Fields:
    return _without(old, "reason") | {"reasons": _notes([old["reason"]])}


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


def _comparison(old: Fields) -> Fields:
    found = _EXCLUDED.search(old["verdict_reason"])
    reasons = [change["reason"] for change in old["changes"]]
    return _renamed(_ended(_without(old, "verdict_reason")), elsewhere_missing="missing_in_others") | {
        "changes": [_ended(_without(change, "reason")) for change in old["changes"]],
        "not_compared": _notes(old["not_compared"]),
        "excluded": int(found[1].replace(",", "")) if found else 0,
        "same_model": any("Both sides are the same model" in reason for reason in reasons),
    }


def _ended(old: Fields) -> Fields:
    verdict, direction = _CHANGED[old["verdict"]]
    return old | {"verdict": verdict, "direction": direction}
