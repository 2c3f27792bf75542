"""CLIP's byte-pair tokenizer, and training of a small vocabulary with the same algorithm.

Text is HTML-unescaped twice, white space is collapsed, and characters are lower-cased. Words are extracted with a pattern and encoded as
bytes, which are merged in the order of the merge list. Ids: 256 bytes, 256 word-final bytes, the merges, start of text, end of text
(EOT). EOT is the largest id.

OpenAI's code first repairs text with ``ftfy`` (mojibake, curly quotes, full-width characters). Here it does not, because ids must not
depend on installed packages. Text that ftfy would not change gets the same ids. And "<|endoftext|>" in a text is plain text, so that
captions and labels cannot end a text early.

Source: Radford et al. 2021, section 2.4; Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
"""

from __future__ import annotations

import gzip
import heapq
import html
import importlib.util
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import regex  # type: ignore[import-untyped]
import torch
from pydantic import Field, StrictStr
from torch import Tensor

from contrastive.model.architecture import Size, Stored
from strictio.errors import UsageError
from strictio.limits import LIMIT
from strictio.schema import record, sha256_of_json

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
END_OF_WORD = "</w>"
CLIP_MERGES = 48_894
CACHED_WORDS = 100_000  # number of words with cached ids; an unbounded cache would grow with the captions

Symbols = tuple[str, ...]


def byte_letters() -> dict[int, str]:
    """Return byte -> printable character: itself if printable, else one from U+0100 on, in the order of the ids.

    Examples
    --------
    >>> letters = byte_letters()
    >>> letters[ord("a")], letters[ord(" ")], len(set(letters.values()))
    ('a', 'Ġ', 256)
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


BYTE_LETTERS = byte_letters()
LETTER_BYTES = {letter: byte for byte, letter in BYTE_LETTERS.items()} | {" ": ord(" ")}


def words(text: str) -> list[str]:
    """Return the words that are tokenized, in order.

    Examples
    --------
    >>> words("It&amp;#39;s   2 CATS!")
    ['it', "'s", '2', 'cats', '!']
    """
    plain = " ".join(html.unescape(html.unescape(text)).split()).lower()
    return list(WORDS.findall(plain))


def spell(word: str) -> Symbols:
    """Return a word's bytes as characters; the last one has the end-of-word mark."""
    letters = [BYTE_LETTERS[byte] for byte in word.encode("utf-8", errors="replace")]
    return (*letters[:-1], letters[-1] + END_OF_WORD)


@record
class Tokenizer(Stored):
    """Converts texts to ids.

    Examples
    --------
    >>> tokenizer = train_bpe(["a red circle", "a blue circle"], vocab_size=530, context=8)
    >>> tokenizer.decode(tokenizer.encode("A blue   CIRCLE"))
    'a blue circle'
    """

    PLACE = "tokenizer"
    merges: Annotated[tuple[StrictStr, ...], Field(max_length=LIMIT)]  # pairs in order of rank, as ``"left right"``
    context: Size
    kind: Literal["clip-bpe"] = "clip-bpe"

    def __post_init__(self) -> None:
        if self.context < 2:
            raise UsageError("tokenizer.context must be at least 2", why="start and end of text take one id each")
        if not all(0 < merge.find(" ") == merge.rfind(" ") < len(merge) - 1 for merge in self.merges):
            raise UsageError("every one of tokenizer.merges must be two symbols with a blank between them")
        if len(self.ids) != self.vocab_size:
            raise UsageError("tokenizer.merges must make each symbol once")

    @property
    def vocab_size(self) -> int:
        return 512 + len(self.merges) + 2

    @property
    def eot(self) -> int:
        return self.vocab_size - 1

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text` without start and end."""
        return [id_ for word in words(text) for id_ in self._encode_word(word)]

    def length(self, text: str) -> int:
        """Return the number of tokens of `text`, with start and end."""
        return len(self.encode(text)) + 2

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words joined by spaces, up to the first end of text, without start of text."""
        symbols = []
        for id_ in ids:
            if id_ == self.eot:
                break
            if id_ != self.eot - 1:
                symbols.append(self._symbols[id_])
        content = bytes(LETTER_BYTES[letter] for symbol in symbols for letter in symbol.replace(END_OF_WORD, " "))
        return content.decode("utf-8", errors="replace").strip()

    def __call__(self, texts: Sequence[str], truncate: bool = False) -> Tensor:
        """Return int64[n, context]: start, ids, end, then zeros. `ValueError` for a long text, unless `truncate` (ends with EOT)."""
        rows = torch.zeros(len(texts), self.context, dtype=torch.long)
        for i, text in enumerate(texts):
            ids = [self.eot - 1, *self.encode(text), self.eot]
            if len(ids) > self.context:
                if not truncate:
                    raise ValueError(f"a text of {len(ids)} tokens is longer than the context of {self.context}: {text[:60]!r}")
                ids = [*ids[: self.context - 1], self.eot]
            rows[i, : len(ids)] = torch.tensor(ids)
        return rows

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that affects the ids."""
        return sha256_of_json(self.to_dict())

    @cached_property
    def _symbols(self) -> list[str]:
        letters = list(BYTE_LETTERS.values())
        return [*letters, *(letter + END_OF_WORD for letter in letters), *(merge.replace(" ", "") for merge in self.merges), START, END]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Symbol -> id."""
        return {symbol: id_ for id_, symbol in enumerate(self._symbols)}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(pair[0], pair[1]): rank for rank, merge in enumerate(self.merges) for pair in (merge.split(" "),)}

    @cached_property
    def _known_words(self) -> dict[str, list[int]]:
        return {}

    def _encode_word(self, word: str) -> list[int]:
        if (known := self._known_words.get(word)) is None:
            known = [self.ids[symbol] for symbol in self._merge(spell(word))]
            if len(self._known_words) < CACHED_WORDS:
                self._known_words[word] = known
        return known

    def _merge(self, symbols: Symbols) -> Symbols:
        while len(symbols) > 1:
            pair = min(pairwise(symbols), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if pair not in self._ranks:
                break
            symbols = join(symbols, pair)
        return symbols


def trimmed(ids_nl: Tensor, eot: int | None) -> Tensor:
    """Return int64 ids without the columns after every row's end of text, because the towers' time grows with the length.

    `eot`: None for models that read padding, whose rows stay whole.
    """
    if eot is None:
        return ids_nl.long()
    longest = int((ids_nl == eot).int().argmax(dim=1).max()) + 1
    return ids_nl[:, :longest].long()


def join(symbols: Symbols, pair: tuple[str, str]) -> Symbols:
    """Merge every occurrence of `pair` in `symbols`, from the left."""
    joined: list[str] = []
    i = 0
    while i < len(symbols):
        if symbols[i : i + 2] == pair:
            joined.append(pair[0] + pair[1])
            i += 2
        else:
            joined.append(symbols[i])
            i += 1
    return tuple(joined)


def clip_tokenizer(context: int = 77) -> Tokenizer:
    """Return CLIP's tokenizer with 49,408 entries, with merges from the installed ``open_clip_torch`` (else `UsageError`)."""
    spec = importlib.util.find_spec("open_clip")
    path = Path(spec.origin).with_name("bpe_simple_vocab_16e6.txt.gz") if spec and spec.origin else None
    if path is None or not path.is_file():
        fix = "pip install open_clip_torch"
        raise UsageError("CLIP's vocabulary is not installed", why="its merges come with the package open_clip_torch", fix=fix)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)  # names the version
        merges = tuple(line.rstrip("\n") for line, _ in zip(lines, range(CLIP_MERGES), strict=False))
    return Tokenizer(merges, context)


def train_bpe(captions: Iterable[str], vocab_size: int, context: int, min_count: int = 2) -> Tokenizer:
    """Train a vocabulary of at most `vocab_size` ids (at least 514: bytes, word-final bytes, start, end) on captions.

    The most frequent pair is merged first; ties are broken alphabetically, so that the result depends only on the captions' words and
    their counts. `context`: ids per row, including start and end; `min_count`: rarer pairs are not
    merged. With 1, and enough ids, every word of the captions becomes one id.
    """
    if vocab_size < 514:
        raise UsageError("vocab_size must be at least 514", why="256 bytes, 256 bytes that end a word, start and end of text")
    counts = Counter(word for caption in captions for word in words(caption))
    corpus = _Corpus([(spell(word), count) for word, count in sorted(counts.items())])
    merges: dict[str, str] = {}  # symbol -> its pair: if two pairs form the same symbol, only the first is merged
    while len(merges) < vocab_size - 514 and (pair := corpus.most_frequent(min_count)):
        if "".join(pair) not in merges:
            corpus.merge(pair)
            merges["".join(pair)] = " ".join(pair)
    return Tokenizer(tuple(merges.values()), context)


class _Corpus:
    """Words as symbols, and the count of every pair. A heap with stale entries avoids scanning all pairs for each of a thousand merges."""

    def __init__(self, spelled: list[tuple[Symbols, int]]) -> None:
        self.words = [symbols for symbols, _ in spelled]
        self.counts = [count for _, count in spelled]
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for i in range(len(self.words)):
            self._count(i, +1)
        self.heap = [(-count, pair) for pair, count in self.pairs.items()]
        heapq.heapify(self.heap)

    def most_frequent(self, min_count: int) -> tuple[str, str] | None:
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            if -count == self.pairs[pair]:
                return pair if -count >= max(1, min_count) else None
        return None

    def merge(self, pair: tuple[str, str]) -> None:
        changed = set()
        for i in sorted(self.places[pair]):
            changed |= self._count(i, -1)
            self.words[i] = join(self.words[i], pair)
            changed |= self._count(i, +1)
        for other in changed - {pair}:
            heapq.heappush(self.heap, (-self.pairs[other], other))

    def _count(self, i: int, sign: int) -> set[tuple[str, str]]:
        pairs = set(pairwise(self.words[i]))
        for pair in pairwise(self.words[i]):
            self.pairs[pair] += sign * self.counts[i]
        for pair in pairs:
            (self.places[pair].add if sign > 0 else self.places[pair].discard)(i)
        return pairs
