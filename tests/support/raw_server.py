"""A server that speaks bytes, not HTTP: it reads whole requests and sends whatever a test says, for as long as the client listens."""

import contextlib
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

ANSWER = json.dumps({"model": "tiny", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "man"}}]}).encode()


def head(status: str = "200 OK", **headers: str) -> bytes:
    """Return the first lines of a reply; an underscore in the name of a header stands for a dash."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(body: bytes = ANSWER, status: str = "200 OK", **headers: str) -> bytes:
    """Return a reply with its length."""
    return head(status, Content_Length=str(len(body)), **headers) + body


def flood(first: bytes, block: bytes) -> Iterable[bytes]:
    """Send a block again and again."""
    yield first
    yield from itertools.repeat(block)


@dataclass
class RawServer:
    """Sends the parts that `reply` gives for a request, by its number from 1; a connection is reset if that raises ConnectionResetError."""

    reply: Callable[[int], Iterable[bytes]]
    tls: ssl.SSLContext | None = None
    requests: int = 0
    connections: int = 0
    sent: int = 0
    heads: list[bytes] = field(default_factory=list)

    def __enter__(self):
        self._over, self._lock, self._open = threading.Event(), threading.Lock(), set()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)

    def wait(self, seconds: float) -> bool:
        """Wait; tell whether the test is over."""
        return self._over.wait(seconds)

    def drip(self, content: bytes) -> Iterable[bytes]:
        """Send a byte at a time, ten a second."""
        for byte in content:
            if self.wait(0.1):
                return
            yield bytes([byte])

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def _accept(self):
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            connection.settimeout(20)
            self._open.add(connection)
            stack.callback(self._open.discard, connection)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                stack.callback(connection.close)
                self._open.add(connection)
            while self._read(connection):
                with self._lock:
                    self.requests += 1
                    number = self.requests
                try:
                    for part in self.reply(number):
                        connection.sendall(part)
                        self.sent += len(part)
                        if self._over.is_set():
                            return
                except ConnectionResetError:
                    # A lingering time of 0 makes the system send RST, not FIN.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return
                except StopAsyncIteration:  # the reply ends with its connection
                    return

    def _read(self, connection) -> bool:
        """Read a request; tell whether there is one."""
        content = b""
        while b"\r\n\r\n" not in content:
            if not (part := connection.recv(65536)):
                return False
            content += part
        first, _, rest = content.partition(b"\r\n\r\n")
        self.heads.append(first)
        lengths = (int(line.split(b":")[1]) for line in first.split(b"\r\n") if line.lower().startswith(b"content-length"))
        length = next(lengths, 0)
        while len(rest) < length:
            if not (part := connection.recv(65536)):
                return False
            rest += part
        return True
