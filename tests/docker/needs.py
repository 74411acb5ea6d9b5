"""What these tests need of the machine, and what happens where it is missing."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Final

import pytest

# Program -> the Debian package that brings it.
PROGRAMS: Final = {
    "dockerd": "docker.io",
    "docker-init": "docker.io",
    "docker-registry": "docker-registry",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "openssl": "openssl",
}


def missing(programs: tuple[str, ...]) -> str:
    """Why tests with these programs cannot run here; empty if they can."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        return "needs Linux and root: engines and network namespaces of their own"
    absent = [name for name in programs if shutil.which(name) is None]
    packages = sorted({PROGRAMS[name] for name in absent})
    if not absent:
        return ""
    return f"needs {', '.join(absent)} (Debian: apt install {' '.join(packages)})"


def require(*programs: str) -> None:
    """Skip the test where a program is missing; fail it when REQUIRE_ALL is set."""
    if why := missing(programs):
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail(why)
        pytest.skip(why)
