"""Encoded images go in, pixels come out, each decoded in a process that may crash, hang or run out of memory alone.

`decoders.Decoders` keeps the processes, `worker` is what runs in them; `jpeg` tells a whole JPEG from one that was cut.
"""
