"""Which attempts may still be under way."""

from __future__ import annotations

import pytest

from harness.contract.records import Finished
from orchestrator.hosts import STARTING
from orchestrator.hosts.kinds import leftovers
from orchestrator.records.outcomes import Attempt, Trouble
from tests import factories

LOST = 'host "t4" was lost'


@pytest.mark.parametrize(
    ("trouble", "over"),
    [
        (None, False),  # the desk was killed
        (Trouble(LOST), False),
        (Trouble(LOST, preparing=STARTING), False),  # the link broke behind the container's start
        (Trouble("no key", preparing="connecting"), True),
        (Trouble("no disk", preparing="building the image, step 3/14"), True),
        (Trouble("killed", "crash"), True),
    ],
)
def test_only_what_may_have_a_container_can_be_taken_up(
    trouble: Trouble | None, *, over: bool
) -> None:
    assert leftovers.is_over(Attempt((), trouble=trouble)) == over


def test_a_harness_that_said_its_last_is_over() -> None:
    assert leftovers.is_over(
        Attempt((factories.started(), Finished(plan_id="p", measured=0, failed=0)))
    )
