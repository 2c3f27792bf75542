"""One audit from start to end with numbers that can be checked in the head."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.engine.answers import audit
from audit.errors import DataError, UsageError
from audit.testing import four_faces
from audit.types import Claim, LabelSet, Measurement, Probe, Settings, Specification, SpecificationPlan
from reports.text.notes import sentence

RACE = Claim("accuracy", ("race",))
LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)})
CLAIMS = (RACE, Claim("selection_rate", ("race",), "woman", primary=False))
GENDER = Measurement("gender", "Who?", LABELS, "test v1", CLAIMS, "gender", {"woman": ("Female",)})
PLAN = SpecificationPlan("Who, otherwise?", RACE, (Specification("test v1", "a", GENDER), Specification("test v2", "a", GENDER)), 0)
PROBE = Probe("test", "Who?", lambda _: None, (GENDER,), "made up", "none", ("Nothing.",), ("Everything.",), specifications=(PLAN,))


@pytest.fixture
def run(fake_encoder, tmp_path):
    def run(dataset=None, settings=None):
        return audit(fake_encoder, PROBE, dataset or four_faces(40), settings or Settings(), cache_root=tmp_path / "cache")

    return run


@pytest.mark.slow
def test_accuracy_gap_is_one_half_and_the_selection_rate_counts_answers_not_truth(run):
    # Black: 40 of 80 right (the men are not), White: 80 of 80.
    accuracy, selection = run().result.findings
    by_group = {rate.group: (rate.events, rate.n, rate.value) for rate in accuracy.by_group}
    assert by_group == {("Black",): (40, 80, 0.5), ("White",): (80, 80, 1.0)}
    assert (accuracy.gap.value, accuracy.verdict) == (0.5, "disparity")
    assert accuracy.gap.p == 1 / 10_000  # the smallest that 9,999 draws can give
    # Black: 80 of 80 called women; White: 40 of 80.
    assert ([rate.value for rate in selection.by_group], selection.primary) == ([1.0, 0.5], False)


@pytest.mark.slow
def test_the_order_of_the_images_changes_nothing(run):
    dataset = four_faces(40)
    order = np.random.default_rng(1).permutation(len(dataset.images))
    shuffled = replace(dataset, images=[dataset.images[i] for i in order], attributes=dataset.attributes.iloc[order])
    assert run(shuffled).result == run(dataset).result


@pytest.mark.slow
def test_a_second_run_embeds_nothing_and_finds_the_same(run, fake_encoder):
    first = run()
    seen = sum(fake_encoder.calls)
    second = run()
    assert seen == 2  # two different pictures, whatever the number of rows
    assert sum(fake_encoder.calls) == seen
    assert second.result == first.result


@pytest.mark.slow
def test_a_limited_run_concludes_nothing(run):
    result = run(replace(four_faces(40), limited=True)).result
    assert {result.verdict, *(finding.verdict for finding in result.findings)} == {"inconclusive", "no signal"}


@pytest.mark.slow
def test_groups_below_the_minimum_size_are_shown_but_not_judged(run):
    result = run(four_faces(5)).result  # ten images a race
    assert [rate.status for rate in result.findings[0].by_group] == ["small", "small"]
    assert result.findings[0].by_group[0].value == 0.5
    assert result.findings[0].verdict == result.verdict == "not estimable"


@pytest.mark.slow
def test_an_unreadable_image_is_counted_by_reason_and_group_and_named_in_the_log_only(run, caplog):
    dataset = four_faces(40)
    images = [*dataset.images[:-1], b"not an image"]
    with caplog.at_level("WARNING", "audit"):
        data = run(replace(dataset, images=images)).result.data
    assert caplog.messages == ["left out 1 image (not an image): 159.png"]
    assert "159.png" not in repr(data)
    assert (data.listed, data.used) == (160, 159)
    assert [(sentence(e.reason), e.count, e.by_group["race"]) for e in data.exclusions] == [("not an image", 1, {"White": 1})]


@pytest.mark.slow
def test_too_many_unreadable_images_stop_the_audit(run):
    with pytest.raises(DataError):
        run(replace(four_faces(40), images=[b"not an image"] * 160))


@pytest.mark.slow
def test_specifications_with_the_same_words_give_the_same_point_and_the_record_holds_the_exact_prompts_and_the_answers(run):
    result = run().result
    [curve], [record] = result.specifications, result.measurements
    assert [point.difference for point in curve.points] == [0.5, 0.5]
    assert (curve.first, curve.second, curve.share_same_sign) == (("White",), ("Black",), 1.0)
    assert record.prompts == {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)}
    assert (record.answer_counts, record.near_ties) == ({"Female": 120, "Male": 40}, 0.0)


def test_a_probe_may_name_its_clusters(fake_encoder, tmp_path):
    # Forty pictures of each kind, but only twenty scenes with two copies of the four kinds each.
    dataset = four_faces(40)
    scenes = dataset.attributes.assign(scene=[str(row // 8) for row in range(160)])
    dataset = replace(dataset, attributes=scenes, levels={**dataset.levels, "scene": tuple(map(str, range(20)))})
    probe = replace(PROBE, cluster="scene", specifications=())
    result = audit(fake_encoder, probe, dataset, Settings(), cache_root=tmp_path / "cache").result
    assert (result.data.cluster, result.data.clusters) == ("scene", 20)
    assert [(rate.n, rate.clusters) for rate in result.findings[0].by_group] == [(80, 20), (80, 20)]
    assert result.findings[0].verdict == "disparity"
    with pytest.raises(UsageError, match="person"):
        audit(fake_encoder, replace(probe, cluster="person"), dataset, Settings(), cache_root=tmp_path / "cache")


@pytest.mark.slow
def test_fairface_as_parquet_in_the_hubs_schema_gives_the_findings_of_the_csv(fairface_dir, fake_encoder, tmp_path):
    import datasets

    from audit.types import LoadOptions
    from probes import faces
    from probes.faces import fairface

    table = pd.read_csv(fairface_dir / "labels.csv", dtype=str, keep_default_na=False)
    names = {"age": faces.AGES, "gender": faces.HUB_GENDERS, "race": faces.HUB_RACES}
    classes = {name: datasets.ClassLabel(names=list(known)) for name, known in names.items()}
    features = datasets.Features(image=datasets.Image(), **classes, service_test=datasets.Value("bool"))
    columns = {
        "image": [{"bytes": (fairface_dir / name).read_bytes(), "path": name} for name in table["file"]],
        **{name: [features[name].str2int(value) for value in table[name]] for name in names},
        "service_test": [value == "True" for value in table["service_test"]],
    }
    datasets.Dataset.from_dict(columns, features).to_parquet(tmp_path / "validation-00000-of-00001.parquet")
    encoder = type(fake_encoder)({"man": [1.0, 0.2, 0.0], "": [0.2, 1.0, 0.3]})

    csv, parquet = (
        audit(encoder, fairface.PROBE, fairface.load(LoadOptions(str(folder))), Settings(draws=199), cache_root=tmp_path / "cache").result
        for folder in (fairface_dir, tmp_path)
    )

    assert (csv.findings, csv.specifications) == (parquet.findings, parquet.specifications)
    assert csv.data.fingerprint == parquet.data.fingerprint
