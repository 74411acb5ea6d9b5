"""What every kind of hosts must fulfil, so that the inventory can tell them apart."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from orchestrator.hosts import opening
from orchestrator.hosts.contained import ContainedHost, Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory import inventory
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from orchestrator.inventory.machines import Machine
from orchestrator.inventory.pools import Pool, PoolMachine

MACHINES = (
    LocalMachine(),
    EngineMachine("t4", Address("ssh", "t4"), ("0", "1"), 0.5),
    PoolMachine("a100", Pool("http://127.0.0.1:8265", "A100", workers=4), 3.5),
)


def test_each_kind_has_a_machine_here() -> None:
    assert [kind for kind, _ in registry.grouped(MACHINES)] == list(registry.KINDS)
    assert [registry.of(machine) for machine in MACHINES] == list(registry.KINDS)


def test_no_key_marks_two_kinds_and_every_mark_may_stand_in_its_table() -> None:
    marks = Counter(mark for kind in registry.settings() for mark in kind.marks)
    assert max(marks.values()) == 1
    for kind in registry.settings():
        assert set(kind.marks) <= set(kind.keys)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_run_json_keeps_is_read_by_the_kind_that_wrote_it(machine: Machine) -> None:
    kept = json.loads(json.dumps(machine.settings()))
    if kept:  # else its name says it all
        assert inventory.remembered(machine.name, kept, registry.settings()) == machine
    assert registry.of(machine).settings.of_run(machine.name, kept) == machine


@pytest.mark.parametrize("machine", MACHINES)
def test_what_leaves_something_can_be_looked_at(machine: Machine) -> None:
    assert bool(machine.where) == registry.of(machine).goes_on_alone


@pytest.mark.parametrize(("beside", "refused"), [(MACHINES[0], True), (MACHINES[2], False)])
def test_only_a_run_that_measures_here_keeps_engines_of_this_machine_out(
    beside: Machine, *, refused: bool
) -> None:
    hosts = opening.hosts_for([MACHINES[1], beside], ImageSource(), Terms())
    engines = [host for host in hosts if isinstance(host, ContainedHost)]
    assert [host.preparation.beside_local for host in engines] == [refused] * 2
