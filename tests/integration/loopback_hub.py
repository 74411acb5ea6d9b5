"""A Hub on 127.0.0.1: serves folders of save_pretrained as models, and the Hub's own failures.

Speaks the part of the protocol that loading a model needs: model information as JSON, files under
/ID/resolve/REVISION/FILE with their ETag, commit and length, and pull requests with their commits.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
PROPOSED = "beef" + "0" * 36
WHEN = "2023-03-17T11:00:00.000Z"


@dataclass(frozen=True)
class Proposal:
    """An open pull request of one commit: its files, who opened it, and on what it stands."""

    files: Path
    author: str = "SFconvertbot"
    title: str = "Adding `safetensors` variant of this model"
    parent: str = COMMIT


@dataclass
class LoopbackHub:
    """Models by Hub id. Ids in `gated` are refused; files in `cut` end half-way.

    Models that are in `proposals` have such a pull request; the others' discussions are disabled.
    """

    models: dict[str, Path] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    address: str = "127.0.0.1"

    def __enter__(self) -> Self:
        self._start(port=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self, port: int) -> None:
        hub = self

        class Handler(_Handler):
            content = hub

        self._server = ThreadingHTTPServer((self.address, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Nobody listens meanwhile."""
        port = self._server.server_address[1]
        self._stop()
        try:
            yield
        finally:
            self._start(port)

    @contextmanager
    def cutting(self, file: str) -> Iterator[None]:
        """Connections break off half-way through `file` meanwhile."""
        self.cut.add(file)
        try:
            yield
        finally:
            self.cut.remove(file)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self._server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0: a connection per request, so that a stopped server is really gone.
    content: LoopbackHub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _answer(self, *, with_body: bool) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        model = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if model in self.content.gated:
            self._refuse(401, "GatedRepo")
        elif model not in self.content.models:
            self._refuse(404, "RepoNotFound")
        elif parts[0] == "api" and "tree" in parts:
            self._refuse(404, "EntryNotFound")  # no model here has folders
        elif parts[0] == "api" and parts[4:5] == ["discussions"]:
            self._send_discussions(model)
        elif parts[0] == "api" and parts[4:5] == ["commits"]:
            self._send_json([_commit(PROPOSED), _commit(self.content.proposals[model].parent)])
        elif parts[0] == "api":
            files = [{"rfilename": path.name} for path in self.content.models[model].iterdir()]
            self._send_json({"id": model, "sha": COMMIT, "siblings": files})
        else:
            revision = PROPOSED if parts[3] == PROPOSED else COMMIT
            self._send_file(model, revision, "/".join(parts[4:]), with_body=with_body)

    def _refuse(self, status: int, code: str, revision: str = COMMIT) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", revision)
        self.send_header("X-Error-Message", f"refused: {code}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_discussions(self, model: str) -> None:
        proposal = self.content.proposals.get(model)
        if proposal is None:
            self._refuse(403, "DisabledDiscussions")
            return
        one = {
            "title": proposal.title, "num": 7, "author": {"name": proposal.author},
            "createdAt": WHEN, "status": "open", "isPullRequest": True,
            "repo": {"name": model, "type": "model"},
        }  # fmt: skip
        self._send_json({"discussions": [one], "count": 1, "start": 0})

    def _send_json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, model: str, revision: str, name: str, *, with_body: bool) -> None:
        folder = self.content.models[model]
        if revision == PROPOSED:
            folder = self.content.proposals[model].files
        path = folder / name
        if not path.is_file():
            self._refuse(404, "EntryNotFound", revision)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", revision)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body and path.name in self.content.cut:
            self.wfile.write(body[: len(body) // 2])
        elif with_body:
            self.wfile.write(body)


def _commit(number: str) -> dict[str, object]:
    """A commit, as the Hub lists it."""
    return {"id": number, "title": "", "message": "", "authors": [], "date": WHEN}
