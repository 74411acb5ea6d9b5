"""Blanks a secret in a stream of bytes, wherever the stream is cut into chunks (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLANK: Final = b"***"
# A shorter one is none, and would blank half of every text.
_SHORTEST: Final = 8


@dataclass(slots=True)
class Blanking:
    """Takes chunks in order. Where one ends as the secret begins, that end waits for the next."""

    secret: bytes
    _held: bytes = b""

    def blanked(self, chunk: bytes) -> bytes:
        if len(self.secret) < _SHORTEST:
            return chunk
        text = (self._held + chunk).replace(self.secret, BLANK)
        held = next(
            (n for n in range(len(self.secret) - 1, 0, -1) if text.endswith(self.secret[:n])), 0
        )
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> bytes:
        """What was held back, once nothing more comes."""
        held, self._held = self._held, b""
        return held
