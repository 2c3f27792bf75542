"""Spoiling a sound file: bytes of any file, words and numbers of a text, and the parts inside a container, which is then sealed again."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

from tests.support.zips import packed

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    1000,
    2**15 - 1,
    2**15,
    2**16 - 1,
    2**16,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
WORDS = (
    b"NaN", b"Infinity", b"-1", b"null", b"true", b'""', b"[]", b"{}", b"1e999", b"-0.0", b"9" * 40, b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", "\u202e".encode(), b"\x1b[2J", b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"=1+1", b"[" * 200, b"{" * 200,
    b'"\\ud800"', b"0.5", b"unknown", b"\n\n", b"0" * 30, b"..", b"a." * 50,
)  # fmt: skip
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[A-Za-z_]+|[^\s\w]')


def flipped(content: bytearray, source: random.Random) -> bytearray:
    for _ in range(source.choice((1, 1, 1, 2, 4, 16))):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    return content


def number_put(content: bytearray, source: random.Random) -> bytearray:
    width, order = source.choice((1, 2, 4, 8)), source.choice("<>")
    value = source.choice(NUMBERS) % (1 << 8 * width)
    at = source.randrange(max(len(content) - width, 0) + 1)
    content[at : at + width] = struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[width], value)
    return content


def cut(content: bytearray, source: random.Random) -> bytearray:
    return content[: source.randrange(len(content) + 1)]


def removed(content: bytearray, source: random.Random) -> bytearray:
    start = source.randrange(len(content))
    del content[start : start + source.choice((1, 2, 4, 16, 64, 512))]
    return content


def repeated(content: bytearray, source: random.Random) -> bytearray:
    start = source.randrange(len(content))
    piece = content[start : start + source.choice((1, 4, 16, 64, 512))]
    at = source.randrange(len(content) + 1)
    content[at:at] = piece * source.choice((1, 1, 2, 20))
    return content


def word_put(content: bytearray, source: random.Random) -> bytearray:
    at = source.randrange(len(content) + 1)
    content[at : at + source.choice((0, 0, 1, 4))] = source.choice(WORDS)
    return content


def token_changed(content: bytearray, source: random.Random) -> bytearray:
    """Put a word, or another token of the file, in the place of a token."""
    tokens = [match.span() for match in TOKEN.finditer(bytes(content[: 1 << 17]))]
    if not tokens:
        return flipped(content, source)
    start, end = source.choice(tokens)
    other = source.choice(tokens)
    content[start:end] = source.choice((source.choice(WORDS), bytes(content[other[0] : other[1]]), b"", bytes(content[start:end]) * 2))
    return content


CHANGES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    flipped, number_put, number_put, cut, removed, repeated, word_put, token_changed, token_changed,
)  # fmt: skip


def spoiled(content: bytes, source: random.Random) -> bytes:
    """Change some bytes."""
    changed = bytearray(content)
    for _ in range(source.choice((1, 1, 1, 2, 3, 6))):
        changed = source.choice(CHANGES)(changed, source) if changed else bytearray(source.choice(WORDS))
    return bytes(changed)


# ---- inside a container --------------------------------------------------------------------------------------------------------------


def spoiled_zip(content: bytes, source: random.Random) -> bytes:
    """Change one entry, or its name, and write the archive again: its checksums are right. What torch aligns stays aligned."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        entries = old.infolist()
        # The smaller an entry, the more it says: the pickle and the headers, not the weights.
        chosen = min(source.sample(entries, min(3, len(entries))), key=lambda entry: (not entry.filename.endswith("pkl"), entry.file_size))
        for entry in entries:
            data, name = old.read(entry), entry.filename
            if entry is chosen:
                data = spoiled(data, source)
                name = spoiled(name.encode(), source).decode("latin-1").replace("\0", "") or "x" if source.random() < 0.05 else name
                if source.random() < 0.03:
                    continue
            padding = -(buffer.tell() + 30 + len(name.encode()) + 4) % 64
            info = zipfile.ZipInfo(name)
            info.compress_type = entry.compress_type
            info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
            new.writestr(info, data)
    return buffer.getvalue()


def spoiled_header(content: bytes, source: random.Random) -> bytes:
    """Change the header of a safetensors file and state its length truly."""
    (length,) = struct.unpack("<Q", content[:8])
    header = spoiled(content[8 : 8 + length], source)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def spoiled_chunk(content: bytes, source: random.Random) -> bytes:
    """Change a chunk of a PNG and seal it again; of another kind of image, its bytes."""
    if not content.startswith(b"\x89PNG"):
        return spoiled(content, source)
    chunks, at = [], 8
    while at + 8 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    number = source.randrange(len(chunks))
    kind, data = chunks[number]
    unpacked = kind == b"IDAT" and source.random() < 0.5
    data = zlib.compress(spoiled(zlib.decompress(data), source)) if unpacked else spoiled(data, source)
    chunks[number] = (kind, data)
    if source.random() < 0.1:
        chunks.insert(source.randrange(len(chunks)), source.choice(chunks))
    made = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return content[:8] + b"".join(made)


def spoiled_shard(content: bytes, source: random.Random) -> bytes:
    """Change what a shard's seal covers and seal it again."""
    head, _, body = content.partition(b"\n")
    manifest, _, rows = body.partition(b"\n")
    body = spoiled(manifest, source) + b"\n" + rows if source.random() < 0.8 else spoiled(body, source)
    return head.rpartition(b" ")[0] + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


VALUES = (None, True, 0, -1, 1, 2, 0.5, 1e308, -1e308, 2**63, "", "x", "unknown", "\u202e", "\x00", [], {}, [[]], {"": 0}, [None], "9" * 30)


def spoiled_json(content: bytes, source: random.Random) -> bytes:
    """Put other values in a few places of a JSON file, leave some out, or exchange two."""
    document = json.loads(content)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        places = [(document, key) for key in document] if isinstance(document, dict) else []
        for holder, key in places:  # grows: every place of the file
            inner = holder[key]
            places += [
                (inner, each) for each in (inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ())
            ]
        if not places:
            break
        (holder, key), (other, place) = source.choice(places), source.choice(places)
        how = source.randrange(4)
        if how == 0:
            del holder[key]
        elif how == 1:
            holder[key] = copy.deepcopy(source.choice(VALUES))
        elif how == 2 and isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key] * 2 if source.random() < 0.5 else holder[key][1:]
        else:
            holder[key] = json.loads(json.dumps(other[place]))
    return json.dumps(document).encode()


def spoiled_line(content: bytes, source: random.Random) -> bytes:
    """Change the object in a line of JSON lines; what stands before it stays."""
    lines = content.split(b"\n")
    place = source.randrange(len(lines))
    before, brace, rest = lines[place].partition(b"{")
    lines[place] = before + spoiled_json(brace + rest, source)
    return b"\n".join(lines)


def spoiled_log(content: bytes, source: random.Random) -> bytes:
    """Change the object in a member of a deflated archive, and pack it again in one of the ways that are read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in archive.infolist()):
            raise ValueError("zipfile does not read it")
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in source.sample(sorted(members), source.choice((1, 1, 2))):
        members[name] = spoiled_json(members[name], source)
    return packed(members, source.choice((0, 8, 93)))


INSIDE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "checkpoint": spoiled_zip, "safetensors": spoiled_header, "image": spoiled_chunk, "cache": spoiled_shard,
    "results": spoiled_json, "comparison": spoiled_json, "mitigation": spoiled_json, "causes": spoiled_json,
    "folder": spoiled_json,
    "manifest": spoiled_json, "reply": spoiled_json, "xlsx": spoiled_zip, "jsonl": spoiled_line, "answers": spoiled_line,
    "eval": spoiled_log, "eval_json": spoiled_json, "samples": spoiled_line,
}  # fmt: skip
"""For readers of containers and of JSON: three of four mutations go past the seal."""


def mutated(reader: str, seeds: Sequence[bytes], source: random.Random) -> bytes:
    """Return a spoiled copy of one of the sound files, now and then with a piece of another."""
    content = source.choice(seeds)
    if reader in INSIDE and source.random() < 0.75:
        try:
            return INSIDE[reader](content, source)
        except (ValueError, AttributeError, zipfile.BadZipFile, zlib.error, struct.error, UnicodeError):
            pass  # a spoiled file of the corpus is no container any more: its bytes can be changed all the same
    if source.random() < 0.1:
        other = source.choice(seeds)
        at = source.randrange(len(content) + 1)
        content = content[:at] + other[source.randrange(len(other) + 1) :]
    return spoiled(content, source)
