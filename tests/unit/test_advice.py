"""Texts as they really come, from engines and from ssh -> what a user is told."""

from __future__ import annotations

from typing import get_args

import pytest

from orchestrator.hosts import advice
from orchestrator.hosts.engine import ContainerState, EngineError, LinkError
from orchestrator.hosts.image import Kind
from orchestrator.inventory.addresses import Address

ADDRESS = Address("ssh", "203.0.113.10", "bench", 2222)
TEXTS = [
    ("Host key verification failed.", "host key is unknown or has changed", "ssh-keygen -R 203"),
    (
        'Offending ED25519 key in /home/u/.ssh/known_hosts:2 remove with: ssh-keygen -f '
        '"/home/u/.ssh/known_hosts" -R "[203.0.113.10]:2222" Host key for [203.0.113.10]:2222 has '
        "changed and you have requested strict checking. Host key verification failed.",
        "its host key has changed", '-f "/home/u/.ssh/known_hosts" -R "[203.0.113.10]:2222"',
    ),
    ("bench@h: Permission denied (publickey).", "not let in", "ssh-copy-id -p 2222 bench@203"),
    ("ssh: Could not resolve hostname a1: Name or service not known", "not known to DNS", "name"),
    ("ssh: connect to host h port 22: No route to host", "does not answer", "firewall"),
    ("ssh: connect to host h port 22: Connection timed out", "does not answer", "firewall"),
    (
        "ssh: connect to host h port 22: Connection refused",
        "no SSH server listens", "systemctl start ssh",
    ),
    ("Timeout, server 203.0.113.10 not responding.", "does not answer", "firewall"),
    (
        'could not select device driver "" with capabilities: [[gpu]]',
        "cannot give GPUs", "nvidia-ctk",
    ),
    ("Unknown runtime specified nvidia", "cannot give GPUs", "nvidia-ctk"),
    ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12", "too old", "525"),
    ("nvidia-container-cli: device error: 7: unknown device: unknown", "no such GPU", "nvidia-smi"),
    (
        'Conflict. The container name "/x" is already in use by container "1"',
        "still there", "attach the-run",
    ),
    ("manifest for a/b@sha256:0 not found: manifest unknown", "no such image", "digest"),
    ("write /var/lib/docker/tmp/x: no space left on device", "disk is full", "system prune"),
    ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] ssl/tls alert", "TLS failed", "DOCKER_CERT_PATH"),
    ("no client certificate: /root/.docker lacks ca.pem", "needs a client cert", "ssh://"),
    ("socket: forbidden", "may not use Docker's socket", "usermod -aG docker"),
    ("socket: missing", "no Docker engine", "systemctl start docker"),
    ("socket: deserted", "nobody listens at it", "systemctl start docker"),
    ("socket: usable", "does not answer through it", "AllowStreamLocalForwarding"),
    ("socket: file", "no socket", "/var/run/docker.sock"),
    ("socket: nobody takes the call", "does not answer them", "systemctl restart docker"),
    (
        "UnixHTTPConnectionPool(host='localhost', port=None): Read timed out. (read timeout=30)",
        "does not answer them", "systemctl restart docker",
    ),
    (
        "kex_exchange_identification: Connection closed by remote host",
        "does not speak SSH", "Check the port",
    ),
    (
        "Connection timed out during banner exchange",
        "does not speak SSH", "ssh -v -p 2222 bench@203.0.113.10",
    ),
    ("what answers there is not a Docker engine", "something else than Docker", "address"),
    ("connecting took longer than 180 s", "comes to no end", "ssh -p 2222 bench@203"),
    ("Docker 1.12 with API 1.24 is too old", "too old", "20.10 or newer"),
    ("Connection reset by peer", "hangs up", "systemctl restart docker"),
    ("[Errno 111] Connection refused", "nothing listens", "systemctl start docker"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence", "told"), TEXTS)
def test_a_text_becomes_a_sentence_and_advice(text: str, sentence: str, told: str) -> None:
    error = advice.explain("a100", ADDRESS, LinkError(text), run="the-run")
    assert error.sentence.startswith('host "a100" (ssh://bench@203.0.113.10:2222): ')
    assert sentence in error.sentence
    ours = text.startswith(("socket: ", "Conflict."))  # a code of our own, or a number nobody reads
    assert ours or text in error.sentence
    assert "Conflict" not in error.sentence
    assert told in error.advice


IMAGE_TEXTS = [
    (
        'Get "http://10.0.0.1:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused',
        "cannot reach the image's registry",
    ),
    (
        "W: Failed to fetch http://deb.debian.org/  Temporary failure resolving 'deb.debian.org' | "
        "The command '/bin/sh -c apt-get update' returned a non-zero code: 100",
        "cannot fetch what the image needs",
    ),
    (
        "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)"
        " | ERROR: No matching distribution found for torch | returned a non-zero code: 1",
        "cannot fetch what the image needs",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), IMAGE_TEXTS)
def test_a_machine_without_network_is_told_another_way_to_its_image(
    text: str, sentence: str
) -> None:
    told = {
        kind: advice.explain("a100", ADDRESS, EngineError(text), image=kind)
        for kind in get_args(Kind)
    }
    assert all(sentence in error.sentence for error in told.values())
    assert "--image-source ship" in told["build"].advice
    assert "--image-source ship" not in told["ship"].advice
    assert "one host among --hosts that reaches" in told["ship"].advice


def test_a_version_that_no_index_has_is_not_put_down_to_the_network() -> None:
    text = "Could not find a version that satisfies torch==9.9 (from versions: 2.13.0, 2.14.1)"
    error = advice.explain("a100", ADDRESS, EngineError(text), image="build")
    assert "no such version" in error.sentence
    assert "TORCH_VERSION" in error.advice


def test_a_rootless_engine_is_pointed_at() -> None:
    text = "socket: missing rootless /run/user/1000/docker.sock"
    error = advice.explain("a100", ADDRESS, LinkError(text))
    assert "ssh://HOST/run/user/1000/docker.sock" in error.advice


def test_an_unknown_text_is_passed_on() -> None:
    assert "Docker refused: quota" in advice.explain("t4", ADDRESS, EngineError("quota")).sentence


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason"),
    [(137, True, "oom"), (137, False, "crash"), (28, False, "crash"), (2, False, "error")],
)
def test_how_a_harness_ended_becomes_a_reason(code: int, out_of_memory: bool, reason: str) -> None:
    error = advice.ended("t4", ContainerState("exited", code, out_of_memory), run="the-run")
    assert error is not None
    assert error.reason == reason


@pytest.mark.parametrize("code", [0, 1])
def test_a_harness_that_ended_as_it_should_needs_no_words(code: int) -> None:
    # A case that ran out of memory alone leaves its mark on the container, too.
    assert advice.ended("t4", ContainerState("exited", code, True), run="the-run") is None
