from __future__ import annotations

import threading
from typing import cast

from orchestrator.fleet.messages import Inbox, Note
from orchestrator.fleet.work import Work

NOBODY = cast("Work", None)


def test_a_host_that_says_more_than_is_read_waits_until_it_is_or_nobody_reads() -> None:
    inbox, said = Inbox(), []

    def say() -> None:
        for number in range(1000):
            inbox.put(NOBODY, Note(str(number)))
            said.append(number)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    first = [inbox.get(timeout_s=5)[1] for _ in range(200)]
    assert first == [Note(str(number)) for number in range(200)]
    assert len(said) < 300
    inbox.close()
    thread.join(timeout=5)
    assert not thread.is_alive()
