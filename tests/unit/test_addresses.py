from __future__ import annotations

import pytest

from orchestrator.errors import UsageError
from orchestrator.inventory import addresses
from orchestrator.inventory.addresses import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://a100", Address("ssh", "a100")),
        ("ssh://A100", Address("ssh", "A100")),
        ("ssh://u@h:2222", Address("ssh", "h", "u", 2222)),
        (
            "ssh://u@h/run/user/1000/docker.sock",
            Address("ssh", "h", "u", None, "/run/user/1000/docker.sock"),
        ),
        ("ssh://[2001:db8::1]:22", Address("ssh", "2001:db8::1", port=22)),
        ("unix:///run/docker.sock", Address("unix", path="/run/docker.sock")),
        ("tcp://h", Address("tcp", "h", port=2376, path="")),
    ],
)
def test_an_address_is_read_and_written_back(url: str, address: Address) -> None:
    assert addresses.parse(url) == address
    assert addresses.parse(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "ssh://", "ssh://-oProxyCommand=true", "ssh://u@-h", "ssh://-u@h", "ssh://h:port",
        "ssh://h:99999999", "http://h", "npipe:////./pipe/docker_engine", "unix://", "unix://h/x",
        "tcp://u@h", "tcp://h/path", "ssh://h?x", "ssh://a b", "ssh://h;reboot", "ssh://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address_or_would_be_unsafe_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        addresses.parse(url)
    assert caught.value.sentence


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        addresses.parse("ssh://u:hunter2@h")
    assert "hunter2" not in caught.value.sentence + caught.value.advice


def test_a_short_name_is_fit_for_a_file() -> None:
    assert addresses.short_name(addresses.parse("ssh://u@[2001:db8::1]")) == "2001-db8-1"
    assert addresses.short_name(addresses.parse("unix:///run/../..")) == "engine"
    assert addresses.short_name(addresses.parse("tcp://gpu_1.lab:2376")) == "gpu-1.lab"
