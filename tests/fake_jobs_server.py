"""A Ray dashboard by hand: what a real one does only on bad days, on purpose and at once."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@dataclass
class Played:
    """A job: its states in turn, the last one for ever, and what each tail of it sends, the last
    one again and again. A tail ends with its close code; None: it is cut, -1: it stays silent."""

    states: list[str] = field(default_factory=lambda: ["RUNNING", "SUCCEEDED"])
    tails: list[tuple[list[bytes], int | None]] = field(default_factory=lambda: [([], 1000)])
    log: bytes | None = None
    told: dict[str, object] = field(default_factory=dict)


@dataclass
class FakeCluster:
    """What the server knows. `script` gives each job that is submitted; `hangs`: POST answers too
    late, though the job starts."""

    url: str = ""
    script: list[Played] = field(default_factory=list)
    jobs: dict[str, Played] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    hangs_s: float = 0.0
    refuses: tuple[int, str] | None = None
    nodes: list[tuple[str, str, float]] = field(default_factory=lambda: [("10.0.0.1", "A100", 1)])
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    cluster: FakeCluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._may():
            return
        kind, *rest = self.path.removeprefix("/api/").split("/")
        if kind == "version":
            self._say({"version": "4", "ray_version": "2.60.0"})
        elif self.path.startswith("/nodes"):
            self._say({"data": {"summary": [_node(*node) for node in self.cluster.nodes]}})
        elif kind == "packages":
            self._answer(200 if rest[1] in self.cluster.packages else 404, b"")
        else:
            self._get_job(*rest)

    def _get_job(self, name: str, what: str = "", tail: str = "") -> None:
        jobs = self.cluster.jobs
        if not name:
            self._say([_told(each, job) for each, job in jobs.items()])
        elif name not in jobs:
            self._answer(404, b"no such job")
        elif tail:
            self._tail(jobs[name])
        elif what == "logs" and jobs[name].log is None:
            self._answer(500, b"Traceback\nClientConnectorError: Cannot connect to host")
        elif what == "logs":
            self._say({"logs": (jobs[name].log or b"").decode()})
        else:
            self._say(_told(name, jobs[name]))

    def do_PUT(self) -> None:
        body = self._body()
        if self._may():
            self.cluster.packages[self.path.rsplit("/", 1)[-1]] = body
            self._answer(200, b"")

    def do_POST(self) -> None:
        body = self._body()
        if not self._may():
            return None
        if self.path.endswith("/stop"):
            self.cluster.jobs[self.path.split("/")[3]].states[:] = ["STOPPED"]
            return self._say({"stopped": True})
        request = json.loads(body)
        name = request["submission_id"]
        with self.cluster.lock:
            if name in self.cluster.jobs:
                return self._answer(500, f"Traceback\nValueError: {name} already exists".encode())
            self.cluster.requests.append(request)
            self.cluster.jobs[name] = self.cluster.script.pop(0)
        time.sleep(self.cluster.hangs_s)
        return self._say({"submission_id": name})

    def do_DELETE(self) -> None:
        if self._may():
            del self.cluster.jobs[self.path.split("/")[3]]
            self._say({"deleted": True})

    def _may(self) -> bool:
        self.cluster.calls.append(f"{self.command} {self.path}")
        given = self.headers.get("Authorization")
        if self.cluster.token and given != f"Bearer {self.cluster.token}":
            self._answer(403 if given else 401, b"Unauthorized")
            return False
        if self.cluster.refuses and self.command != "GET":
            self._answer(self.cluster.refuses[0], self.cluster.refuses[1].encode())
            return False
        return True

    def _tail(self, job: Played) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode() + _MAGIC
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        if "Sec-WebSocket-Extensions" in self.headers:  # Ray cannot read what it compressed itself
            return self._frame(0x88, struct.pack(">H", 1000))
        chunks, code = job.tails.pop(0) if len(job.tails) > 1 else job.tails[0]
        for chunk in chunks:
            self._frame(0x81, chunk)
        if code == -1:
            time.sleep(0.4)
        elif code is not None:
            self._frame(0x88, struct.pack(">H", code))
        self.close_connection = True
        return None

    def _frame(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes([kind, size])
        elif size < 1 << 16:
            head = bytes([kind, 126]) + struct.pack(">H", size)
        else:
            head = bytes([kind, 127]) + struct.pack(">Q", size)
        self.wfile.write(head + payload)
        self.wfile.flush()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _say(self, content: object) -> None:
        self._answer(200, json.dumps(content).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


def _told(name: str, job: Played) -> dict[str, object]:
    status = job.states.pop(0) if len(job.states) > 1 else job.states[0]
    where = None if status == "PENDING" else "0a1b2c3d4e5f60718293"
    return {
        "submission_id": name, "status": status, "message": "", "error_type": None,
        "driver_node_id": where, "driver_exit_code": None, "metadata": {}, **job.told,
    }  # fmt: skip


def _node(ip: str, accelerator: str, gpus: float) -> dict[str, object]:
    labels = {"ray.io/accelerator-type": accelerator} if accelerator else {}
    resources = {"CPU": 8.0, "GPU": gpus}
    return {
        "ip": ip,
        "raylet": {"state": "ALIVE", "labels": labels, "resourcesTotal": resources},
    }


@contextmanager
def serving(cluster: FakeCluster) -> Iterator[FakeCluster]:
    """Serve a cluster on a port of its own; `url` is where."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        cluster.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield cluster
        finally:
            server.shutdown()
            thread.join()
