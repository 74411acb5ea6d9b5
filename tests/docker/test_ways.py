"""Engines that are reached without SSH: over a socket of this machine, and over TLS."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from orchestrator.fleet import doctor
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import contained, image, local
from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory import addresses
from orchestrator.inventory.engines import EngineMachine
from tests.docker import needs, stand_in, tls, trial
from tests.docker.engine import Engine
from tests.docker.trial import STEPS, STREAM, Trial


def load(engine: Engine) -> None:
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, image.build_input({}).tag, STEPS)


def measured(engine: Engine, output: Path, url: str, certificates: str = "") -> Trial:
    load(engine)
    address = addresses.parse(url, certificates)
    run = Trial.new(output, [EngineMachine("near", address, ())])
    run.measure()
    return run


def test_an_engine_on_a_socket_needs_no_ssh(engine: Engine, tmp_path: Path) -> None:
    run = measured(engine, tmp_path, engine.url)
    assert run.watcher.troubles == {"near": ""}
    assert run.records("near") == STREAM


def test_an_engine_behind_tls_takes_a_client_certificate(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.require("openssl")
    # What the user set for other programs must not replace the engine's own authority.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    with tls.front(engine.socket, tmp_path) as front:
        run = measured(engine, tmp_path / "reports", front.url, str(front.certificates))
        assert run.watcher.troubles == {"near": ""}
        assert run.records("near") == STREAM


def test_an_engine_behind_tls_is_not_talked_to_without_one(engine: Engine, tmp_path: Path) -> None:
    needs.require("openssl")
    (tmp_path / "empty").mkdir()
    with tls.front(engine.socket, tmp_path) as front:
        run = measured(engine, tmp_path / "reports", front.url, str(tmp_path / "empty"))
    assert "needs a client certificate" in run.watcher.troubles["near"]
    assert "lacks ca.pem, cert.pem, key.pem" in run.watcher.troubles["near"]
    assert run.exit_code() == 3


def test_one_engine_behind_two_addresses_measures_once(engine: Engine, tmp_path: Path) -> None:
    load(engine)
    (tmp_path / "other.sock").symlink_to(engine.socket)
    urls = {"one": engine.url, "two": f"unix://{tmp_path}/other.sock"}
    run = Trial.new(
        tmp_path, [EngineMachine(name, addresses.parse(urls[name]), ()) for name in urls]
    )
    run.measure()
    (good,) = (name for name, trouble in run.watcher.troubles.items() if not trouble)
    (bad,) = urls.keys() - {good}
    assert run.records(good) == STREAM
    assert f'host "{bad}" is the machine of host "{good}"' in run.watcher.troubles[bad]
    assert run.exit_code() == 1
    first, second = doctor.examine(run.machines, ImageSource())
    found = [check.found for check in second.checks if check.state == "bad"]
    assert found == [
        f'that of host "{first.host}" as well: both would measure the same CPU at once'
    ]


def test_an_engine_of_this_machine_does_not_compete_with_what_local_measures(
    engine: Engine, tmp_path: Path
) -> None:
    load(engine)
    with contextlib.closing(DockerEngine(addresses.parse(engine.url))) as asked:
        asked.connect()
        assert local.is_here(asked.facts())  # by whatever address it may be reached
    near = EngineMachine("near", addresses.parse(engine.url), ())
    run = Trial.new(tmp_path, [LocalMachine(), near])
    hosts = contained.hosts_for([near], ImageSource(), trial.TERMS, beside_local=True)
    Run.of(run.folder).measure(hosts, run.watcher)
    assert 'is this machine, which host "local" measures' in run.watcher.troubles["near"]


def test_a_socket_that_nobody_listens_on_is_named(engine: Engine, tmp_path: Path) -> None:
    run = measured(engine, tmp_path, f"unix://{tmp_path}/nobody.sock")
    assert "no Docker engine at this address" in run.watcher.troubles["near"]


def test_a_plan_with_a_large_picture_arrives_whole(engine: Engine, tmp_path: Path) -> None:
    # What the container read comes back in its log.
    size = 12 << 20
    picture = trial.PLAN.picture.model_copy(update={"content_base64": "A" * size})
    fields = trial.PLAN.model_dump() | {"plan_id": "", "picture": picture}
    plan = Plan.model_validate(fields)
    steps = [stand_in.Do("cat >/tmp/in; ls -l /tmp/in >&2"), *trial.steps_for(plan)]
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, image.build_input({}).tag, steps)
    run = Trial.new(tmp_path, [EngineMachine("near", addresses.parse(engine.url), ())], plan)
    run.measure()
    assert run.watcher.troubles == {"near": ""}
    sent = len(run.folder.plan().model_dump_json()) + 2  # a token's empty line, and a line break
    log = (run.folder.path / "logs" / "near.1.log").read_text()
    assert str(sent) in log.split()
