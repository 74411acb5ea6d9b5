"""A TLS front of an engine that asks for a client certificate, as dockerd's own does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=test
echo "subjectAltName=IP:127.0.0.1" >names
for who in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $who-key.pem -out $who.csr -subj /CN=$who
  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \\
    -extfile names -out $who.pem -days 2
done
mkdir client && cp ca.pem client/ca.pem
mv client.pem client/cert.pem && mv client-key.pem client/key.pem
"""


@dataclass(frozen=True, slots=True)
class Front:
    """Where it listens, and the folder of a client's three files."""

    url: str
    certificates: Path


@contextlib.contextmanager
def front(engine: Path, folder: Path) -> Iterator[Front]:
    """Pass every connection on to an engine's socket."""
    subprocess.run(["sh", "-c", _SCRIPT], cwd=folder, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=_accept, args=(server, context, engine), daemon=True).start()
        yield Front(f"tcp://127.0.0.1:{port}", folder / "client")
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, context: ssl.SSLContext, engine: Path) -> None:
    with contextlib.suppress(OSError):
        while True:
            raw, _ = server.accept()
            threading.Thread(target=_serve, args=(raw, context, engine), daemon=True).start()


def _serve(raw: socket.socket, context: ssl.SSLContext, engine: Path) -> None:
    with raw, contextlib.suppress(OSError):
        client = context.wrap_socket(raw, server_side=True)
        with client, socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(str(engine))
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _pump(client, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
