"""The copy of its records that a harness in a container keeps itself.

An engine may lose a line that it has read from the harness and not yet written to the log. The
copy lies in the container's memory, so it is there for as long as the harness is; whatever stops
an engine leaves it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.hosts import FromStart, container
from orchestrator.hosts.engine import Engine, EngineError, LinkError

# An engine may follow logs and hang over copies: a log alone is better than nothing.
_TRIES: Final = 3
# Each record that is asked for takes another replay, and a host that leaves out many is confused.
_MOST_ASKED: Final = 20


@dataclass(slots=True)
class Keepsake:
    """`due`: whether the log alone may lack something; `wanted`: whether a record is known to be
    missing."""

    engine: Engine
    container: str
    silence_s: float
    due: bool = False
    wanted: bool = False
    _tries: int = 0
    _asked: set[int] = field(default_factory=set)

    def want(self, seq: int) -> bool:
        """Ask for a record, once. Returns: whether it is being looked for."""
        if seq in self._asked or len(self._asked) == _MOST_ASKED:
            return False
        self._asked.add(seq)
        self.wanted = self.due = True
        return True

    def chunks(self) -> Iterator[bytes | FromStart]:
        """The copy from its first byte, if it is due; nothing if the harness runs no more.

        Raises: LinkError.
        """
        if not self.due or self._tries == _TRIES:
            return
        self._tries += 1
        try:
            for chunk in self.engine.file(self.container, container.COPY, self.silence_s):
                yield chunk
                if self.wanted:
                    break
        except LinkError:
            raise
        except EngineError:
            pass
        self._tries = 0
        yield FromStart("")
