"""What must be there before an engine is called without SSH: a listener, certificates."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from orchestrator.hosts.engine import LinkError
from orchestrator.inventory import contexts

# The queue of callers is full, and stays so where nobody takes calls.
_KNOCK_S: Final = 10.0
_TLS_FILES: Final = ("ca.pem", "cert.pem", "key.pem")


def knock(path: str) -> None:
    """See whether anybody listens; the SDK leaves a socket open that finds nobody.

    Raises: LinkError.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise LinkError("socket: file", lasting=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(_KNOCK_S)
        try:
            door.connect(path)
        except (TimeoutError, BlockingIOError) as error:
            raise LinkError("socket: nobody takes the call") from error
        except OSError as error:
            raise LinkError(f"socket: {error.strerror or error}") from error


def certificates(folder: str) -> tuple[Path, ...]:
    """Authority, certificate and key of a TLS client, by default where Docker's own client looks.

    Raises: LinkError.
    """
    root = Path(folder or os.environ.get("DOCKER_CERT_PATH") or contexts.home())
    paths = tuple(root / name for name in _TLS_FILES)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise LinkError(f"no client certificate: {root} lacks {', '.join(missing)}")
    return paths
