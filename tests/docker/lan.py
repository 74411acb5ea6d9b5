"""The network between desk and hosts: a switch, a cable per host, addresses only inside.

It lives in network namespaces of its own: nothing in there can be reached from outside nor reach
out, and several test beds may use the same addresses at once.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Final

from tests.docker.machine import Machine

_NETWORK: Final = "10.77.0"


@dataclass(slots=True)
class Lan:
    """A switch beside the desk; `desk` is a machine that only lends its network."""

    desk: Machine
    addresses: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        self._ip("link", "add", "switch", "type", "bridge")
        self._ip("address", "add", f"{_NETWORK}.1/24", "dev", "switch")
        self._ip("link", "set", "switch", "up")

    def plug(self, host: Machine) -> str:
        """Connect a host; returns its address."""
        address = f"{_NETWORK}.{len(self.addresses) + 11}"
        peer = ("peer", "name", "eth0", "netns", str(host.init))
        self._ip("link", "add", host.name, "type", "veth", *peer)
        self._ip("link", "set", host.name, "master", "switch", "up")
        host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        self.addresses[host.name] = address
        return address

    def cut(self, name: str) -> None:
        """Pull the cable: packets are lost without a word."""
        self._ip("link", "set", name, "down")

    def mend(self, name: str) -> None:
        self._ip("link", "set", name, "up")

    def _ip(self, *arguments: str) -> None:
        subprocess.run(
            [*self.desk.enter_network(), "ip", *arguments],
            check=True,
            capture_output=True,
            timeout=30,
        )
