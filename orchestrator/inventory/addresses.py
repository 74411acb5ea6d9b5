"""Where a Docker engine listens: ssh://, unix:// and tcp:// URLs (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from orchestrator.errors import UsageError

Scheme: TypeAlias = Literal["ssh", "unix", "tcp"]

SOCKET: Final = "/var/run/docker.sock"
EXAMPLES: Final = "ssh://user@host, unix:///var/run/docker.sock or tcp://host:2376"
_TLS_PORT: Final = 2376
_SHOWN: Final = 200
# What may stand in an argument of ssh: above all, nothing that reads as one of its options.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's address. `host` of ssh may be an alias of the SSH configuration; `path` is the
    socket on the machine itself; `certificates` is the folder of a TLS client's three files."""

    scheme: Scheme
    host: str = ""
    user: str = ""
    port: int | None = None
    path: str = SOCKET
    certificates: str = ""

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        authority = f"{self.user}@{host}" if self.user else host
        port = f":{self.port}" if self.port else ""
        path = self.path if self.scheme == "ssh" and self.path != SOCKET else ""
        return f"{self.scheme}://{authority}{port}{path}"

    @property
    def place(self) -> tuple[object, ...]:
        """What is the same for two addresses of one engine, as far as writing shows it."""
        return self.scheme, self.host.casefold(), self.port, self.path

    @property
    def destination(self) -> str:
        """What ssh is told to connect to."""
        return f"{self.user}@{self.host}" if self.user else self.host


def is_url(text: str) -> bool:
    """Whether a name is an address rather than the name of one."""
    return "://" in text


def parse(url: str, certificates: str = "") -> Address:
    """Read an address. Raises: UsageError: it is none, or one that would be unsafe."""
    shown = url if len(url) <= _SHOWN else url[:_SHOWN] + "…"
    parts, port = _split(url, shown)
    if parts.password is not None:
        raise UsageError(
            f"the address of {parts.hostname} holds a password, which others would get to see",
            "Use a key: ssh-copy-id puts yours on the machine.",
        )
    if parts.query or parts.fragment:
        raise UsageError(f'"{shown}" has a part that means nothing here', f"Write {EXAMPLES}.")
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return Address("unix", path=parts.path)
    host, user = parts.hostname or "", parts.username or ""
    if not _NAME.fullmatch(host) or (user and not _NAME.fullmatch(user)):
        raise UsageError(f'"{shown}" is no address of a Docker engine', f"Write {EXAMPLES}.")
    # An SSH alias keeps its case, which `hostname` does not.
    host = _as_written(parts.netloc, host)
    if parts.scheme == "ssh":
        return Address("ssh", host, user, port, parts.path.rstrip("/") or SOCKET)
    if parts.scheme == "tcp" and not user and parts.path in ("", "/"):
        return Address("tcp", host, port=port or _TLS_PORT, path="", certificates=certificates)
    raise UsageError(f'"{shown}" is no address of a Docker engine', f"Write {EXAMPLES}.")


def _split(url: str, shown: str) -> tuple[SplitResult, int | None]:
    """Raises: UsageError."""
    if not url.isprintable():
        raise UsageError(f'"{shown}" has characters that no address has', f"Write {EXAMPLES}.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        why = str(error)[:_SHOWN]
        raise UsageError(f'"{shown}" is no address: {why}', f"Write {EXAMPLES}.") from error
    return parts, port


def _as_written(netloc: str, lowered: str) -> str:
    found = re.search(re.escape(lowered), netloc.rpartition("@")[2], re.IGNORECASE)
    return found[0] if found else lowered


def short_name(address: Address) -> str:
    """A name for a machine that was given by its address alone, fit for file names."""
    raw = address.path.rsplit("/", 1)[-1] if address.scheme == "unix" else address.host
    return re.sub(r"[^A-Za-z0-9.]+", "-", raw).strip("-.")[:40] or "engine"
