"""``ckpt.pt`` and its shards: tensors and primitives only, written whole or not at all, read without running code."""
