"""Tables with the columns of published data sets and tools: about which of them may rows belong together, and which are left alone.

The headers are those that are published; the cells are drawn. A table gets answers, true answers and a group as people add them.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from tests.support.house import ROOT

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "answers.csv"
N = 240
RNG = np.random.default_rng(11)
ROW = np.arange(N)


def drawn(*levels):
    """A level for each row."""
    return np.array(levels, object)[RNG.integers(0, len(levels), N)]


def texts(form, numbers=ROW):
    """A text for each row: the form with its number, also in hexadecimal."""
    return [form.format(int(one), hex=f"{int(one) * 2654435761 % 2**64:016x}") for one in numbers]


def each(rows):
    """The number of each row's unit, if a unit has so many rows."""
    return ROW // rows


def shared(share, rows=2):
    """The number of each row's unit, if this share of the rows is in units of several."""
    return np.where(share * N > ROW, ROW // rows, ROW)


def words(numbers):
    """A word without digits for each number."""
    return [f"{chr(97 + int(one) // 26)}{chr(97 + int(one) % 26)}bey" for one in numbers]


SIDES = dict(zip(("XMin", "XMax", "YMin", "YMax"), RNG.random((4, N)).round(4), strict=True))

ALONE = {
    "FairFace: fairface_label_val.csv": {
        "file": texts("val/{}.jpg"),
        "age": drawn("0-2", "3-9", "20-29"),
        "gender": drawn("Male", "Female"),
        "race": drawn("White", "Indian"),
        "service_test": drawn(True, False),
    },
    "UTKFace: file names, split": {
        "filename": texts("26_1_2_2017011618423{:04}.jpg.chip.jpg"),
        "age": RNG.integers(1, 90, N),
        "gender": drawn("0", "1"),
        "race": drawn("0", "1", "2"),
        "date": texts("2017011618423{:04}"),
    },
    "CelebA: list_attr_celeba.csv": {
        "image_id": texts("{:06}.jpg"),
        "Bald": drawn(-1, 1),
        "Male": drawn("-1", "1"),
        "Young": drawn("-1", "1"),
        "Smiling": drawn(-1, 1),
    },
    "ImageNet: validation predictions": {
        "filename": texts("ILSVRC2012_val_{:08}.JPEG"),
        "wnid": texts("n{:08}", 1440764 + each(4)),
        "class_index": each(4),
        "synset": drawn("tench", "goldfish"),
    },
    "iNaturalist: one photo per observation": {
        "observation_uuid": texts("{hex}"),
        "photo_id": 7000 + ROW,
        "taxon_id": 47000 + each(6),
        "observer": drawn("a", "b"),
    },
    "Fitzpatrick17k: fitzpatrick17k.csv": {
        "md5hash": texts("{hex}{hex}"),
        "fitzpatrick_scale": RNG.integers(1, 7, N),
        "label": drawn("eczema", "psoriasis"),
        "nine_partition_label": drawn("inflammatory", "malignant"),
        "url": texts("https://www.dermaamin.com/site/{}.jpg"),
    },
    "DDI: ddi_metadata.csv": {
        "DDI_ID": 1 + ROW,
        "DDI_file": texts("{:06}.png"),
        "skin_tone": drawn(12, 34, 56),
        "malignant": drawn(True, False),
        "disease": drawn("melanoma", "nevus"),
    },
    "SCIN: scin_cases.csv": {
        "case_id": texts("-{}"),
        "source": drawn("SCIN"),
        "release": drawn("1.0.0"),
        "year": drawn(2023),
        "age_group": drawn("18", "30"),
        "sex_at_birth": drawn("MALE", "FEMALE"),
        "image_1_path": texts("dataset/images/{}.png"),
    },
    "Hateful Memes: dev_seen.jsonl": {
        "id": 10000 + ROW,
        "img": texts("img/{:05}.png"),
        "label": drawn(0, 1),
        "text": texts("it is their day {}"),
    },
    "MMBench: MMBench_DEV_EN.tsv": {
        "index": ROW,
        "question": texts("Which is number {}?"),
        "hint": drawn(""),
        "A": drawn("x", "y"),
        "B": drawn("x", "y"),
        "category": texts("skill_{}", each(12)),
        "l2-category": drawn("coarse", "fine"),
        "split": drawn("dev"),
    },
    "MMMU: validation": {
        "id": texts("validation_Accounting_{}"),
        "question": texts("What is {}?"),
        "question_type": drawn("multiple-choice", "open"),
        "subfield": drawn("Managerial", "Financial"),
        "subject": drawn(
            "Accounting", "Art", "Biology", "Chemistry", "Design", "Geography", "History", "Math", "Music", "Physics", "Sociology"
        ),
        "topic_difficulty": drawn("Easy", "Hard"),
    },
    "MMLU: results by subject": {
        "subject": np.array(
            ["abstract_algebra", "anatomy", *(f"high_school_{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(7))], object
        )[ROW % 58],
        "question": texts("What is {}?"),
    },
    "SEED-Bench: question types": {"question_id": texts("{}_0"), "question_type_id": 1 + ROW % 12, "data_type": drawn("image", "video")},
    "VizWiz-VQA: val.json": {
        "image": texts("VizWiz_val_{:08}.jpg"),
        "question": texts("What is this {}?"),
        "answer_type": drawn("other", "yes/no"),
        "answerable": drawn(0, 1),
    },
    "BBQ: Age.jsonl": {
        "example_id": ROW,
        "question_index": 1 + each(10),
        "question_polarity": drawn("neg", "nonneg"),
        "context_condition": drawn("ambig", "disambig"),
        "category": drawn("Age"),
        "ans0": drawn("The grandfather", "The grandson"),
    },
    "WinoBias: sentences": {
        "document_id": texts("wb/{}"),
        "sentence": texts("The mechanic called number {} to inform her."),
        "occupation": texts("job {}", each(4)),
        "pronoun": drawn("he", "she"),
        "type": drawn("pro", "anti"),
    },
    "Winogender: all_sentences.tsv": {
        "sentid": texts("technician.customer.{}.male.txt"),
        "sentence": texts("The technician told {} that it is done."),
    },
    "Open LLM Leaderboard: details of a task": {
        "doc_id": ROW,
        "doc_hash": texts("{hex}{hex}"),
        "prompt_hash": texts("{hex}a"),
        "target_hash": texts("{hex}", ROW % 4),
        "filter": drawn("none"),
        "acc": RNG.random(N).round(3),
    },
    "HELM: display_predictions.json": {
        "instance_id": texts("id{}"),
        "train_trial_index": drawn(0),
        "predicted_text": drawn("A", "B"),
        "mapped_output": drawn("yes", "no"),
    },
    "DataComp: metadata": {
        "uid": texts("{hex}{hex}"),
        "url": texts("https://example.org/{}.jpg"),
        "text": texts("a photo {}"),
        "original_width": RNG.integers(200, 900, N),
        "clip_b32_similarity_score": RNG.random(N).round(4),
        "sha256": texts("{hex}{hex}{hex}{hex}"),
    },
    "GeoDE: index.csv": {
        "file_path": texts("images/Africa_bag_{:06}.jpg"),
        "object": drawn("bag", "stove"),
        "region": drawn("Africa", "Europe"),
        "ip_country": texts("Country{}", each(8)),
        "Unnamed: 0": ROW,
    },
    "Places365: places365_val.txt": {"file": texts("Places365_val_{:08}.jpg"), "scene": words(each(3)), "category_id": each(3)},
    "COCO gender and skin: one person per image": {"id": 139 + ROW * 7, "gender": drawn("Male", "Female"), "skin": drawn("Light", "Dark")},
    "a survey of few photographers": {"path": texts("a/{}.jpg"), "photographer": drawn("ann", "bob", "eve"), "camera_id": ROW % 6},
}
"""Every row is an image of its own, or what repeats is a category or is crossed with all images by design."""

TOGETHER = {
    "CelebA with identity_CelebA.txt": ("identity", {"image_id": texts("{:06}.jpg"), "identity": 1 + each(3), "Male": drawn("-1", "1")}),
    "COCO captions: captions_val2017.json": (
        "image_id",
        {"image_id": 179765 + each(5), "id": 38 + ROW, "caption": texts("A black Honda motorcycle {} parked in a garage.")},
    ),
    "Flickr30k: results.csv": (
        "image_name",
        {
            "image_name": texts("{}92795.jpg", each(5)),
            "comment_number": ROW % 5,
            "comment": texts("Two young guys {} look at their hands."),
        },
    ),
    "MIAP: open_images_extended_miap_boxes_val.csv": (
        "ImageID",
        {
            "ImageID": texts("{hex}", each(2)),
            "LabelName": drawn("/m/01g317"),
            **SIDES,
            "IsOccluded": drawn(0, 1),
            "GenderPresentation": drawn("Predominantly Feminine", "Predominantly Masculine"),
            "AgePresentation": drawn("Adult", "Young"),
        },
    ),
    "PHASE: people in GCC": (
        "image_id",
        {
            "image_id": texts("{:09}", each(2)),
            "region_id": ROW % 2,
            "skin": drawn("1", "5"),
            "gender": drawn("man", "woman"),
            "age": drawn("adult", "child"),
        },
    ),
    "FACET: annotations.csv": (
        "filename",
        {"person_id": ROW, "filename": texts("sa_{}.jpg", shared(0.6)), "class1": drawn("nurse", "singer"), "hair_color_red": drawn(0, 1)},
    ),
    "VQA v2: results with their questions": (
        "image_id",
        {"question_id": 262148000 + ROW, "image_id": 262148 + each(4), "answer_type": drawn("other", "number")},
    ),
    "TextVQA: val.json": (
        "image_id",
        {"question_id": 34602 + ROW, "image_id": texts("{hex}", shared(0.6)), "question": texts("What is {} brand?")},
    ),
    "GQA: val_balanced": (
        "imageId",
        {"question_id": texts("05515{:04}"), "imageId": texts("n{}", each(3)), "types": drawn("query", "verify")},
    ),
    "POPE: coco_pope_random.json": (
        "image",
        {
            "question_id": ROW,
            "image": texts("COCO_val2014_{:012}.jpg", each(6)),
            "text": texts("Is there a number {}?"),
            "label": drawn("yes", "no"),
        },
    ),
    "MME: existence": (
        "image",
        {"category": drawn("existence", "count"), "image": texts("{:06}.jpg", each(2)), "question": drawn("Is it?", "Are they?")},
    ),
    "MS-COCO retrieval: ranks": (
        "query_id",
        {"query_id": each(10), "rank": 1 + ROW % 10, "retrieved": texts("{}.jpg", RNG.permutation(N))},
    ),
    "Visual Genome: objects": ("image_id", {"object_id": 1058498 + ROW, "image_id": 1 + each(8), "names": drawn("man", "woman")}),
    "CheXpert with patient ids": (
        "patient_id",
        {
            "Path": texts("CheXpert-v1.0/valid/{}/study1/view1_frontal.jpg"),
            "patient_id": texts("patient{}", 64541 + each(2)),
            "Sex": drawn("Male", "Female"),
            "Frontal/Lateral": drawn("Frontal", "Lateral"),
            "AP/PA": drawn("AP", "PA"),
        },
    ),
    "MIMIC-CXR: metadata.csv": (
        "subject_id",
        {
            "dicom_id": texts("{hex}-{hex}"),
            "subject_id": 10000032 + each(4),
            "study_id": 50414267 + each(2),
            "ViewPosition": drawn("AP", "PA"),
        },
    ),
    "ChestX-ray14: Data_Entry_2017.csv": (
        "Patient ID",
        {
            "Image Index": texts("{:08}_000.png"),
            "Finding Labels": drawn("No Finding", "Mass"),
            "Follow-up #": ROW % 4,
            "Patient ID": 1 + each(4),
            "Patient Age": RNG.integers(1, 90, N),
            "Patient Gender": drawn("M", "F"),
            "View Position": drawn("PA", "AP"),
        },
    ),
    "ISIC 2020: train.csv": (
        "patient_id",
        {
            "image_name": texts("ISIC_{:07}"),
            "patient_id": texts("IP_{:07}", each(12)),
            "sex": drawn("male", "female"),
            "target": drawn(0, 1),
        },
    ),
    "ISIC 2019: metadata": (
        "lesion_id",
        {
            "image": texts("ISIC_{:07}"),
            "age_approx": RNG.integers(0, 17, N) * 5,
            "lesion_id": texts("BCN_{:07}", each(2)),
            "sex": drawn("male", "female"),
        },
    ),
    "HAM10000: HAM10000_metadata.csv": (  # 10,015 images of 7,470 lesions: 4,501 share theirs
        "lesion_id",
        {
            "lesion_id": texts("HAM_{:07}", shared(0.45)),
            "image_id": texts("ISIC_{:07}"),
            "dx": drawn("nv", "mel"),
            "dx_type": drawn("histo", "consensus"),
            "age": RNG.integers(0, 17, N) * 5.0,
            "sex": drawn("male", "female"),
            "localization": drawn("back", "face"),
            "dataset": drawn("vidir_modern", "rosendahl"),
        },
    ),
    "PAD-UFES-20: metadata.csv": (  # 2,298 images of 1,373 patients
        "patient_id",
        {
            "patient_id": texts("PAT_{}", shared(0.6)),
            "lesion_id": 100 + ROW,
            "smoke": drawn("True", "False"),
            "img_id": texts("PAT_{}_1_9.png"),
        },
    ),
    "SCIN: one row per photo": (
        "case_id",
        {"case_id": texts("-{}", each(3)), "image_path": texts("dataset/images/{}.png"), "sex_at_birth": drawn("MALE", "FEMALE")},
    ),
    "iWildCam: train.csv": (
        "seq_id",
        {
            "image_id": texts("{hex}"),
            "category_id": RNG.integers(0, 9, N),
            "datetime": texts("2013-06-05 05:44:{:02}", ROW % 60),
            "location": ROW % 12,
            "seq_id": texts("{hex}-{hex}", each(4)),
            "seq_num_frames": drawn(3, 4),
            "frame_num": ROW % 4,
        },
    ),
    "CivilComments (WILDS): by article": (  # WILDS keeps the comments on an article in one split
        "article_id",
        {
            "id": 5000 + ROW,
            "split": drawn("train", "test"),
            "publication_id": ROW % 9,
            "article_id": 26662 + each(4),
            "toxicity": RNG.random(N).round(3),
        },
    ),
    "Casual Conversations: frames": (
        "subject_id",
        {
            "video": texts("{:04}_00.MP4"),
            "subject_id": texts("{:04}", each(4)),
            "gender": drawn("male", "female"),
            "skin-type": drawn("1", "5"),
        },
    ),
    "Adience: fold_0_data.txt": (
        "user_id",
        {"user_id": texts("{}01258@N03", each(8)), "original_image": texts("9{}_o.jpg"), "face_id": ROW, "gender": drawn("m", "f")},
    ),
    "LFW: lfw_attributes.txt": (
        "person",
        {
            "person": np.array([f"{chr(65 + i)}{chr(97 + j)}ron Eckhart" for i in range(10) for j in range(8)], object)[each(3)],
            "imagenum": 1 + ROW % 3,
            "Male": RNG.random(N).round(4),
            "gender": drawn("m", "f"),
        },
    ),
    "BFW: bfw-datatable.csv": (
        "id1",
        {
            "fold": 1 + ROW % 5,
            "p1": texts("asian_females/n000009/{:04}_02.jpg"),
            "id1": each(6),
            "att1": drawn("asian_females", "white_males"),
        },
    ),
    "Dollar Street: images_v2.csv": (
        "place",
        {
            "id": texts("{hex}{hex}"),
            "country.name": drawn("Peru", "Togo"),
            "place": texts("{hex}5cf0b3a0", each(6)),
            "topics": drawn("Beds", "Stoves"),
        },
    ),
    "HELM: three trials": (
        "instance_id",
        {"instance_id": texts("id{}", each(3)), "train_trial_index": ROW % 3, "predicted_text": drawn("A", "B")},
    ),
}
"""With the column by which rows belong together: people, scenes and images with several rows."""


def asked(columns, *, as_text):
    """The columns about which the program asks: as a note, or by refusing an identifier that repeats."""
    table = pd.DataFrame(columns).assign(y_pred=drawn("yes", "no"), y_true=drawn("yes", "no"), group=drawn("a", "b"))
    try:
        file = load_predictions(table.astype(str) if as_text else table, ColumnOptions())
    except DataError as error:
        return {str(error.fix).rpartition("--cluster ")[2]}
    return {name for note in file.notes if note.code == "undeclared_units" for name in note.values["columns"]}  # noqa: PD011


@pytest.mark.parametrize("layout", ALONE)
def test_no_layout_whose_rows_stand_alone_is_asked_about(layout):
    assert asked(ALONE[layout], as_text=False) == set()
    assert asked(ALONE[layout], as_text=True) == set()


@pytest.mark.parametrize("layout", TOGETHER)
def test_every_layout_with_several_rows_of_a_unit_is_asked_about(layout):
    column, columns = TOGETHER[layout]
    assert column in asked(columns, as_text=False)
    assert column in asked(columns, as_text=True)


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "samples").glob("*/results.json.gz")), ids=lambda path: path.parent.name)
def test_no_sample_of_ours_was_asked_about(path):
    audits = json.loads(gzip.decompress(path.read_bytes()))["audits"]
    assert not [note for audit in audits for note in audit["data"]["notes"] if note["code"] == "undeclared_units"]


def test_the_example_of_the_readme_is_not_asked_about():
    assert "undeclared_units" not in {note.code for note in load_predictions(EXAMPLE, ColumnOptions()).notes}
