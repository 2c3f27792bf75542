"""Probes of what a model can do: any labelled pictures, the digits of scikit-learn, counting, and words of two senses."""

import numpy as np
import pytest

import audit
import probes
from audit.analyses.plans import NaturalShiftPlan
from audit.errors import DataError, UsageError
from audit.extensions.capability import EXTENSION
from audit.extensions.capability.labelled import TEMPLATES, class_words
from audit.extensions.capability.limits import COUNTS, SENSES, spots
from audit.extensions.capability.open_clip_prompts import imagenet_name
from audit.measure.classified.questions import classified_probe
from audit.probe.check import mistakes
from audit.types import UNKNOWN, LoadOptions
from reports.exports.card import card
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from strictio.images.decode import decode
from tests.support.notes import sentences
from tests.support.page_text import text_of
from tests.support.planted import Refuser, picture


def test_a_folder_of_class_folders_is_its_own_groups(tmp_path):
    for kind, n in (("cup", 3), ("apple", 2)):
        (tmp_path / kind).mkdir()
        for number in range(n):
            (tmp_path / kind / f"{number}.png").write_bytes(picture(len(kind) * 10 + number))
    probe = probes.get("zeroshot")
    found = probe.load(LoadOptions(str(tmp_path)))
    assert found.attributes["class"].tolist() == ["apple"] * 2 + ["cup"] * 3
    (asked,) = probe.fitted(found).measurements
    assert [claim.by for claim in asked.claims] == [("class",)]
    assert asked.label_set.prompts["apple"][0] == "a photo of an apple"


def test_what_is_asked_follows_the_data(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    rows = [f"{i}.png,{'cup' if i % 2 else 'traffic_light'},{'north' if i < 3 else 'south'},{i}" for i in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,region,code", *rows]))
    probe = probes.get("robustness")
    fitted = probe.fitted(probe.load(LoadOptions(str(tmp_path))))
    (asked,), (plan, attacked) = fitted.measurements, fitted.analyses
    assert asked.truth == "label"
    assert set(asked.label_set.labels) == {"cup", "traffic_light"}
    assert plan.by == ("region", "code")
    assert plan.words["traffic_light"] == "traffic light"
    assert (len(plan.corruptions), plan.parameters, plan.normalized_by) == (15, "ImageNet-C", None)
    assert attacked.budgets == (1.0, 2.0, 4.0)


def test_columns_of_conditions_are_natural_shifts_from_the_standard_or_the_commonest_one(tmp_path):
    """Of six pictures four are by day, and the source that is called standard is the rarer one; a column of one level is no condition."""
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    rows = [f"{i}.png,{'ab'[i % 2]},{'night' if i > 3 else 'day'},{'web' if i else 'standard'},x" for i in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,class,light,source,device", *rows]))
    probe = probes.get("robustness")
    plans = [plan for plan in probe.fitted(probe.load(LoadOptions(str(tmp_path)))).analyses if isinstance(plan, NaturalShiftPlan)]
    assert [(plan.column, plan.standard, plan.by) for plan in plans] == [("source", "standard", ("light",)), ("light", "day", ("source",))]


def test_zero_shot_is_also_asked_in_the_templates_of_open_clip(tmp_path):
    """Of 1,000 classes named by number the names are ImageNet's: 0 is a tench, 207 a golden retriever."""
    metadata = pytest.importorskip("open_clip.zero_shot_metadata", reason="open_clip is not installed")
    for kind in ("cup", "traffic_light"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "0.png").write_bytes(picture(len(kind)))
    probe = probes.get("zeroshot")
    (plan,) = probe.fitted(probe.load(LoadOptions(str(tmp_path)))).analyses
    assert list(plan.conditions) == ["one template", "all 8 templates", "open_clip's 7 templates", "open_clip's 80 templates"]
    expected = tuple(template("traffic light") for template in metadata.OPENAI_IMAGENET_TEMPLATES)
    assert plan.conditions["open_clip's 80 templates"]["traffic_light"] == expected
    numbers = tuple(map(str, range(1000)))
    ids = tuple(f"n{7 * number:08d}" for number in range(1000))
    assert (imagenet_name("0", numbers), imagenet_name(ids[207], ids[::-1])) == ("tench", "Golden Retriever")
    assert (imagenet_name("0", numbers[:10]), imagenet_name(ids[0], ids[:999])) == ("0", ids[0])


def test_columns_with_too_few_or_too_many_levels_are_named(tmp_path):
    for number in range(50):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    rows = [f"{i}.png,{'cup' if i % 2 else 'plate'},{'night' if i % 3 else 'day'},north,c{i}" for i in range(50)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,class,light,region,camera", *rows]))
    probe = probes.get("zeroshot")
    data = probe.load(LoadOptions(str(tmp_path)))
    assert {claim.by for claim in probe.fitted(data).measurements[0].claims} == {("light",)}
    assert "Groups are not compared by 'region' (1 level), 'camera' (50 levels): this probe compares by columns with 2 to 40 levels." in (
        sentences(data.notes)
    )


def test_data_without_classes_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "labels.csv").write_text("image,region\na.png,north\n")
    probe = probes.get("zeroshot")
    with pytest.raises(DataError, match="no column of classes") as caught:
        probe.fitted(probe.load(LoadOptions(str(tmp_path))))
    assert caught.value.fix.startswith("name it, as in --column class=NAME, or call it one of class, label")
    (tmp_path / "labels.csv").write_text("image,class\na.png,cup\n")
    with pytest.raises(DataError, match="fewer than two classes"):
        probe.fitted(probe.load(LoadOptions(str(tmp_path))))


def test_every_template_takes_an_article():
    assert len(set(TEMPLATES)) == 8
    assert all(template.count("{}") == 1 for template in TEMPLATES)
    assert [class_words(word) for word in ("Umbrella", "b{x}")] == ["an Umbrella", "a b(x)"]


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    found = probes.get("zeroshot").load(LoadOptions(None))
    assert len(found.images) == 1797
    assert found.attributes["stroke"].value_counts().min() > 500
    small = np.asarray(decode(found.images[0]).image.convert("L").resize((8, 8)), float)
    assert np.corrcoef(small.ravel(), -load_digits().images[0].ravel())[0, 1] > 0.95


def dark_spots(content):
    """Count connected dark regions."""
    from scipy.ndimage import label

    return label(np.asarray(decode(content).image.convert("L")) < 128)[1]


def test_so_many_spots_are_drawn_as_is_said():
    rng = np.random.default_rng(3)
    assert [dark_spots(spots(many, shape, rng)) for many in range(1, 7) for shape in ("circle", "square")] == sorted([*range(1, 7)] * 2)


def test_limits_holds_every_task():
    probe = probes.get("limits")
    found = probe.load(LoadOptions(None))
    sizes = {name: int((found.attributes[name] != UNKNOWN).sum()) for name in ("digit", "count", "sense")}
    assert sizes == {"digit": 400, "count": 20 * 2 * len(COUNTS), "sense": 2 * len(SENSES)}
    first = list(found.attributes["count"]).index("four")
    assert dark_spots(found.images[first]) == 4
    assert len({bytes(found.images[i]) for i, sense in enumerate(found.attributes["sense"]) if sense != UNKNOWN}) == 2 * len(SENSES)
    with pytest.raises(UsageError, match="takes no --data"):
        probe.load(LoadOptions("somewhere"))


def test_images_without_a_class_are_named_on_every_first_screen(tmp_path):
    """A quarter of 80 images has no class: they are in no question."""
    for number in range(80):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    rows = [f"{i}.png,{['cup', 'bowl', 'plate', ''][i % 4]},{'north' if i < 40 else 'south'}" for i in range(80)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,class,region", *rows]))
    done = audit.audit(model=Refuser(), probe="zeroshot", data=str(tmp_path), draws=99, min_group_size=10)
    texts = text_of(done.to_html()), summary_markdown(done.results), audit_lines(done.results), text_of(card(done.results))
    for text in texts:
        assert "20 of 80 images have no class: no question counts them." in " ".join(text.replace("\xa0", " ").split())


@pytest.mark.slow
def test_a_dataset_made_in_python_is_fitted_too():
    from audit.testing import four_faces

    faces = four_faces(20)
    faces = faces.__class__(**{**vars(faces), "attributes": faces.attributes.rename(columns={"gender": "class"}),
                               "levels": {"race": faces.levels["race"], "class": faces.levels["gender"]}})  # fmt: skip
    done = audit.audit(model=Refuser(), probe="zeroshot", data=faces, draws=99).results.audits[0]
    assert done.measurements[0].labels == ("Female", "Male")
    assert done.analyses["conditions"][0].results[0].verdict == "no signal"


def test_a_probe_about_prompts_names_the_probe_for_classifiers():
    with pytest.raises(UsageError, match="'zeroshot' is not for image classifiers") as caught:
        classified_probe(probes.get("zeroshot"), ("zero", "one"))
    assert "--probe classes" in caught.value.fix


def test_what_is_declared_of_a_probe_is_what_the_probe_says():
    for declared in EXTENSION.probes:
        probe = probes.get(declared.name)
        assert (probe.name, probe.question) == (declared.name, declared.question)
        assert not list(mistakes(probe))
