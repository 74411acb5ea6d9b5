"""What a resumable step has done, in a file of JSON lines that a killed process leaves whole.

Three kinds of line: `begun` names what is under way, `result` what came of it, `ran_out` that the
time was over before anything did, and how long that try had lasted.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# What ran out of time is tried again only with so much more of it.
MORE: Final = 1.1
COMPLETE: Final = "complete"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One file; every line is on disk when the method that writes it returns."""

    path: Path

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines, oldest first; a half line, left by a killed process, is none."""
        found = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return [line for line in found if isinstance(line, dict)]

    def results(self) -> dict[str, dict[str, Any]]:
        """What came of each thing that ended, by its name; the last one counts."""
        return {line["result"]: line for line in self.lines() if line.get("result")}

    def complete(self) -> dict[str, Any] | None:
        """The line that says that nothing is left to do; its `error` says if that is a failure."""
        return next((line for line in self.lines() if COMPLETE in line), None)

    def begin(self, name: str) -> None:
        self._append({"begun": name, "at_s": time.time()})

    def keep(self, name: str, **result: object) -> None:
        self._append({"result": name, **result})

    def close(self, error: str = "", **more: object) -> None:
        """Nothing is left to do, or nothing can be done for the reason given."""
        self._append({COMPLETE: True, "error": error, **more})

    def run_out(self, name: str, had_s: float) -> None:
        """The time was over before this had ended, `had_s` seconds after its begin."""
        self._append({"ran_out": name, "had_s": round(had_s, 3)})

    def under_way(self, since_s: float) -> tuple[str, float] | None:
        """What has begun and not ended, and for how many seconds; None if there is nothing.

        Args:
            since_s: what began before is left by an earlier process (seconds since the epoch).
        """
        (last,) = self.lines()[-1:] or [{}]
        if "begun" not in last or last["at_s"] < since_s:
            return None
        return str(last["begun"]), time.time() - last["at_s"]

    def in_vain_s(self) -> dict[str, float]:
        """The longest try of each thing that has only ever run out of time, in seconds."""
        longest: dict[str, float] = {}
        for line in self.lines():
            if name := line.get("ran_out"):
                longest[name] = max(longest.get(name, 0.0), line["had_s"])
            longest.pop(line.get("result", ""), None)
        return longest

    def may_begin(self, name: str, left_s: float) -> bool:
        """Whether `left_s` seconds are more than this has had in vain. Else it would take the time
        of every call and never end."""
        return left_s > MORE * self.in_vain_s().get(name, 0.0)

    def _append(self, line: dict[str, object]) -> None:
        with self.path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            broken = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            file.write(b"\n" * broken + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
