"""What attach reads of a run, and what it says of hosts where nothing is under way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from orchestrator.fleet import attaching
from orchestrator.hosts import contained
from orchestrator.hosts.contained import Terms
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from orchestrator.records import reading
from orchestrator.records.outcomes import Attempt
from orchestrator.records.runmeta import RunMeta
from tests.fake_host import FakeHost
from tests.integration.replays import WHOLE, Told, measured


def test_the_records_of_each_host_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a100", "t4", "v100")
    folder = measured(tmp_path, *(FakeHost(name, WHOLE) for name in names))
    (folder.path / "records" / "v100.1.jsonl").write_bytes(WHOLE[: len(WHOLE) // 2])
    read, reads = reading.read, Counter[str]()

    def counted(path: Path, meta: RunMeta, plan: Plan) -> Attempt:
        reads[path.name] += 1
        return read(path, meta, plan)

    monkeypatch.setattr(reading, "read", counted)
    monkeypatch.setattr(contained, "find", lambda *_: None)  # nothing runs there any more
    machines = [EngineMachine(name, Address("ssh", name)) for name in names]
    told = Told()
    attaching.attach(folder, machines, told, Terms())
    assert reads == {f"{name}.1.jsonl": 1 for name in names}
    assert told.troubles["a100"] == told.troubles["t4"] == ""
    assert "its harness is no longer there" in told.troubles["v100"]
