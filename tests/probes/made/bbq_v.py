"""BBQ-V in Parquet shards with the pictures in them: class labels by number, three categories, and groups that a stereotype is about."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from probes.people.bbq_v import CATEGORIES, POLARITIES
from tests.support.planted import picture

GROUPS = (["old"], ["nonOld"]), (["Deaf"], ["D/deaf", "Deaf"]), (["F"], ["M"])
CLASSES = {"category": CATEGORIES, "question_polarity": POLARITIES, "label": ("0", "1", "2")}
KINDS = 34
"""Of questions in each category, each of two pictures, positive and negative."""


def rows():
    for number in range(3 * KINDS * 4):
        category, kind, polarity, place = number % 3, number // 3 % KINDS, number // 3 // KINDS % 2, number // 3 // KINDS // 2
        answers = ["The person on the left", "The person on the right"]
        answers.insert(number % 3, "Cannot be determined")
        groups, does = GROUPS[category][kind % 2], ("cannot play", "knows")[polarity]
        yield {
            "file_name": {"bytes": picture(number), "path": f"{number}.png"},
            "id": f"{category + 1:02d}_{kind:02d}_0001_{polarity}_{place + 1:02d}", "category": category,
            "additional_metadata": repr({"subcategory": "None", "stereotyped_groups": groups, "version": "a"}),
            "question_polarity": polarity, "context": f"Two people wait, {kind}.", "question": f"Who {does} game {kind}?",
            **{f"ans{i}": answer for i, answer in enumerate(answers)}, "label": number % 3,
        }  # fmt: skip


def make(folder):
    (folder / "data").mkdir()
    features = {name: {"names": list(names), "_type": "ClassLabel"} for name, names in CLASSES.items()}
    table = pa.Table.from_pylist(list(rows())).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "data" / "real-00000-of-00001.parquet", row_group_size=100)
    return ["--data", str(folder)]
