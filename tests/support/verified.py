"""Audits of every kind for the second implementation: designs, and what it says about each."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pyarrow.parquet as pq

from audit import compare
from audit.errors import AuditError
from audit.output.predictions import predictions_table
from audit.records import comparison as comparison_file
from audit.results import to_json
from audit.rules.step import apply_rules
from tests.support.drawn_audits import GATES, Design, audited
from verify.answers import AnswerFile
from verify.audit import verify_results
from verify.comparison import ComparisonRun, verify_comparisons
from verify.ledger import Ledger

DESIGNS = {
    "two groups": Design((150, 150), "unequal", "known", effect=0.3, gates=GATES),
    "many groups": Design((31, 60, 150, 31, 60), "good", "known", labels=3, gender=True, gates=("gap > 0.3", "verdict == disparity")),
    "a small group": Design((200, 150, 12, 3), "unequal", "mixed by group", effect=0.2, labels=3),
    "no truth": Design((150, 60, 60), "unequal", "unknown", effect=0.3, labels=3),
    "some truths missing": Design((150, 60, 150), "good", "some missing", gender=True),
    "one true answer": Design((150, 150), "good", "one answer"),
    "a constant model": Design((150, 150, 60), "constant", "mixed by group", gates=GATES),
    "a useless model": Design((200, 150), "useless", "mixed by group", labels=3),
    "a perfect model": Design((150, 150), "perfect", "known"),
    "rare errors": Design((700, 700), "unequal", "known", rate=0.01, effect=0.05),
    "rare errors in clusters": Design((700, 700), "unequal", "known", clusters="nested", rate=0.01, effect=0.05),
    "rare errors with weights": Design((700, 700), "unequal", "known", weights="ordinary", rate=0.01, effect=0.05),
    "nested clusters": Design((200, 150, 150), "unequal", "known", clusters="nested", effect=0.3, gates=GATES),
    "unequal clusters": Design((200, 150), "good", "mixed by group", clusters="unequal"),
    "whole persons": Design((700, 700), "unequal", "known", clusters="whole persons", effect=0.1),
    "spanning clusters": Design((200, 150), "unequal", "known", clusters="spanning", effect=0.2, gates=GATES),
    "three groups in spanning clusters": Design((200, 150, 150), "unequal", "mixed by group", clusters="spanning", effect=0.2),
    "weights": Design((200, 150, 60), "unequal", "known", weights="ordinary", effect=0.2, gates=GATES),
    "heavy weights": Design((700, 700), "good", "mixed by group", weights="heavy"),
    "weights and clusters": Design((200, 200), "unequal", "mixed by group", weights="ordinary", clusters="nested", effect=0.2),
    "pairs": Design((150, 150), "unequal", "known", pairs=True, effect=0.2),
    "other settings": Design(
        (200, 200, 60), "unequal", "known", effect=0.2, options={"alpha": 0.1, "tolerance": 0.2, "min_group_size": 50}
    ),
}


def written(design, folder):
    """Audit a design; return its results as JSON data, and the path of its answers."""
    done = audited(design)
    path = folder / "predictions.parquet"
    pq.write_table(predictions_table([(probe.result, probe.predictions) for probe in done.audited]), path)
    return json.loads(to_json(done.results)), path


def compared(design, folder):
    """Compare two models about one design; return the comparison as JSON data, and each side's results and path of answers."""
    done = [audited(design), audited(replace(design, effect=0.0), "good")]
    sides = []
    for at, audit in enumerate(done):
        pq.write_table(predictions_table([(probe.result, probe.predictions) for probe in audit.audited]), folder / f"{at}.parquet")
        sides.append((json.loads(to_json(audit.results)), folder / f"{at}.parquet"))
    return json.loads(comparison_file.to_json(compare(*done).facts)), sides


def verified_comparison(comparison, sides):
    """Return the ledger of a second look at a comparison."""
    ledger, known = Ledger(), {}
    for side, (results, path) in zip(comparison["sides"], sides, strict=True):
        [audit] = results["audits"]
        known[side["name"]] = audit, partial(AnswerFile(path.read_bytes()).answers, audit)
    run = ComparisonRun(comparison["settings"], same_numpy=True)
    assert verify_comparisons(comparison["comparisons"], list(known), ("comparisons",), lambda name, probe: known[name], run, ledger)
    return ledger


def verified(results, path):
    """Return the ledger of a second look at results, with what follows from them by the audit's own rules, if they can be read."""
    ledger, table = Ledger(), AnswerFile(path.read_bytes())
    verify_results(results, table, ledger)
    with suppress(AuditError):
        apply_rules(results, table, None, ledger)
    return ledger
