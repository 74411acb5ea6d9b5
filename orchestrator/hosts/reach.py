"""What must be there before an engine is called without SSH: a listener, certificates."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from orchestrator.hosts.engine import LinkError

_TLS_FILES: Final = ("ca.pem", "cert.pem", "key.pem")


def knock(path: str) -> None:
    """See whether anybody listens; the SDK leaves a socket open that finds nobody.

    Raises: LinkError.
    """
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(path)
        except OSError as error:
            raise LinkError(f"socket: {error.strerror or error}") from error


def certificates(folder: str) -> tuple[Path, ...]:
    """Authority, certificate and key of a TLS client, by default where Docker's own client looks.

    Raises: LinkError.
    """
    root = Path(folder or os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    paths = tuple(root / name for name in _TLS_FILES)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise LinkError(f"no client certificate: {root} lacks {', '.join(missing)}")
    return paths
