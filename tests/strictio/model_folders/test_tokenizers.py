"""A tokenizer of a stranger: what it makes of a text is bounded, and so is the time that it takes."""

import base64
import copy
import json
import pickle
import resource
import struct
import time

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from audit.errors import UnsafeError
from audit.models.huggingface.parts import load_tokenizer
from strictio.model_folders import tokenizers as texts
from strictio.model_folders.tokenizers import bounded_tokenizer

LETTERS = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz ?")}


def tokenizer(**parts):
    backend = Tokenizer(models.WordLevel(LETTERS, unk_token="?"))
    for name, part in parts.items():
        setattr(backend, name, part)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", pad_token="?")


def charsmap(longest):
    """SentencePiece's format: the size of a table, the table, texts that end in 0."""
    return struct.pack("<I", 4) + bytes(4) + b"a\0" + b"b" * longest + b"\0"


def replacing(times, steps):
    return normalizers.Sequence([normalizers.Replace("a", "a" * times)] * steps)


def test_a_bounded_tokenizer_is_the_same_tokenizer(tmp_path):
    plain, made = tokenizer(), bounded_tokenizer(tokenizer())
    assert type(made).__name__ == type(plain).__name__
    assert isinstance(made, PreTrainedTokenizerFast)
    text = ["a b", "c"]
    assert made(text, padding=True)["input_ids"] == plain(text, padding=True)["input_ids"]
    assert made("a b")["input_ids"] == plain("a b")["input_ids"]
    made.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("a b")["input_ids"] == plain("a b")["input_ids"]


@pytest.mark.slow_except(
    "parts0-normalizer that multiplies texts",
    "parts1-normalizer that multiplies texts",
    "parts2-normalizer that multiplies texts",
    "parts3-multiplies texts",
    "parts4-multiplies texts",
    "parts5-decoder that multiplies texts",
    "parts6-normalizer that is too long",
)
@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"normalizer": replacing(10, 9)}, "normalizer that multiplies texts"),
        ({"normalizer": normalizers.Replace("a", "b" * 50_000)}, "normalizer that multiplies texts"),
        ({"normalizer": normalizers.Replace(Regex(""), "b" * 50_000)}, "normalizer that multiplies texts"),
        ({"normalizer": normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", "\ufdfa")] * 8)}, "multiplies texts"),
        ({"normalizer": normalizers.Sequence([replacing(10, 3), normalizers.Sequence([replacing(10, 3)])])}, "multiplies texts"),
        ({"decoder": decoders.Sequence([decoders.Replace("a", "a" * 10)] * 9)}, "decoder that multiplies texts"),
        ({"normalizer": normalizers.Replace("a", "b" * 200_000)}, "normalizer that is too long"),
        (
            {"post_processor": processors.TemplateProcessing(single="?:0 " * 20_000 + "$A", special_tokens=[("?", 27)])},
            "post_processor that is too long",
        ),
    ],
)
def test_what_could_multiply_a_text_is_refused_when_it_is_loaded(tmp_path, parts, says):
    tokenizer(**parts).save_pretrained(tmp_path)
    with pytest.raises(UnsafeError, match=says) as caught:
        load_tokenizer(tmp_path)
    assert caught.value.where == str(tmp_path / "tokenizer.json")
    assert caught.value.exit_code == 4


def test_a_precompiled_map_is_bounded_by_its_longest_text(tmp_path):
    step = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap(18)).decode()}
    texts.check_part("normalizer", {"type": "Sequence", "normalizers": [step, {"type": "NFKC"}]}, tmp_path)
    step["precompiled_charsmap"] = base64.b64encode(charsmap(30_000)).decode()
    with pytest.raises(UnsafeError, match="can lengthen a text 30,000 times"):
        texts.check_part("normalizer", step, tmp_path)


@pytest.mark.parametrize("charsmap", ["/////w==", "AAAA", "no base 64!"])
def test_a_damaged_map_is_refused_before_tokenizers_ends_the_process(tmp_path, charsmap):
    tokenizer().save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UnsafeError, match="damaged map of characters"):
        load_tokenizer(tmp_path)


def test_a_vocabulary_with_too_many_added_tokens_is_refused(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["added_tokens"] = [{"id": 28 + number, "content": f"<{number}>"} for number in range(texts.MAX_ADDED + 1)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UnsafeError, match="adds 50,001 tokens"):
        load_tokenizer(tmp_path)


def test_a_sentencepiece_file_is_looked_into(tmp_path):
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    proto.normalizer_spec.precompiled_charsmap = charsmap(77)
    (tmp_path / "spiece.model").write_bytes(proto.SerializeToString())
    assert texts._charsmap_growth(texts._charsmap_of(tmp_path / "spiece.model"), tmp_path) == 77


def test_a_text_that_grows_too_much_is_refused_and_an_ordinary_one_is_read(tmp_path):
    """Nine times is let through for a word, and not for a page."""
    made = bounded_tokenizer(tokenizer(normalizer=replacing(9, 1)))
    assert len(made("aa")["input_ids"]) == 1
    with pytest.raises(UnsafeError, match="normalizer multiplies texts") as caught:
        made(["b", "a" * 2000])
    assert "18,000 characters of the 2,000" in caught.value.why


def test_a_pattern_without_end_is_refused_and_not_waited_for(tmp_path, monkeypatch, capfd):
    """It tries a million ways from every letter of a text; Oniguruma gives up after ten million, by a panic that is no Exception."""
    monkeypatch.setattr(texts, "DEADLINE_S", 0.5)
    slow = pre_tokenizers.Split(Regex(r"(?:.|.){0,19}(?:\d|Z)"), "isolated")
    made, began = bounded_tokenizer(tokenizer(pre_tokenizer=slow)), time.monotonic()
    with pytest.raises(UnsafeError, match="does not end"):
        made(["a photo of a b c f g aifjaei fja " * 20])
    assert time.monotonic() - began < 10
    monkeypatch.setattr(texts, "DEADLINE_S", 60.0)
    panics = bounded_tokenizer(tokenizer(pre_tokenizer=pre_tokenizers.Split(Regex(r"(?:.|.)*(?:\d|Z)"), "isolated")))
    with pytest.raises(UnsafeError, match="a pattern that does not end"):
        panics("a photo of a person at work in a kitchen")
    capfd.readouterr()  # what Rust prints of its panic


def test_a_text_that_takes_too_long_is_not_read_on_in_the_background(monkeypatch):
    monkeypatch.setattr(texts, "DEADLINE_S", 0.2)
    slow = bounded_tokenizer(tokenizer(pre_tokenizer=pre_tokenizers.Split(Regex(r"(?:.|.){0,19}(?:\d|Z)"), "isolated")))
    with pytest.raises(UnsafeError, match="does not end"):
        slow(["a photo of a b c f g aifjaei fja " * 20])
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    time.sleep(0.3)
    assert time.process_time() - sum(used[0][:2]) < 0.1
    assert not slow.backend_tokenizer._child[1].runs
    assert sum(used[1][:2]) > 0.2  # it was reaped, and waits for nothing


PATTERN = {"type": "Split", "pattern": {"Regex": r"[\p{L}\p{N}]" * 7000}, "behavior": "Isolated", "invert": False}
"""Of 91 kilobytes, which take 120 megabytes to compile; a file may have hundreds."""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: {"pre_tokenizer": PATTERN}, "takes too much memory"),
        (
            lambda: {"model": {"type": "WordLevel", "vocab": {str(number): number for number in range(500_000)}, "unk_token": "1"}},
            "ends the process",
        ),
    ],
)
def test_a_tokenizer_that_its_library_does_not_survive_is_built_in_a_child_first(tmp_path, monkeypatch, content, says):
    tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | content()))
    monkeypatch.setattr(texts, "MAX_MEMORY", 2**26)
    with pytest.raises(UnsafeError, match=says):
        load_tokenizer(tmp_path)


def test_what_a_child_reads_is_what_the_tokenizer_itself_reads():
    """Every field that transformers asks for, with pairs, parts that overflow, truncation and padding."""
    parts = {"post_processor": processors.TemplateProcessing(single="? $A ?", pair="? $A ? $B:1 ?", special_tokens=[("?", 27)])}
    parts |= {"normalizer": normalizers.Lowercase(), "pre_tokenizer": pre_tokenizers.Split("", "isolated")}
    plain, made = tokenizer(**parts), bounded_tokenizer(tokenizer(**parts))
    fields = {f"return_{name}": True for name in ("token_type_ids", "special_tokens_mask", "offsets_mapping", "length")}
    calls = [
        (("Ab c",), {}), ((["a", "bcd ef"],), {"padding": True}), ((["a", "b"], ["c d", "e"]), {"padding": "max_length", "max_length": 12}),
        ((["abcdefghij", "kl"],), {"truncation": True, "max_length": 5, "stride": 1, "return_overflowing_tokens": True}),
        ((["a"],), {"add_special_tokens": False}), (("x?\u00e4\U0001f600 " * 300,), {}),
    ]  # fmt: skip
    for words, options in calls:
        for _ in range(2):
            assert made(*words, **options, **fields).data == plain(*words, **options, **fields).data
    assert made.decode([0, 27, 1], skip_special_tokens=True) == plain.decode([0, 27, 1], skip_special_tokens=True)
    assert made.batch_decode([[0, 1], [2]]) == plain.batch_decode([[0, 1], [2]])
    for one in (plain, made):
        one.add_tokens(["photo"])
    assert made("a photo")["input_ids"] == plain("a photo")["input_ids"]
    assert copy.deepcopy(made)("a photo")["input_ids"] == pickle.loads(pickle.dumps(made))("a photo")["input_ids"]
    assert len(made) == len(plain) == 29
    read, expected = made("Ab c", add_special_tokens=True), plain("Ab c", add_special_tokens=True)
    assert [read.char_to_token(place) for place in range(5)] == [expected.char_to_token(place) for place in range(5)]


def test_a_decoder_without_end_is_refused(capfd):
    made = tokenizer(decoder=decoders.Replace(Regex(r"(?:.|.)*(?:\d|Z)"), "x"))
    made.add_tokens(["a photo of a person at work in a kitchen"])
    with pytest.raises(UnsafeError, match="a pattern that does not end"):
        bounded_tokenizer(made).decode([len(made) - 1])
    assert bounded_tokenizer(tokenizer()).decode([0, 1]) == "a b"
    capfd.readouterr()


def test_many_slow_texts_are_refused_as_one_that_never_ends_is(monkeypatch):
    monkeypatch.setattr(texts, "DEADLINE_S", 0.2)
    monkeypatch.setattr(texts, "DEADLINE_PER_TEXT_S", 10.0)
    slow = bounded_tokenizer(tokenizer(pre_tokenizer=pre_tokenizers.Split(Regex(r"(?:.|.){0,17}(?:\d|Z)"), "isolated")))
    text = "a photo of a person at work in a kitchen, a photo of a person at work in a kitchen"
    with pytest.raises(UnsafeError, match="far longer than texts need"):
        [slow(text) for _ in range(100)]


def test_an_error_of_a_tokenizer_is_its_own(tmp_path):
    with pytest.raises((TypeError, ValueError)):
        bounded_tokenizer(tokenizer())(3.5)
