"""One record file, as far as it can be read: an attempt of a host, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from harness.contract.vocabulary import NewerSchemaError
from orchestrator.errors import RunError
from orchestrator.records.admission import TooMuchError
from orchestrator.records.files import regular
from orchestrator.records.intake import Intake
from orchestrator.records.outcomes import Attempt
from orchestrator.records.runmeta import RunMeta
from orchestrator.records.stream import Read, Unreadable

_CHUNK_BYTES: Final = 1 << 20


def read(path: Path, meta: RunMeta, plan: Plan) -> Attempt:
    """Read what a host sent. Raises: RunError: it cannot be read, or a newer version made it."""
    intake, records, remarks = Intake(plan), [], []
    refused: dict[str, str] = {}
    try:
        for item in _items(path, intake):
            if isinstance(item, Read):
                records.append(item.record)
                if strange := intake.oddity(item):
                    remarks.append(f"{path.name}, line {item.number}: {strange}")
                continue
            remarks.append(f"{path.name}, line {item.number} skipped: {item.why}")
            if item.case_id:
                refused[item.case_id] = f"{item.why} ({path.name}, line {item.number})"
    except TooMuchError as error:
        remarks.append(f"{path.name} is not read to its end: {error}")
    except NewerSchemaError as error:
        raise RunError(f"{path} was {error}") from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    interrupted = path.name in meta.interrupted
    trouble = meta.troubles.get(path.name)
    return Attempt(tuple(records), interrupted, tuple(remarks), trouble, refused)


def _items(path: Path, intake: Intake) -> Iterator[Read | Unreadable]:
    with regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield from intake.feed(chunk)
    yield from intake.end()
