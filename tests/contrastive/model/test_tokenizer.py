"""The tokenizer: golden ids, agreement with open_clip, properties of encoding, and training by hand."""

import html
import itertools
import json
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive.model.tokenizer import Tokenizer, byte_letters, clip_tokenizer, join, train_bpe, words
from strictio.errors import UsageError

CAPTIONS = ["a photo of a red circle", "a photo of two blue circles", "it's a woman's bicycle", "über 30 Straßen"]
SMALL = train_bpe(CAPTIONS, vocab_size=560, context=16)


@pytest.fixture(scope="module")
def clip():
    try:
        return clip_tokenizer()
    except UsageError:
        pytest.skip("open_clip_torch is not installed (pip install open_clip_torch)")


@pytest.fixture(scope="module")
def reference(clip):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        import open_clip
    return open_clip.get_tokenizer("ViT-B-32")


def test_golden_ids(clip):
    assert clip(["hello world"])[0, :5].tolist() == [49406, 3306, 1002, 49407, 0]
    assert (clip.vocab_size, clip.eot, clip.context) == (49408, 49407, 77)


VARIED = [
    "a photo of a person", "It's a 2nd-hand CAR &amp;amp; more!!", "  tabs\tand\nnew lines  ", "日本語 テスト", "naïve café ½ ²",
    "emoji 😀👍🏽", "a_b c-d e/f", "I'LL we've they're don't can't", "...", "", "x" * 40, "Ⅷ ٣", "<|endoftext|> <|startoftext|>",
    "\u200bzero\u00a0width\u2003space", "&lt;b&gt; &#39;quoted&#39;", "Z͑ͫ̓a͙͖l̲̗g͔o", "0123456789", "İstanbul ẞ",
]  # fmt: skip


@pytest.mark.parametrize("text", VARIED)
def test_ids_equal_those_of_open_clip(clip, reference, text):
    assert clip([text]).tolist() == reference([text]).tolist()


@pytest.mark.parametrize("text", ["ǅ", "“curly” quotes’", "\x00 control \x1f\x85 marks", "ﬁne ＦＵＬＬ", "schÃ¶n"])
def test_ids_differ_from_open_clip_only_where_ftfy_repairs(clip, reference, text, monkeypatch):
    assert clip([text]).tolist() != reference([text]).tolist()
    monkeypatch.setattr(reference, "clean_fn", lambda raw: " ".join(html.unescape(html.unescape(raw)).split()).lower())
    assert clip([text]).tolist() == reference([text]).tolist()


@pytest.mark.slow
@given(st.text())
@settings(max_examples=50, deadline=None)
def test_decoding_gives_the_words_back(text):
    assert SMALL.decode(SMALL.encode(text)) == " ".join(words(text))


@pytest.mark.slow
@given(st.text())
@settings(max_examples=1000, deadline=None)
def test_decoding_gives_the_words_of_many_texts_back(text):
    assert SMALL.decode(SMALL.encode(text)) == " ".join(words(text))


@given(st.text(alphabet=st.characters(), max_size=40))
@settings(max_examples=200, deadline=None)
def test_every_row_ends_in_the_context_with_the_largest_id(text):
    row = SMALL([text], truncate=True)[0]
    assert row.shape == (16,)
    assert row[0] == SMALL.eot - 1
    assert (row == SMALL.eot).sum() == 1
    assert row.max() == SMALL.eot == SMALL.vocab_size - 1
    assert not row[int(row.argmax()) + 1 :].any()


def test_words_and_ids_by_hand():
    assert words("It&amp;#39;s   2 CATS!") == ["it", "'s", "2", "cats", "!"]  # unescaped twice: &amp;#39; -> &#39; -> '
    assert words("30a_b--") == ["3", "0", "a", "_", "b", "--"]  # digits one by one; letters in runs; the rest in runs
    assert words(" \n ") == []
    assert max(SMALL.encode("<|endoftext|>")) < SMALL.eot - 1  # a text cannot hold a special token
    assert SMALL.encode("\ud800") == SMALL.encode("?")  # a lone surrogate
    assert SMALL.encode("A  Red\tCIRCLE ") == SMALL.encode("a red circle")
    assert SMALL.decode(SMALL(["a red circle"])[0].tolist()) == "a red circle"  # without start, end and padding


def test_a_long_text_is_refused_or_its_last_id_becomes_the_end():
    with pytest.raises(ValueError, match="a text of 22 tokens is longer than the context of 16"):
        SMALL(["7" * 20])
    row = SMALL(["7" * 20], truncate=True)[0].tolist()
    seven = SMALL.encode("7")[0]
    assert row == [SMALL.eot - 1, *[seven] * 14, SMALL.eot]
    assert SMALL(["7" * 14])[0].tolist() == SMALL(["7" * 15], truncate=True)[0].tolist()  # one that just fits is not cut
    assert (SMALL([]).shape, SMALL([]).dtype) == ((0, 16), torch.int64)


def test_ids_before_any_merge_are_those_of_bytes():
    bare = train_bpe([], vocab_size=514, context=8)
    letters = list(byte_letters().values())
    # "ab": "a" stands inside, "b" ends the word; "a" is the 65th printable byte from "!" (0x61 - 0x21 = 64)
    assert bare.encode("ab") == [64, 256 + 65]
    assert letters[64:66] == ["a", "b"]


def test_training_by_hand():
    # ab: 3 times, abc: once. (a, b</w>) 3, (a, b) 1, (b, c</w>) 1: one merge; pairs seen once stay apart.
    tokenizer = train_bpe(["ab ab", "AB abc"], vocab_size=600, context=8)
    assert tokenizer.merges == ("a b</w>",)
    assert tokenizer.vocab_size == 515
    assert len(tokenizer.encode("ab")) == 1
    assert len(tokenizer.encode("abc")) == 3


def test_equally_frequent_pairs_go_by_alphabet_not_by_order():
    assert train_bpe(["xy ab", "xy ab"], vocab_size=516, context=8).merges == ("a b</w>", "x y</w>")
    assert train_bpe(["ab xy", "ab xy"], vocab_size=515, context=8).merges == ("a b</w>",)
    assert train_bpe(CAPTIONS[::-1], 560, 16) == SMALL
    assert train_bpe((caption.upper() for caption in CAPTIONS), 560, 16) == SMALL


def test_counts_follow_the_merges():
    # aaab twice, bab twice, aab twice. (a, b</w>): 6, (a, a): 4 + 2 = 6, (b, a): 2. The tie goes to (a, a) < (a, b</w>).
    # Then aa a b, b a b, aa b: (a, b</w>) 4, (aa, a) 2, (aa, b</w>) 2, (b, a) 2.
    # Then aa ab, b ab, aa b: (aa, ab</w>) 2, (aa, b</w>) 2, (b, ab</w>) 2, by alphabet.
    merges = train_bpe(["aaab bab aab"] * 2, vocab_size=519, context=8).merges
    assert merges == ("a a", "a b</w>", "aa ab</w>", "aa b</w>", "b ab</w>")


@given(st.lists(st.text(alphabet="ab ", max_size=12), max_size=8))
@settings(max_examples=150, deadline=None)
def test_training_equals_counting_all_pairs_anew_before_each_merge(captions):
    assert train_bpe(captions, 530, 8).merges == plainly_trained(captions, 16)


def plainly_trained(captions, limit):
    """Byte-pair training as the paper states it, for words of plain letters."""
    spelled = [(*word[:-1], word[-1] + "</w>") for caption in captions for word in words(caption)]
    merges = []
    while len(merges) < limit:
        counts = {}
        for symbols in spelled:
            for pair in itertools.pairwise(symbols):
                counts[pair] = counts.get(pair, 0) + 1
        made = {merge.replace(" ", "") for merge in merges}
        candidates = [pair for pair, count in counts.items() if count > 1 and "".join(pair) not in made]
        if not candidates:
            break
        best = min(candidates, key=lambda pair: (-counts[pair], pair))
        spelled = [join(symbols, best) for symbols in spelled]
        merges.append(" ".join(best))
    return tuple(merges)


def test_every_word_is_one_id_when_single_pairs_are_merged_and_a_vocabulary_below_the_bytes_is_refused():
    tokenizer = train_bpe(CAPTIONS, vocab_size=700, context=16, min_count=1)
    assert all(len(tokenizer.encode(word)) == 1 for caption in CAPTIONS for word in words(caption))
    assert len(tokenizer.encode("bicycle")) == 1 < len(SMALL.encode("bicycle"))
    with pytest.raises(UsageError, match="vocab_size must be at least 514"):
        train_bpe(CAPTIONS, 513, 16)


def test_a_tokenizer_survives_json_and_its_hash_follows_merges_and_context_only():
    assert Tokenizer.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL
    assert train_bpe(CAPTIONS, 560, 16).sha256 == SMALL.sha256
    assert train_bpe(CAPTIONS, 520, 16).sha256 != SMALL.sha256
    assert train_bpe(CAPTIONS, 560, 17).sha256 != SMALL.sha256
    before = SMALL.sha256
    SMALL.encode("something new")
    assert SMALL.sha256 == before


@pytest.mark.parametrize("merges", [["ab"], ["a b c"], [" a"], ["a "], ["a  b"], [""], ["a b", "a b"], [7], "a b"])
def test_impossible_merges_are_refused(merges):
    with pytest.raises(UsageError):
        Tokenizer.from_dict({"merges": merges, "context": 8})
