"""SocialCounterfactuals in Parquet shards with the images in them: eighteen sets of two kinds; one image of a set is missing."""

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.planted import picture

OCCUPATIONS = ("barber", "CEO", "Architect", "plumber")
RACES = ("White", "Black", "Indian", "Asian", "Middle Eastern", "Latino")
TRAITS = ("skinny", "obese", "young", "old")


def rows():
    for number in range(18):
        kind, values = ("physical_trait", TRAITS) if number % 6 == 5 else ("race", RACES)
        for value in values:
            for gender in ("male", "female"):
                caption = f"A photo of a {value} {gender} {OCCUPATIONS[number % 4]}"
                if (number, value, gender) != (0, "Latino", "female"):
                    yield {
                        "counterfactual_set": number, "a1_type": kind, "a1": value, "a2_type": "gender", "a2": gender, "caption": caption,
                    }  # fmt: skip


def make(folder):
    (folder / "data").mkdir()
    made = [{**row, "image": {"bytes": picture(i), "path": f"{i}.png"}} for i, row in enumerate(rows())]
    for shard, part in enumerate((made[:50], made[50:])):
        pq.write_table(pa.Table.from_pylist(part), folder / "data" / f"train-{shard:05d}-of-00002.parquet", row_group_size=40)
    return ["--data", str(folder)]
