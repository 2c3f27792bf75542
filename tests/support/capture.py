"""Capture what the public commands find and write, and compare two captures: what a refactoring must not change.

Facts are compared number by number; pages, summaries, cards and what is printed byte by byte, without times, paths, and hashes of them.

``python -m tests.support.capture OUT_DIR`` runs the commands; it skips what is finished, so it goes on where it stopped. ``--only NAME``
captures a few, ``--models DIR`` takes trained models from elsewhere. ``python -m tests.support.capture --compare BEFORE AFTER`` compares.
"""

import argparse
import difflib
import json
import os
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.support.commands import EXIT, FACTS, ROOT, STDERR, STDOUT, commands, make_files, run

FACT_FILES = (*FACTS, "mitigation.json", "watch.json", "plan.lock.json", "words.json")
COMPARED = (*FACT_FILES, "predictions.parquet", EXIT)
WRITTEN = ("*.html", "*.md", "tables/*", "junit.xml", STDOUT, STDERR)
FAILURES = ("numbers differing", "codes differing", "tables differing", "exit codes differing", "texts differing", "missing")
say = partial(print, flush=True)

IGNORED = {"timing", "created", "environment", "command", "tool", "schema_version", "sides/sha256", "code_sha256"}
"""Fields that may differ between equal runs or versions, with all below them. ``sides/sha256``: of a results.json, time stamp included; a
model's sha256 and every fingerprint are compared."""
PROSE = {
    "reason", "verdict_reason", "warnings", "notes", "not_compared", "limits", "not_tested", "question", "source", "comparability", "cost",
    "description", "data_card", "title", "needs", "reasons",
}  # fmt: skip
"""Fields of English: texts that differ are counted and never fail. Numbers and lists of groups below them are compared."""
RENAMED: dict[str, str] = {}
"""Old field name -> new field name."""
LEFT_OUT: set[str] = set()
"""Fields, by their old names, that are there before and need not be there after."""
KEYS = (
    ("id",), ("model/name", "probe/name"), ("expression",), ("model", "probe", "finding"), ("finding",),
    ("what_if/method", "what_if/setting"), ("method", "setting"), ("measurement", "outcome", "attributes"),
    ("measurement", "attribute", "first", "second"), ("metric", "outcome", "attributes", "first", "second"),
    ("others",), ("first", "second"), ("group",), ("before/group",), ("preset", "variant"), ("name",), ("label",), ("side",),
    ("probe", "before", "after"), ("probe",), ("measurement",), ("attributes",),
)  # fmt: skip
"""What may tell the records of a list apart, by old names: the first that all have, no two share and nothing sets aside; else the place."""


CHANGING = (
    (r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?)?", "TIME"),
    (r"\d{1,2} [A-Z][a-z]+ \d{4}(,|\\2c ) \d\d(:|\\3a )\d\d UTC", "TIME"),
    (r"(?<=vlm-audit-)[0-9a-f]{12}(?=-)|\b[0-9a-f]{64}\b|\b[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b", "HASH"),
    (r'(?<=_s": )[\d.e-]+', "SPENT"),
    (r"\b\d+(\.\d+)?( |\N{NO-BREAK SPACE}|&nbsp;)?(ms|s|min|seconds|minutes|images/s|/s|MB|GB|MiB|GiB)\b", "SPENT"),
)
"""What differs between equal runs: patterns and what they become."""


def unchanging(text, out):
    """The text without what differs between equal runs in other folders."""
    for folder, name in ((out, "OUT"), (ROOT, "ROOT"), (Path.home(), "HOME")):
        text = text.replace(str(folder), name)
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text)
    return text


def compare_texts(before, after, old, new):
    """Compare two files byte by byte; return counts and what to say."""
    texts = [unchanging(file.read_text("utf-8"), out).splitlines() for file, out in ((old, before), (new, after))]
    lines = [line[:300] for line in difflib.unified_diff(*texts, lineterm="", n=0) if line[:3] not in ("---", "+++")]
    return Counter({"texts": 1, "texts differing": bool(lines)}), [f"{old.name}: {line}" for line in lines[:8]]


def capture(out, models, only):
    """Run what is not there yet; return how many commands failed."""
    make_files(out / "files")
    os.environ["AUDIT_CACHE_DIR"] = str(out / "cache")
    for recipe, more in (("emoji", ["run.keep_every=90"]), ("emoji_balanced", [])) if models is None else ():
        to = out / "models" / recipe.replace("_", "-")
        if not (to / "ckpt.pt").is_file() and not run(["contrastive.train", recipe, f"run.out={to}", *more], to):
            return 1
    wanted = {name: words for name, words in commands(out, models or out / "models").items() if not only or name in only}
    return sum(not run(words, out / name) for name, words in wanted.items() if not (out / name / EXIT).is_file())


def leaves(value, path=()):
    """Yield every (path, leaf): fields by their old names, places in lists as [key]."""
    if isinstance(value, dict):
        old_names = {new: old for old, new in RENAMED.items() if old not in value}
        for name, below in value.items():
            if IGNORED.isdisjoint((name, f"{_field(path)}/{name}")):
                yield from leaves(below, (*path, old_names.get(name, name)))
    elif isinstance(value, list):
        for key, below in zip(_keys(value), value, strict=True):
            yield from leaves(below, (*path, f"[{key}]"))
    else:
        yield path, value


def _keys(items):
    for fields in KEYS if items and all(isinstance(item, dict) for item in items) else ():
        if not (PROSE | LEFT_OUT).isdisjoint("/".join(fields).split("/")):
            continue
        keys = [[_at(item, field) for field in fields] for item in items]
        written = [json.dumps(key, default=str, ensure_ascii=False)[1:-1] for key in keys]
        if len(set(written)) == len(items) and not any(part is ... for key in keys for part in key):
            return written
    return range(len(items))


def _at(item, field):
    for name in field.split("/"):
        item = item.get(name, item.get(RENAMED.get(name), ...)) if isinstance(item, dict) else ...
    return ... if isinstance(item, dict | float) else item


def _field(path):
    return next((name for name in reversed(path) if not name.startswith("[")), "")


def _distance(old, new):
    """Return how far two leaves are apart; None where neither is a number."""
    numbers = [isinstance(leaf, int | float) and not isinstance(leaf, bool) for leaf in (old, new)]
    return abs(old - new) if all(numbers) else float("inf") if any(numbers) else None


def compare_facts(before, after, tolerance):
    """Compare two files of facts; return counts and what to say."""
    first, second = dict(leaves(before)), dict(leaves(after))
    count, shown = Counter(), []
    for path in first.keys() & second.keys():
        old, new = first[path], second[path]
        distance = _distance(old, new)
        prose = distance is None and not PROSE.isdisjoint(path)
        kind = "prose" if prose else "codes" if distance is None else "numbers"
        differs = old != new if distance is None else distance > tolerance
        count[kind] += 1
        count[f"{kind} differing"] += differs
        count["largest"] = max(count["largest"], distance or 0)
        if differs and not prose:
            shown.append(f"{'/'.join(path)}: {old!r} -> {new!r}")
    shown = sorted(shown)[:20]
    gone = [path for path in first.keys() - second.keys() if first[path] is not None]
    for said, paths in (("only before", gone), ("only after", second.keys() - first.keys())):
        if paths:
            shown.append(f"{said}: " + ", ".join(f"{name} {n}" for name, n in Counter(map(_field, paths)).most_common()))
    needed = [path for path in gone if LEFT_OUT.isdisjoint(path) and (PROSE.isdisjoint(path) or not isinstance(first[path], str))]
    count["missing"] += len(needed)
    return count, shown


def compare_rows(before, after, tolerance):
    """Compare two tables of predictions by column, values and metadata; return counts and what to say."""
    first, second = pq.read_table(before), pq.read_table(after)
    wrong = [f"metadata {first.schema.metadata} -> {second.schema.metadata}"] if first.schema.metadata != second.schema.metadata else []
    if first.schema != second.schema or len(first) != len(second):
        wrong.append(f"{len(first)} rows of {first.schema.names} -> {len(second)} rows of {second.schema.names}, or other types")
    for name in first.column_names if not wrong else ():
        if not first[name].equals(second[name]):
            ends = [table[name].combine_chunks() for table in (first, second)]
            near = name.startswith("score:") and ends[0].is_null().equals(ends[1].is_null())
            distance = np.abs(np.subtract(*(end.drop_null().to_numpy() for end in ends))).max() if near else np.inf
            wrong += [f"column {name} differs by {distance:.3g}"] if distance > tolerance else []
    count = Counter({"cells": len(first) * first.num_columns, "tables differing": bool(wrong)})
    return count, [f"predictions.parquet: {each}" for each in wrong]


def compare_all(before, after, only, tolerance):
    """Compare every capture of `before` with that of the same name; return whether nothing that counts differs."""
    total, worst = Counter(), 0.0
    for name in sorted(path.parent.name for path in before.glob(f"*/{EXIT}")):
        if only and name not in only:
            continue
        here, lines = Counter(), []
        for old in (before / name / file for file in COMPARED if (before / name / file).is_file()):
            count, said = compare_files(old, after / name / old.name, tolerance)
            worst = max(worst, count.pop("largest", 0))
            here, lines = here + count, lines + said
        for old in sorted(path for pattern in WRITTEN for path in (before / name).glob(pattern)):
            new = after / old.relative_to(before)
            count, said = compare_texts(before, after, old, new) if new.is_file() else (Counter(missing=1), [f"{old.name} is missing"])
            here, lines = here + count, lines + said
        total += here
        say("\n    ".join([f"{name}: {_told(here)}", *lines]))
    say(f"all: {_told(total)}; largest difference {worst:.3g}")
    return bool(total["numbers"]) and not any(total[each] for each in FAILURES)


def compare_files(old, new, tolerance):
    """Compare two files of one name; return counts and what to say."""
    if not new.is_file():
        return Counter(missing=1), [f"{old.name} is missing"]
    if old.suffix == ".parquet":
        return compare_rows(old, new, tolerance)
    if old.suffix == ".json":
        before, after = (json.loads(each.read_text("utf-8")) for each in (old, new))
        return compare_facts(before, after, tolerance)
    codes = [each.read_text().strip() for each in (old, new)]
    return Counter({"exit codes differing": codes[0] != codes[1]}), ["exit code " + " -> ".join(codes)] * (codes[0] != codes[1])


def _told(count):
    return ", ".join(f"{count[name]:,} {name}" for name in ("numbers", "codes", "prose", "cells", "texts")) + "".join(
        f", {n:,} {name.upper()}" for name, n in count.items() if n and ("differing" in name or name == "missing")
    )


def main():
    """Capture or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, help="folder of the capture")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--only", action="append", metavar="NAME", help="this capture only; repeatable")
    parser.add_argument("--models", type=Path, metavar="DIR", help="trained models of another capture; nothing is trained")
    parser.add_argument("--tolerance", type=float, default=0.0, help="largest difference of two numbers that is none")
    parser.add_argument("--ignore", action="append", default=[], metavar="FIELD", help="as IGNORED: model/sha256, of models trained anew")
    given = parser.parse_args()
    IGNORED.update(given.ignore)
    if given.compare:
        return not compare_all(*(folder.resolve() for folder in given.compare), given.only, given.tolerance)
    given.out or parser.error("name the folder of the capture, or --compare BEFORE AFTER")
    return capture(given.out.resolve(), given.models and given.models.resolve(), given.only) > 0


if __name__ == "__main__":
    sys.exit(main())
