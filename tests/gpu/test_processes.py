"""How the processes of cases start beside a CUDA driver, and that the record says so."""

from __future__ import annotations

import pytest

from harness.contract.plan import Protocol
from harness.contract.vocabulary import CaseProcesses
from tests.gpu.conftest import Factory, is_real
from tests.gpu.harness_runs import QUICK, brief, run


def protocol(wish: CaseProcesses) -> Protocol:
    return QUICK.model_copy(update={"case_processes": wish})


@pytest.mark.essential
@pytest.mark.parametrize("wish", ["auto", "fork"])
def test_a_case_is_measured_however_its_process_starts(
    gpu_environment: dict[str, str], wish: CaseProcesses
) -> None:
    """The libraries that a build for CUDA loads load the driver, too, and do not initialise it.
    Forking is done on request; a real driver that refuses it makes processes start anew."""
    outcome = run(brief(protocol=protocol(wish)), gpu_environment)
    environment, measured = outcome.started.environment, outcome.only
    assert environment.device.type == "cuda"
    if wish == "fork" and is_real():
        assert environment.process_start in ("fork", "spawn")
    else:
        assert environment.process_start == ("fork" if wish == "fork" else "spawn")
    if environment.process_start == "fork":
        assert measured.start_up_s < 2.0
    assert (outcome.code, outcome.is_finished) == (0, True)


@pytest.mark.parametrize("trouble", ["refuse", "hang"])
def test_a_driver_that_forked_processes_cannot_use_makes_all_start_anew(
    fake_machine: Factory, trouble: str
) -> None:
    outcome = run(brief(), fake_machine(fork=trouble).environment(), answer_limit_s=15)
    assert outcome.started.environment.process_start == "spawn"
    assert outcome.only.clock == "cuda"
