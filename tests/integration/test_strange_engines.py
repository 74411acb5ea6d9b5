"""What answers on a socket need not be a Docker engine."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_command_line import say


class Handler(socketserver.StreamRequestHandler):
    body = b""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(self.body)}"
        )
        self.wfile.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + self.body)


@pytest.fixture(params=[b"{}", b"[]", b'{"ApiVersion": 7}', b"<html>"])
def socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "e.sock"
    handler = type("Answer", (Handler,), {"body": request.param})
    with socketserver.ThreadingUnixStreamServer(str(path), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_doctor_says_so_and_still_answers_for_the_others(socket: Path) -> None:
    said = say("doctor", "--hosts", f"local,unix://{socket}")
    assert said.code == 1
    assert "✗ Docker engine" in said.out
    assert said.out.strip().endswith("1 of 2 hosts can measure: local.")
    assert "defect" not in said.err
