"""Downloads the files of a model on the hub, restricted to allow-listed names, before anything is loaded."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from audit.errors import DataError, MachineError
from strictio.hub import hub_fault

log = logging.getLogger("audit")
TIMEOUT_S = 4.0
FILES = (
    "config.json", "adapter_config.json", "model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json",
    "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model",
    "chat_template.jinja", "chat_template.json", "video_preprocessor_config.json",
    *(f"qformer_tokenizer/{name}" for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")),
)  # fmt: skip
"""Files that may be downloaded: safetensors, JSON and tokenizer files. Never a pickle, never code."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(name: str, revision: str | None, files: tuple[str, ...] = FILES, weights: bool = True) -> Path:
    """The local folder of a model on the hub, downloaded unless it is cached; its name is the commit.

    `files` are patterns of files that may be downloaded; with `weights`, one of them must be a safetensors file. No token is sent: private
    and gated models must be downloaded by the user and named by their folder. Raises DataError if the hub has no such public model or
    revision, MachineError if the hub does not answer within seconds and the model is not cached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if revision and _COMMIT.fullmatch(revision) and (cached := _cached(name, revision, files)):
        return cached
    if fault := hub_fault():
        return _fall_back(name, revision, files, fault)
    try:
        listing = HfApi().model_info(name, revision=revision, timeout=TIMEOUT_S, token=False)
    except Exception as error:  # the type depends on the network, the proxy or the offline switch
        response = error.response if isinstance(error, HfHubHTTPError) else None
        if response is not None and response.status_code in (401, 403, 404):
            raise _not_public(name, revision) from error
        return _fall_back(name, revision, files, _first_line(error))
    if weights and not any(file.rfilename.endswith(".safetensors") for file in listing.siblings or ()):
        fix = f"convert them where you trust them, then --model DIR with the result; or name another revision: hf:{name}@REV"
        raise DataError(f"the hub's model {name} has no safetensors file", why="pickled weights are not downloaded", fix=fix)
    log.info("downloading %s from the hub", name)
    try:
        return _snapshot(name, revision, files, token=False, etag_timeout=TIMEOUT_S)
    except Exception as error:
        fix = "run the same command again to go on"
        raise MachineError(f"the download of {name} broke off", why=_first_line(error), fix=fix) from error


def _snapshot(name: str, revision: str | None, files: tuple[str, ...], **options: Any) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, allow_patterns=list(files), **options))


def _cached(name: str, revision: str | None, files: tuple[str, ...]) -> Path | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _snapshot(name, revision, files, local_files_only=True)
    except LocalEntryNotFoundError:
        return None


def _fall_back(name: str, revision: str | None, files: tuple[str, ...], why: str) -> Path:
    cached = _cached(name, revision, files)
    if cached is None:
        fix = f"on a connected machine: hf download {name} --local-dir DIR; then here: --model DIR"
        raise MachineError(f"the hub cannot be reached, and the model {name} is not on this machine", why=why, fix=fix)
    log.warning("the hub cannot be reached: using the copy of %s that was downloaded before (%s)", name, cached.name)
    return cached


def _not_public(name: str, revision: str | None) -> DataError:
    at = f" with revision {revision!r}" if revision else ""
    fix = f"check the name; or, if you have access: hf download {name} --local-dir DIR, then --model DIR"
    why = "it does not exist, or it is private or gated; no token is ever sent"
    return DataError(f"the hub has no public model {name}{at}", why=why, fix=fix)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
