"""DataComp's web datasets: classes and templates of the data are asked, what numbers stand for is said, and by command it all runs."""

import json

import pytest

import probes
from audit.errors import DataError
from audit.run import main
from audit.types import LoadOptions
from tests.support.command import command
from tests.support.planted import MODELS, picture
from tests.support.web_datasets import benchmark_set, npy, served, tar


def loaded(location):
    return probes.get("zeroshot").load(LoadOptions(str(location)))


def refusal(folder):
    with pytest.raises(DataError) as error:
        loaded(folder)
    return str(error.value)


def faces(folder):
    """Write eight faces in the layout of DataComp's FairFace: numbers of age, gender, race and whether race is the second."""
    (folder / "test").mkdir(parents=True)
    classes = {"race": ["black", "white"], "gender": ["male", "female"], "age": ["0-2", "3-9"], "toxic": ["human", "animal"]}
    (folder / "classnames.txt").write_text("".join(f"{word}:{name}\n" for word, names in classes.items() for name in names))
    (folder / "zeroshot_classification_templates.txt").write_text("".join(f"{word}:a photo of a {{c}} person\n" for word in classes))
    (folder / "test" / "nshards.txt").write_text("1")
    rows = [(age, gender, race, int(race != 1)) for age in (0, 1) for gender in (0, 1) for race in (0, 1)]
    members = []
    for number, row in enumerate(rows):
        members += [(f"s{number}.png", picture(number)), (f"s{number}.npy", npy(row))]
    tar(folder / "test" / "0.tar", members)
    return folder


def test_classes_and_templates_are_those_of_the_data(tmp_path):
    found = loaded(benchmark_set(tmp_path / "wds_geode_test"))
    assert len(found.images) == 60
    assert found.attributes.loc["s0000001"].to_dict() == {"class": "cup", "region": "0", "country": "0"}
    probe = probes.get("zeroshot").fitted(found)
    (asked,) = probe.measurements
    assert asked.label_set.labels == ("boat", "cup", "traffic light")
    assert asked.label_set.prompts["cup"] == ("a photo of a cup.", "an image of cup")
    assert {(claim.metric, claim.by) for claim in asked.claims} == {("accuracy", ("region",)), ("true_positive_rate", ("region",))}
    assert list(probe.analyses[0].conditions) == ["one template", "all 2 templates"]
    assert "other prompt templates than those of the data" in probe.not_tested


def test_the_numbers_of_faces_are_named_by_their_classes_and_each_attribute_is_asked(tmp_path):
    found = loaded(faces(tmp_path / "wds_fairface_test"))
    assert found.attributes.iloc[1].to_dict() == {"age": "0-2", "gender": "male", "race": "white", "race_binary": "white"}
    assert found.attributes["race_binary"].tolist()[:2] == ["not white", "white"]
    probe = probes.get("zeroshot").fitted(found)
    assert [(measurement.name, measurement.infers, measurement.label_set.labels) for measurement in probe.measurements] == [
        ("age", "age", ("0-2", "3-9")), ("gender", "gender", ("male", "female")), ("race", "race", ("black", "white")),
    ]  # fmt: skip
    assert probe.measurements[1].label_set.prompts["female"] == ("a photo of a female person",)
    assert any(each.startswith("toxic: the data bring prompts") for each in probe.not_tested)


@pytest.mark.slow
def test_a_set_is_audited_by_command(tmp_path):
    folder = benchmark_set(tmp_path / "wds_geode_test", n=160)
    (tmp_path / "models.py").write_text(MODELS.format(probe="zeroshot", data=str(folder)))
    flags = ["--probe", "zeroshot", "--data", folder, "--out", tmp_path / "out", "--no-cache"]
    ran = command("--model", f"{tmp_path / 'models.py'}:Stereotyper", *flags)
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    assert result["data"]["used"] == 160
    (finding,) = (each for each in result["findings"] if each["metric"] == "accuracy")
    assert (finding["attributes"], finding["verdict"]) == (["region"], "disparity")
    assert result["measurements"][0]["preset"].startswith("templates of the data ")


def test_a_set_behind_a_url_is_the_same(tmp_path):
    folder = benchmark_set(tmp_path / "wds_geode_test")
    with served(tmp_path) as (url, _):
        found = loaded(f"{url}/wds_geode_test")
        assert found.fingerprint == loaded(folder).fingerprint
        assert found.images[59] == loaded(folder).images[59]


def test_what_is_wrong_with_a_set_is_named(tmp_path, capsys):
    folder = benchmark_set(tmp_path / "wds_geode_test")
    (folder / "test" / "nshards.txt").write_text("3")
    assert "the shard '2.tar' is missing" in refusal(folder)
    assert main(["--model", "x.pt", "--probe", "zeroshot", "--data", str(folder), "--out", str(tmp_path / "out")]) == 3
    assert "2.tar" in capsys.readouterr().err
    (folder / "test" / "nshards.txt").write_text("many")
    assert "holds 'many'" in refusal(folder)
    (folder / "test" / "nshards.txt").unlink()
    assert len(loaded(folder).images) == 60
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of {c}\na photo\n")
    assert "a template without a place for the class" in refusal(folder)
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of {c}\n")
    (folder / "classnames.txt").write_text("boat\n")
    assert "the number '1' stands for nothing" in refusal(folder)
    (folder / "classnames.txt").write_text("\n")
    assert "classnames.txt is empty" in refusal(folder)
