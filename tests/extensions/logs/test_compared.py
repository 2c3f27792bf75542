"""Two logs compared: what changed over all samples is told, whatever can be said of groups."""

import audit
from reports.exports.terminal.changes import comparison_lines


def test_a_log_that_is_worse_over_all_samples_is_called_worse(lines, tmp_path):
    """Of 64 documents, 22 of the 44 answers that were right are wrong after: 34.4 points, and 64 are too few to say anything of groups."""

    def worse(objects):
        right = [line for line in objects if line["filter"] == "strict" and line["exact_match"]]
        for line in right[::2]:
            other = {"yes": "no", "no": "yes"}[line["target"]]
            line |= {"filtered_resps": [other], "resps": [[other]], "exact_match": 0.0}
        return objects

    asked = {"filter": "strict", "attributes": ("race",), "independent": True, "min_group_size": 5}
    before = audit.audit(predictions=lines("faces_words", lambda objects: objects), **asked)
    (tmp_path / "after").mkdir()
    moved = lines("faces_words", worse).rename(tmp_path / "after" / "samples_faces_words_2026-11-30T12-34-57.227000.jsonl")
    after = audit.audit(predictions=moved, **asked)
    compared = audit.compare(before, after)
    (comparison,) = compared.facts.comparisons
    change = next(change for change in comparison.changes if change.metric == "accuracy")
    printed = " ".join(comparison_lines(compared.facts).split())

    assert (change.overall.gained, change.overall.lost, change.overall.before.n) == (0, 22, 64)
    assert change.overall.p < 0.001
    assert change.verdict == "inconclusive"
    assert "↓ Over all images, accuracy fell by " in printed
    assert printed.index("fell by") < printed.index("Inconclusive between groups.")
