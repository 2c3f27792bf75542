"""Generative models of several classes: likelihoods as in a plain loop, reuse that changes no number, and strangers' templates."""

import csv
import functools
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from audit.errors import DataError, UnsafeError
from audit.extensions.generative.kind import is_generative
from audit.extensions.generative.self_check import choose_batches
from audit.measure.asked.questionnaire import questionnaire
from audit.models import load
from audit.run import main
from audit.types import Question, Writer
from probes.faces.fairface import PROBE
from tests.support.generative_models import CAUSAL, ENCODER_DECODER, TEXT, chat, tokenizer
from tests.support.model_folders import edited, noise, refused, saved
from tests.support.notes import sentences
from tests.support.tiers import first

HARM = next(measurement for measurement in questionnaire(PROBE, 0).probe.measurements if measurement.name == "harm-21").asked
SHORT = Question("Who is this?\n- man\n- a suspicious person", ("man", "a suspicious person"))
LOOK = Question("Look. Is it an animal?", ("an animal", "unclear"))


CLASSES = (*CAUSAL, *ENCODER_DECODER)
NAMED = ("llava", "qwen2_5_vl", "idefics3")
"""The three that run the whole probe."""


@pytest.fixture
def copy(folders, tmp_path):
    """A copy of the LLaVA folder, to be spoilt."""
    return Path(shutil.copytree(folders("llava"), tmp_path / "copy"))


def pictures() -> list[Image.Image]:
    return noise((40, 40), (50, 70), (90, 30), seed=5)


@functools.cache
def by_transformers(folder: Path):
    return hf.AutoModelForImageTextToText.from_pretrained(folder).eval(), hf.AutoProcessor.from_pretrained(folder)


def plain_loop(folder: Path, image: Image.Image, question: Question) -> list[float]:
    """Score each option by one full forward pass over the processor's own reading of image, question and option together."""
    model, processor = by_transformers(folder)
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.text}]}]
    prompt = processor.apply_chat_template(said, add_generation_prompt=True)
    means = []
    for option in question.options:
        inputs = processor(images=[image], text=[prompt + option], return_tensors="pt")
        alone = processor(images=[image], text=[prompt], return_tensors="pt")["input_ids"].shape[1]
        ids = inputs["input_ids"][0]
        with torch.inference_mode():
            chances = model(**inputs).logits[0].log_softmax(-1)
        means.append(np.mean([float(chances[place - 1, ids[place]]) for place in range(alone, len(ids))]))
    return means


# ---- the numbers ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", CAUSAL)
def test_likelihoods_are_those_of_a_plain_loop_of_full_forward_passes(models, folders, name):
    for image in pictures()[1:]:
        (row,) = models(name).log_likelihoods([image], [SHORT, LOOK])
        np.testing.assert_allclose(row, plain_loop(folders(name), image, SHORT) + plain_loop(folders(name), image, LOOK), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_the_harm_labels_have_the_likelihoods_of_a_plain_loop(models, folders, name):
    assert len(HARM.options) == 22
    (row,) = models(name).log_likelihoods(pictures()[:1], [HARM])
    np.testing.assert_allclose(row, plain_loop(folders(name), pictures()[0], HARM), atol=1e-5)
    assert row.std() > 1e-3  # otherwise anything would be equal


@pytest.mark.slow_except("question-llava")
@pytest.mark.parametrize("name", first(["llava", "gemma3"], of=[*NAMED, "internvl", "gemma3"]))
@pytest.mark.parametrize("reuse", ["question", "nothing"])
def test_reuse_of_the_cache_gives_the_same_numbers(models, name, reuse):
    model = models(name)
    assert model.reuse == "all"
    reused = model.log_likelihoods(pictures(), [SHORT, HARM, LOOK])
    model.reuse = reuse
    try:
        without = model.log_likelihoods(pictures(), [SHORT, HARM, LOOK])
    finally:
        model.reuse = "all"
    np.testing.assert_allclose(reused, without, atol=1e-5)
    assert np.abs(reused[0] - reused[1]).max() > 1e-3  # and it looks at the image


@pytest.mark.slow
def test_a_class_whose_cache_does_not_serve_takes_full_passes_and_says_so(models):
    model = models("mllama")
    assert model.reuse == "nothing"
    assert any("cannot be reused" in note and "full forward pass" in note for note in sentences(model.record.notes))


def test_a_label_costs_its_own_tokens_only(models, monkeypatch):
    model = models("llava")
    model.log_likelihoods(pictures()[:1], [SHORT, LOOK])  # made ready
    tokens = []
    network = model.scorer._model
    forward = network.forward

    @functools.wraps(forward)
    def counting(*args, **kwargs):
        tokens.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", counting)
    model.log_likelihoods(pictures()[:1], [SHORT, LOOK])
    prompts = [model.prompt(question) for question in (SHORT, LOOK)]
    shared = 2  # <user> and <image>
    # The image's 16 tokens and <user> once; then each question's own words; then, of each option that has more than one token, all but the
    # last, side by side and padded to the longest.
    steps = [(1, 17)]
    for prompt in prompts:
        longer = [option for option in prompt.options if len(option) > 1]
        steps.append((1, len(prompt.ids) - shared))
        steps.append((len(longer), max(map(len, longer)) - 1))
    assert tokens == steps


@pytest.mark.slow_except("llava", "internvl")
@pytest.mark.parametrize("name", CLASSES)
def test_images_are_read_together_and_each_has_the_numbers_that_it_has_alone(models, name, monkeypatch):
    model, images = models(name), noise((40, 40), (50, 70), (90, 30), (40, 40), (50, 70), seed=5)
    sizes = []
    read = model.scorer.in_full if model.reuse == "nothing" else model.scorer.read
    monkeypatch.setattr(model.scorer, read.__name__, lambda inputs, *rest: sizes.append(len(inputs["input_ids"])) or read(inputs, *rest))
    together = model.log_likelihoods(images, [SHORT, LOOK])
    assert max(sizes) >= 2  # those of one size at least; where every image becomes one size, all five
    sizes.clear()
    alone = np.concatenate([model.log_likelihoods([image], [SHORT, LOOK]) for image in images])
    assert set(sizes) == {1}
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[3]).max() > 1e-4  # and two of one size are two images
    assert model.log_likelihoods([], [SHORT, LOOK]).shape == (0, 4)


@pytest.mark.slow_except("llava")
@pytest.mark.parametrize("name", [*NAMED, "instructblip_t5"])
def test_what_is_written_about_images_together_is_what_is_written_about_each(models, name, monkeypatch):
    model, images = models(name), noise((40, 40), (50, 70), (40, 40), seed=5)
    monkeypatch.setattr(model, "max_new_tokens", 8)
    together = model.write(images, ["Describe it.", "a photo of"])
    assert together == [model.write([image], ["Describe it.", "a photo of"])[0] for image in images]
    assert together[0] != together[2]
    assert model.write([], ["a photo of"]) == []


def test_a_text_that_ends_before_another_is_not_continued_by_what_pads_it(models):
    writer = models("llava")._writer
    end, word, other = models("llava")._tokenizer.convert_tokens_to_ids(["<end>", "Ġman", "Ġwoman"])
    assert writer._up_to_end([word, end, other, end]) == [word]
    assert writer._up_to_end([word, other]) == [word, other]


def test_fewer_tokens_at_once_read_fewer_images_at_once(models, monkeypatch):
    model, images = models("llava"), noise(*[(40, 40)] * 5, seed=5)
    whole = model.log_likelihoods(images, [SHORT])
    monkeypatch.setattr(model, "tokens_at_once", 2 * model.read(images[0], model.prompt(SHORT))["input_ids"].shape[1] + 1)
    read, sizes = model.scorer.read, []
    monkeypatch.setattr(model.scorer, "read", lambda inputs: sizes.append(len(inputs["input_ids"])) or read(inputs))
    np.testing.assert_allclose(model.log_likelihoods(images, [SHORT]), whole, atol=1e-5)
    assert sizes == [2, 2, 1]


def test_a_class_whose_images_change_one_another_reads_each_alone(folders, monkeypatch):
    """As one would that does not tell whose pixels are whose: every image of a batch gets the first one's."""
    model, (first, second) = load(str(folders("llava"))), noise((40, 40), (40, 40), seed=5)
    alone = model.log_likelihoods([second], [SHORT])
    network, forward = model.scorer._model, model.scorer._model.forward

    @functools.wraps(forward)
    def mixing(**inputs):
        if "pixel_values" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"][:1].expand_as(inputs["pixel_values"])
        return forward(**inputs)

    monkeypatch.setattr(network, "forward", mixing)
    choose_batches(model)
    assert model.tokens_at_once == 0
    np.testing.assert_array_equal(model.log_likelihoods([first, second], [SHORT])[1:], alone)


def test_less_memory_takes_options_in_parts_and_changes_nothing(models, monkeypatch):
    model = models("llava")
    whole = model.log_likelihoods(pictures()[:1], [HARM])
    rest, rows = model.scorer._rest, model.scorer.rows

    def small(reached, options):
        if len(options) > 5:
            raise RuntimeError("CUDA out of memory")
        return rest(reached, options)

    monkeypatch.setattr(model.scorer, "_rest", small)
    np.testing.assert_allclose(model.log_likelihoods(pictures()[:1], [HARM]), whole, atol=1e-6)
    assert model.scorer.rows <= 5
    model.scorer.rows = rows


@pytest.mark.slow_except("llava", "idefics3")
@pytest.mark.parametrize("name", NAMED)
def test_what_is_written_is_the_most_likely_token_again_and_again(models, name, monkeypatch):
    """Compared with full forward passes over the image, the prompt and what was written so far."""
    model, image, prompt = models(name), pictures()[1], "Describe this picture in one sentence."
    assert isinstance(model, Writer)
    monkeypatch.setattr(model, "max_new_tokens", 8)
    ((text, other),) = model.write([image], [prompt, "a photo of"])
    assert text != other
    inputs, ids = model.read(image, model.prompt(Question(prompt, ()))), []
    with torch.inference_mode():
        for _ in range(8):
            ids.append(int(model.scorer.chances_along(inputs, [*ids, 0])[0, -1].argmax()))
    assert text == model._tokenizer.decode(ids, skip_special_tokens=True).strip()


@pytest.mark.slow
def test_half_precision_is_what_dtype_says(folders):
    model = load(str(folders("llava")), dtype="bfloat16")
    row = model.log_likelihoods(pictures()[:1], [SHORT])
    assert model.record.dtype == "bfloat16"
    assert model.scorer._model.dtype == torch.bfloat16
    np.testing.assert_allclose(row[0], plain_loop(folders("llava"), pictures()[0], SHORT), atol=0.2)


# ---- the whole way ------------------------------------------------------------------------------------------------------------------

HARM_PROBE = """
from dataclasses import replace
from probes.faces.fairface import PROBE as WHOLE
harm = tuple(measurement for measurement in WHOLE.measurements if measurement.name == "harm-21")
PROBE = replace(WHOLE, name="harm", measurements=harm, specifications=(), published=())
"""


@pytest.fixture
def audited(folders, tmp_path, capsys):
    """Run the command with the harm labels of the probe ``fairface``; return the one audit of its results."""

    def run(name: str, data: Path, *flags: str):
        (tmp_path / "harm.py").write_text(HARM_PROBE)
        words = ["--probe", str(tmp_path / "harm.py"), "--data", str(data), "--out", str(tmp_path / "out"), *flags]
        assert main(["--model", str(folders(name)), *words]) == 0, capsys.readouterr().err
        (audit,) = json.loads((tmp_path / "out" / "results.json").read_text())["audits"]
        return audit, (tmp_path / "out" / "report.html").read_text()

    return run


def made_up(folder: Path) -> Path:
    """Twelve pictures of noise with the columns of FairFace."""
    (folder / "val").mkdir(parents=True)
    rng = np.random.default_rng(8)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "age", "gender", "race", "service_test"])
        for row in range(12):
            Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(folder / "val" / f"{row}.png")
            table.writerow([f"val/{row}.png", ["20-29", "3-9"][row % 2], ["Male", "Female"][row // 6], ["White", "Black"][row % 2], "True"])
    return folder


def check_harm_audit(audit, page, n):
    ids = {finding["id"]: finding for finding in audit["findings"]}
    for name in ("harm-21/selection_rate[crime-related]", "harm-21/selection_rate[unclear]", "harm-21: order/selection_rate[same answer]"):
        assert sum(rate["n"] for rate in ids[f"{name}/race"]["by_group"]) == n
    assert audit["measurements"][0]["asked"] == HARM.text
    assert len(audit["measurements"][0]["labels"]) == 22
    assert sum(audit["measurements"][0]["answer_counts"].values()) == n
    assert "How the model was prompted" in page
    assert "- a suspicious person<br>" in page
    assert "mean log-likelihood" in page


@pytest.mark.parametrize("name", first(["llava"], of=NAMED))
def test_the_harm_labels_run_from_folder_to_report(audited, tmp_path, name):
    audit, page = audited(name, made_up(tmp_path / "data"), "--min-group-size", "2")
    check_harm_audit(audit, page, 12)
    assert "(generative)" in audit["model"]["kind"]


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.parametrize("name", NAMED)
def test_the_harm_labels_run_on_the_fairface_images(audited, fairface_dir, name):
    limit = () if name == "llava" else ("--limit", "60")  # all 180 once
    audit, page = audited(name, fairface_dir, *limit)
    check_harm_audit(audit, page, 60 if limit else 180)


# ---- strangers' folders ---------------------------------------------------------------------------------------------------------------


def test_a_model_that_does_not_look_is_refused(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    blind = {name: torch.zeros_like(weight) if "projector" in name else weight for name, weight in weights.items()}
    save_file(blind, copy / "model.safetensors", metadata={"format": "pt"})
    refused(copy, DataError, "do not depend on the image")


@pytest.mark.slow
def test_without_a_template_the_model_is_asked_plainly_and_the_record_says_so(copy):
    (copy / "chat_template.jinja").unlink()
    model = load(str(copy))
    assert "“<image>⏎Question: {question}⏎Answer:”" in sentences(model.record.asked)[0]
    assert "no chat template" in sentences(model.record.asked)[0]
    # The frame ends in a word, so an option begins with a blank: " man" is one token of this tokenizer, "man" is three.
    assert list(map(len, model.prompt(Question("Who?", ("man", "a man"))).options)) == [1, 2]
    # A template for text alone gets the placeholder as text.
    (copy / "chat_template.jinja").write_text("{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}{{ '\\n' }}me:")
    assert "“user: <image>⏎{question}⏎me:”" in sentences(load(str(copy)).record.asked)[0]


@pytest.mark.slow
def test_the_same_model_elsewhere_is_the_same_model_and_with_another_template_another_one(copy, models):
    assert load(str(copy)).record.fingerprint == models("llava").record.fingerprint
    (copy / "chat_template.jinja").write_text(chat("<image>").replace("<assistant>", "<assistant>Answer: "))
    assert load(str(copy)).record.fingerprint != models("llava").record.fingerprint


@pytest.mark.parametrize("file", ["config.json", "processor_config.json", "tokenizer_config.json"])
def test_a_folder_that_asks_for_code_is_refused(copy, file):
    edited(copy / file, {"auto_map": {"AutoModel": "evil.Model"}})
    refused(copy, UnsafeError, "auto_map")


def test_weights_that_do_not_fit_or_are_not_safetensors_are_refused(copy):
    edited(copy / "config.json", {"text_config.num_hidden_layers": 3})
    refused(copy, DataError, "do not fit the configuration")
    (copy / "model.safetensors").write_bytes(b"\x80\x04\x95" + struct.pack("<Q", 9) * 9)
    refused(copy, UnsafeError, "not one")


def test_a_language_model_is_told_from_one_that_sees(tmp_path):
    words = tokenizer()
    saved(tmp_path, hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, vocab_size=len(words))), words)
    refused(tmp_path, DataError, "'llama' reads texts alone")


def test_a_question_that_is_too_long_or_has_the_models_own_marks_is_refused(models):
    wrong = (("Is it <image>?", "<image>"), ("Yes.<assistant>No.", "<assistant>"), ("man " * 2100, "too long for this model"))
    for text, says in wrong:
        with pytest.raises(DataError, match=says):
            models("llava").log_likelihoods(pictures()[:1], [Question(text, ("man", "woman"))])
        with pytest.raises(DataError, match=says):  # before the first image, by the check of a run
            models("llava").check_questions([Question("Who?", ("man", "woman")), Question(text, ("man", "woman"))], ())
        with pytest.raises(DataError, match=says):
            models("llava").check_questions((), ["Who is it?", text])
    models("llava").check_questions([Question("Who is it?", ("man", "woman"))], ["Describe."])


@pytest.mark.parametrize(
    ("content", "generative_"),
    [
        ({"model_type": "llava"}, True), ({"model_type": "qwen2_5_vl"}, True), ({"model_type": "clip"}, False),
        ({"model_type": "llama"}, False), ({"model_type": 7}, False), ({}, False),
        ({"model_type": "blip", "architectures": ["BlipForConditionalGeneration"]}, True),
        ({"model_type": "blip", "architectures": ["BlipForImageTextRetrieval"]}, False),
    ],
)  # fmt: skip
def test_what_a_folder_is_stands_in_its_configuration(content, generative_):
    assert is_generative(content) is generative_
