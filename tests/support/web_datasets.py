"""Web datasets made on the spot, and a server on this machine that gives parts of files."""

import contextlib
import io
import json
import re
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.planted import picture


def tar(path, members, *, kind="w"):
    """Write a shard of (name, content)."""
    with tarfile.open(path, kind) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def shard(path, first, rows):
    """Write a shard with a picture and a .json member for each row."""
    members = []
    for number, row in enumerate(rows, first):
        members += [(f"{number:06d}.png", picture(number)), (f"{number:06d}.json", json.dumps(row).encode())]
    return tar(path, members)


def benchmark_set(folder, *, shards=2, n=60):
    """Write a set in the layout of CLIP_benchmark: boats and cups, two thirds of one region, GeoDE's numbers beside each."""
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text("boat\ncup\ntraffic light\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\nan image of {c}\n")
    (folder / "test" / "nshards.txt").write_text(f"{shards}\n")
    for place in range(shards):
        members = []
        for number in range(place, n, shards):
            vector = npy([int(number % 3 == 2), 0])
            members += [(f"s{number:07d}.{ending}", content) for ending, content in
                        (("cls", str(number % 2).encode()), ("png", picture(number)), ("npy", vector))]  # fmt: skip
        tar(folder / "test" / f"{place}.tar", members)
    return folder


def npy(numbers):
    """Return an .npy member."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.array(numbers))
    return buffer.getvalue()


class _Parts(SimpleHTTPRequestHandler):
    """Gives ranges of files, as servers of data do and Python's own does not; `asked` holds what was asked for."""

    ranges = True
    asked: list
    broken: list

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range")))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if self.path.startswith("/leads-to-a-file"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if found is None or not self.ranges:
            super().do_GET()
            return
        with contextlib.suppress(OSError), Path(self.translate_path(self.path)).open("rb") as file:
            whole = file.read()
            content = whole[int(found[1]) : int(found[2]) + 1]
            if self.broken and int(found[2]):
                self.broken.pop()
                content, sent = content[: len(content) // 2], len(content)
            else:
                sent = len(content)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {found[1]}-{found[2]}/{len(whole)}")
            self.send_header("Content-Length", str(sent))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True
            return
        self.send_error(404)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder, *, ranges=True, breaks=0):
    """Serve a folder on 127.0.0.1: gives its URL, and the list of what is asked for. So many answers break off halfway."""
    asked = []
    handler = type("Handler", (_Parts,), {"ranges": ranges, "asked": asked, "broken": [True] * breaks})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
