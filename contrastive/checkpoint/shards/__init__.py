"""The state of a run in pieces: tensors that are sharded over processes, and a table of facts, to a folder and back.

`write` makes a folder and `open_shards` reads what it says; `read_into` fills tensors from it, `assemble` returns a whole `Checkpoint`.
"""

from contrastive.checkpoint.shards.assemble import assemble, newest
from contrastive.checkpoint.shards.folder import FOLDER, Shards, check_hashes, folders, open_shards, read_into, step_of
from contrastive.checkpoint.shards.writer import remove_old, write

__all__ = [
    "FOLDER", "Shards", "assemble", "check_hashes", "folders", "newest", "open_shards", "read_into", "remove_old", "step_of", "write",
]  # fmt: skip
