"""What answers on a socket need not be a Docker engine, and need not answer to an end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.engine import LinkError
from orchestrator.hosts.time_limits import Limits
from orchestrator.inventory import addresses
from tests.integration.test_command_line import ROOT, say


class Handler(socketserver.StreamRequestHandler):
    body = b""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(self.body)}"
        )
        self.wfile.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + self.body)


class Trickle(socketserver.StreamRequestHandler):
    """A byte a moment, for ever: no time limit of a single read ends that."""

    ended = threading.Event()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self.ended.wait(0.05):
                self.wfile.write(b" ")


@contextlib.contextmanager
def served(path: Path, handler: type[socketserver.BaseRequestHandler]) -> Iterator[None]:
    with socketserver.ThreadingUnixStreamServer(str(path), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def trickle(tmp_path: Path) -> Iterator[str]:
    Trickle.ended.clear()
    with served(tmp_path / "slow.sock", Trickle):
        yield f"unix://{tmp_path}/slow.sock"
        Trickle.ended.set()


@pytest.fixture(params=[b"{}", b"[]", b'{"ApiVersion": 7}', b"<html>"])
def socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "e.sock"
    handler = type("Answer", (Handler,), {"body": request.param})
    with served(path, handler):
        yield path


def test_doctor_says_so_and_still_answers_for_the_others(socket: Path) -> None:
    said = say("doctor", "--hosts", f"local,unix://{socket}")
    assert said.code == 1
    assert "✗ Docker engine  something else than Docker answers at this address" in said.out
    assert said.out.strip().endswith("1 of 2 hosts can measure: local.")
    assert "defect" not in said.err


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 9000, b"+OK ready\r\n"])
def test_garbage_is_no_engine_either(tmp_path: Path, greeting: bytes) -> None:
    class Garbage(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(greeting)

    with served(tmp_path / "e.sock", Garbage):
        said = say("doctor", "--hosts", f"unix://{tmp_path}/e.sock")
    assert said.code == 3
    assert "something else than Docker answers" in said.out


def test_an_old_engine_is_told_to_be_updated(tmp_path: Path) -> None:
    body = b'{"Version": "1.12.6", "ApiVersion": "1.24"}'
    with served(tmp_path / "e.sock", type("Old", (Handler,), {"body": body})):
        said = say("doctor", "--hosts", f"unix://{tmp_path}/e.sock")
    assert said.code == 3
    assert "its Docker is too old (Docker 1.12.6 with API 1.24" in said.out
    assert "Docker 20.10 or newer" in said.out


def test_a_file_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").write_text("")
    said = say("doctor", "--hosts", f"unix://{tmp_path}/docker.sock")
    assert said.code == 3
    assert "what lies there is no socket" in said.out


@pytest.mark.parametrize("command", ["doctor", "clean"])
def test_one_ctrl_c_ends_the_asking_while_the_others_were_shown(trickle: str, command: str) -> None:
    nobody = "unix:///nobody.sock"
    with subprocess.Popen(
        [sys.executable, ROOT / "orchestrate.py", command, "--hosts", f"{trickle},{nobody}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as asking:
        assert asking.stdout is not None
        assert asking.stderr is not None
        heard: IO[str] = asking.stdout if command == "doctor" else asking.stderr
        while not re.match(r'nobody.sock \(|host "nobody.sock"', heard.readline()):
            pass
        asking.send_signal(signal.SIGINT)
        _, errors = asking.communicate(timeout=20)
    assert asking.returncode == 130
    assert "interrupted" in errors


def test_no_trickle_of_bytes_holds_up_a_call_for_ever(trickle: str) -> None:
    engine = DockerEngine(addresses.parse(trickle), Limits(call_s=0.5))
    with pytest.raises(LinkError, match="connecting took longer than"):
        engine.connect()


def test_doctor_names_a_context_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = tmp_path / "contexts" / "meta" / "1" / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text('{"Name": "box"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    said = say("doctor", "--hosts", "local")
    assert said.code == 0
    assert f"the Docker context in {meta} cannot be read: it names no Docker endpoint" in said.err


class Builds(socketserver.StreamRequestHandler):
    """An engine that answers to a build as planted, and has no image afterwards."""

    answer = b""

    def handle(self) -> None:
        asked = self.rfile.readline()
        length = 0
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        if b"/build" in asked:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.wfile.write(self.answer)
            return
        body, status = b'{"ApiVersion": "1.47", "Version": "28.1.0"}', b"200 OK"
        if b"/images/" in asked:
            body, status = b'{"message": "No such image"}', b"404 Not Found"
        self.wfile.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (status, len(body), body)
        )


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


STEP = chunk(b'{"stream":"Step 1/2 : FROM base"}\r\n')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (STEP, "its answer broke off|reset by peer"),
        (STEP[:-9], "its answer broke off|reset by peer"),
        (STEP + chunk(b'{"stream":"Step') + chunk(b""), "its answer broke off"),
        (STEP + chunk(b""), "without image"),
        (STEP + chunk(b'{"error":"context canceled"}') + chunk(b""), "gave up"),
        (STEP + chunk(b"7\n") + chunk(b""), "not a Docker engine"),
    ],
    ids=["between", "within", "garbled", "politely", "canceled", "stranger"],
)
def test_a_build_that_breaks_off_is_put_down_to_the_link(
    tmp_path: Path, answer: bytes, words: str
) -> None:
    handler = type("Answer", (Builds,), {"answer": answer})
    with served(tmp_path / "e.sock", handler):
        engine = DockerEngine(addresses.parse(f"unix://{tmp_path}/e.sock"))
        with contextlib.closing(engine):
            engine.connect()
            with pytest.raises(LinkError, match=words):
                engine.build(b"", "image:tag", {}, lambda _: None)
