"""Texts as they really come, from engines and from ssh -> what a user is told."""

from __future__ import annotations

import pytest

from orchestrator.addresses import Address
from orchestrator.hosts import advice
from orchestrator.hosts.engine import ContainerState, EngineError, LinkError

ADDRESS = Address("ssh", "203.0.113.10", "bench", 2222)
TEXTS = [
    ("Host key verification failed.", "host key is unknown or has changed", "ssh-keygen -R 203"),
    ("bench@h: Permission denied (publickey).", "not let in", "ssh-copy-id -p 2222 bench@203"),
    ("ssh: Could not resolve hostname a1: Name or service not known", "not known to DNS", "name"),
    ("ssh: connect to host h port 22: No route to host", "does not answer", "firewall"),
    ("ssh: connect to host h port 22: Connection timed out", "does not answer", "firewall"),
    ("ssh: connect to host h port 22: Connection refused", "nothing listens", "port"),
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
    (
        'Get "http://10.0.0.1:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused',
        "cannot reach the image's registry", "--image-source ship",
    ),
    ("write /var/lib/docker/tmp/x: no space left on device", "disk is full", "system prune"),
    ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] ssl/tls alert", "TLS failed", "DOCKER_CERT_PATH"),
    ("no client certificate: /root/.docker lacks ca.pem", "needs a client cert", "ssh://"),
    ("socket: forbidden", "may not use Docker's socket", "usermod -aG docker"),
    ("socket: missing", "no Docker engine", "systemctl start docker"),
    ("socket: usable", "does not answer through it", "AllowStreamLocalForwarding"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence", "told"), TEXTS)
def test_a_text_becomes_a_sentence_and_advice(text: str, sentence: str, told: str) -> None:
    error = advice.explain("a100", ADDRESS, LinkError(text), run="the-run")
    assert error.sentence.startswith('host "a100" (ssh://bench@203.0.113.10:2222): ')
    assert sentence in error.sentence
    assert text in error.sentence
    assert told in error.advice


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
