"""Several processes as one: what torchrun starts, wrapped in DDP or FSDP2."""
