"""Tables of answers drawn at random, the same tables with other names in another order, and what their audits find in common terms."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.run import main

WORDS = (
    "amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "ivy", "juniper", "kelp", "larch", "moss", "nettle", "oak",
    "pine", "quartz", "reed", "slate", "thorn", "umber", "vine", "willow", "yarrow", "zinnia",
)  # fmt: skip
ANSWERS = (("yes", "no"), ("ill", "well"), ("0", "1"), ("2", "10"), ("True", "False"), WORDS[:4], WORDS[20:], ("b", "A", "c", "D"))
DRAWS = 9999
"""The default of the command."""


@dataclass(frozen=True)
class Table:
    """Rows of answers, with names that stand for themselves: A0, A1 ... are attributes, G0 ... groups, L0 ... labels."""

    rows: pd.DataFrame
    attributes: tuple[str, ...]
    labels: tuple[str, ...]
    outcomes: tuple[tuple[str, tuple[str, ...]], ...]
    """Name with direction, and the labels that count."""
    cluster: bool
    weights: bool
    ordered: bool = False
    """Whether the groups of the first attribute are levels in an order."""


def drawn(seed, kind=None):
    """Draw a table: what its labels are called does not matter here. `kind` says what is known about the truth; None: drawn, too."""
    rng = np.random.default_rng(seed)
    labels = tuple(f"L{i}" for i in range(rng.choice([2, 2, 2, 3, 4])))
    attributes = tuple(f"A{i}" for i in range(rng.choice([1, 1, 2, 2, 3])))
    n = int(rng.choice([200, 600, 1500, 4000]))
    dependent = rng.choice(["none", "none", "none", "cluster", "weights"]) if n <= 600 else "none"  # they cost the more the more there are
    cluster, weights = dependent == "cluster", dependent == "weights"
    rows, person = pd.DataFrame({"id": [f"r{i}" for i in range(n)]}), rng.integers(0, n // 4, n)
    if cluster:
        rows["person"] = [f"p{i}" for i in person]
    for name in attributes:
        groups = int(rng.choice([2, 2, 3, 5]))
        level = rng.choice(groups, n, p=rng.dirichlet(np.full(groups, 5.0)))
        rows[name] = [f"G{i}" for i in (level[person] if cluster else level)]
    share = np.full(len(labels), 1 / len(labels)) if rng.random() < 0.3 else rng.dirichlet(np.full(len(labels), 4.0))
    truth = rng.permutation(np.searchsorted(share.cumsum()[:-1], (np.arange(n) + 0.5) / n))
    wrong = rng.choice([0.004, 0.02, 0.08, 0.3], len(labels))[truth]
    wrong = wrong + rng.choice([0, 0.02, 0.05, 0.2]) * (rows[attributes[0]] == "G1") * (truth == 0)
    given = np.where(rng.random(n) < wrong, rng.integers(0, len(labels), n) if len(labels) > 2 else 1 - truth, truth)
    _add_answers(rows, rng, np.array(labels), truth, given, kind)
    if weights:
        rows["weight"] = rng.choice([0.5, 1.0, 2.0], n)
    named = rng.random() < 0.2
    outcomes = ((str(rng.choice(["bad:low", "good:high", "some"])), tuple(rng.permutation(labels)[: len(labels) // 2])),) if named else ()
    ordered = kind is not None and rows[attributes[0]].nunique() > 2
    return Table(rows, attributes, labels, outcomes, cluster, weights, ordered)


def _add_answers(rows, rng, labels, truth, given, kind):
    """Add true answers and answers, or scores instead of answers; the truth may be unknown, for all rows or some."""
    kind = kind or rng.choice(["both", "both", "both", "no truth", "some truth", "scores", "third answer"])
    if kind != "no truth":
        rows["y_true"] = labels[truth]
    if kind == "some truth":
        rows.loc[rng.random(len(rows)) < 0.2, "y_true"] = ""
    if kind == "truth by answer":
        rows.loc[(given == 0) & (rows["A0"] == "G0") & (rng.random(len(rows)) < 0.6), "y_true"] = ""
    if kind == "scores":
        raw = rng.random((len(rows), len(labels))) * 0.5 + np.eye(len(labels))[given]
        for at, label in enumerate(labels):
            rows[f"score:{label}"] = raw[:, at] / raw.sum(axis=1)
        return
    rows["y_pred"] = labels[given]
    if kind == "third answer":
        rows.loc[rng.random(len(rows)) < 0.03, "y_pred"] = "unclear"


def written(table, folder, seed=None):
    """Write the table for the command, with a seed under other names in another order; return its words, and what names stand for."""
    names, called, rows, attributes = {}, {}, table.rows, [*table.attributes]
    if seed is not None:
        rng = np.random.default_rng(seed)
        names = dict(zip(table.labels, _label_names(rng, len(table.labels)), strict=True))
        called = dict(zip(table.attributes, rng.permutation(WORDS).tolist(), strict=False))
        groups = {name: {f"G{i}": word for i, word in enumerate(rng.permutation(WORDS)[:5])} for name in table.attributes}
        answers = {"y_true": names | {"": ""}, "y_pred": names | {"unclear": "unclear"}}
        rows = rows.assign(**{name: rows[name].map(own) for name, own in (groups | answers).items() if name in rows})
        scores = {f"score:{label}": f"score:{name}" for label, name in names.items()}
        rows = rows.rename(columns=called | scores).sample(frac=1, random_state=seed)
        rows = rows[[*rng.permutation(rows.columns)]]
        attributes = [called[name] for name in rng.permutation(table.attributes)]
    rows.to_csv(folder / "answers.csv", index=False)
    words = ["--predictions", str(folder / "answers.csv"), "--out", str(folder / "out"), f"--attributes={','.join(attributes)}"]
    for name, labels in table.outcomes:
        words += ["--outcome", f"{name}={','.join(names.get(label, label) for label in labels)}"]
    if table.ordered:
        levels = groups["A0"] if seed is not None else {level: level for level in table.rows["A0"]}
        words += ["--ordered", f"{called.get('A0', 'A0')}={','.join(levels[level] for level in sorted(set(table.rows['A0'])))}"]
    words += ["--cluster", "person"] * table.cluster + ["--weights", "weight"] * table.weights
    labels_of, attributes_of = ({new: old for old, new in renamed.items()} for renamed in (names, called))
    return words, labels_of, attributes_of


def _label_names(rng, number):
    return rng.permutation([*next(own for own in rng.permutation(np.array(ANSWERS, object)) if len(own) >= number)])[:number].tolist()


def found(table, folder, seed=None):
    """Audit the table by the command; return the exit code, the verdict, and the findings by what they are about."""
    folder.mkdir()
    words, labels_of, attributes_of = written(table, folder, seed)
    code = main(words)
    audit = json.loads((folder / "out" / "results.json").read_text())["audits"][0]
    occurring = frozenset(table.labels) | ({"unclear"} if (table.rows.get("y_pred", pd.Series()) == "unclear").any() else set())
    outcomes = audit["measurements"][0]["outcomes"]
    findings = {}
    for finding in audit["findings"]:
        labels = frozenset(labels_of.get(label, label) for label in outcomes[finding["outcome"]]) if finding["outcome"] else None
        by = frozenset(attributes_of.get(name, name) for name in finding["attributes"])
        findings[(*_about(finding["metric"], labels, occurring), by)] = finding
    for effect in audit["effects"]:
        labels = frozenset(labels_of.get(label, label) for label in outcomes[effect["outcome"]]) if effect["outcome"] else None
        findings[("trend", *_about(effect["metric"], labels, occurring))] = effect
    return code, audit["verdict"], findings


def _about(metric, labels, occurring):
    """What a finding is about, however it is put: the errors of some true answers, or an answer given or not given."""
    if metric == "true_positive_rate":
        return "errors", labels
    if metric == "false_positive_rate":
        return "errors", occurring - labels
    return metric, labels and frozenset({labels, occurring - labels})


def is_borderline(finding, alpha=0.05):
    """Whether p lies within the Monte Carlo error of the level that decides: random numbers, unlike verdicts, depend on names."""
    gap = finding.get("gap", finding)
    if gap is None or not gap["p"]:
        return False
    p, level = gap["p"], alpha * gap["p"] / gap["p_adjusted"]
    return abs(p - level) <= 5 * (2 * level * (1 - level) / DRAWS) ** 0.5
