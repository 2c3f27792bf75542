"""What runs in a child for ONNX files: it loads a checked graph into onnxruntime, and runs it.

The graph, the arrays that it is fed and those that it returns lie in the shared file; weights beside it are handed in as open files.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import IO, Any

from strictio.child.serve import Answer, read_shared, write_shared


def running_graphs() -> Answer:
    """Return the function that answers; the first request loads the graph."""
    import numpy as np
    import onnxruntime

    sessions: list[Any] = []

    def load(request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = request["threads"]
        options.add_session_config_entry("session.load_model_format", "ONNX")  # by itself it would look for its own format
        if files:
            if not hasattr(options, "add_external_initializers_from_files_in_memory"):
                return {"failed": "this version of onnxruntime cannot take weights from memory: pip install onnxruntime --upgrade"}
            contents = [mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) for descriptor in files]
            options.add_external_initializers_from_files_in_memory(request["names"], contents, list(map(len, contents)))
        graph = bytes(read_shared(file, request["length"]))
        file.truncate(0)
        sessions[:] = [onnxruntime.InferenceSession(graph, sess_options=options, providers=["CPUExecutionProvider"])]
        return {"format": options.get_session_config_entry("session.load_model_format")}

    def run(request: dict[str, Any], file: IO[bytes], _: Sequence[int]) -> dict[str, Any]:
        fed = np.frombuffer(read_shared(file, request["length"]), request["dtype"]).reshape(request["shape"])
        array = np.ascontiguousarray(sessions[0].run([request["output"]], {request["input"]: fed})[0])
        return {"length": write_shared(file, array.tobytes()), "shape": array.shape, "dtype": array.dtype.name}

    def answer(request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
        try:
            return {"load": load, "run": run}[request["do"]](request, file, files)
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's own exceptions share no other class
            return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}"}

    return answer
