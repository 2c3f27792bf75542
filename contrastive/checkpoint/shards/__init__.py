"""Sharded checkpoints: tensors sharded over processes, and metadata, stored in a folder.

`write` creates a folder and `open_shards` reads its metadata; `read_into` fills tensors from it, `assemble` returns a `Checkpoint`.
"""

from contrastive.checkpoint.shards.assemble import assemble, newest
from contrastive.checkpoint.shards.folder import FOLDER, Shards, check_hashes, folders, open_shards, read_into, step_of
from contrastive.checkpoint.shards.writer import remove_old, write

__all__ = [
    "FOLDER", "Shards", "assemble", "check_hashes", "folders", "newest", "open_shards", "read_into", "remove_old", "step_of", "write",
]  # fmt: skip
