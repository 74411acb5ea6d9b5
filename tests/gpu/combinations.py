"""Modes x precisions x batch sizes on one tiny model: a set that covers all pairs, and all of them.

    python -m tests.fake_gpu a100 -- python -m tests.gpu.combinations FOLDER [--models NAMES]

measures the whole product into a folder. Called again, it goes on with what the folder lacks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from harness.contract import recipes
from harness.contract.plan import Case, Plan
from harness.contract.records import Failure, Measurement, Record, read_record
from harness.contract.vocabulary import PRECISIONS, Precision
from tests.gpu.harness_runs import brief

MODEL: Final = "vit-base"
BATCH_SIZES: Final = (1, 2, 3)
Combination: TypeAlias = tuple[str, Precision, int]
INDUCTORS: Final = tuple(mode for mode in recipes.MODES if recipes.of(mode).generates_code)
AXES: Final = (INDUCTORS, PRECISIONS, BATCH_SIZES)


def covering(
    modes: Sequence[str], precisions: Sequence[Precision], batch_sizes: Sequence[int]
) -> list[Combination]:
    """A case for each pair of the two longer axes, with the third spread over them as in a Latin
    square, so that each of its values meets each of theirs."""
    return [
        (mode, precision, batch_sizes[(row + column) % len(batch_sizes)])
        for row, mode in enumerate(modes)
        for column, precision in enumerate(precisions)
    ]


def one_case(combination: Combination) -> Case:
    mode, precision, batch_size = combination
    return Case(model=MODEL, recipe=mode, precision=precision, batch_size=batch_size)


def plan(
    modes: Sequence[str],
    precisions: Sequence[Precision],
    batch_sizes: Sequence[int],
    models: Sequence[str] = (MODEL,),
) -> Plan:
    return brief(
        tuple(models),
        recipes=tuple(modes),
        precisions=tuple(precisions),
        batch_sizes=tuple(batch_sizes),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=MODEL)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    whole = plan(*AXES, models=given.models.split(","))
    file = given.folder / "records.jsonl"
    done = {record.case_id for record in results(file) if record.case_id is not None}
    rest = whole.model_copy(update={"skip": tuple(sorted(done))})
    print(f"{len(rest.attempts())} of {len(whole.attempts())} cases to measure", file=sys.stderr)
    if rest.attempts():
        measure(rest, file)
    print(in_words(results(file)))


def measure(rest: Plan, file: Path) -> None:
    """Let a harness append its records to a file."""
    with file.open("ab") as records:
        records.write(b"\n")  # behind a line that was cut off
        subprocess.run(
            [sys.executable, "-m", "harness", "--require-gpu", "--plan", "-"],
            input=rest.model_dump_json().encode(),
            stdout=records,
            check=False,
        )


def results(file: Path) -> list[Measurement | Failure]:
    """Whole records of results in a file; one that was cut off by an interruption is none."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    records: list[Record] = []
    for line in lines:
        try:
            records.append(read_record(line))
        except ValueError:
            continue
    return [record for record in records if isinstance(record, Measurement | Failure)]


def in_words(found: Sequence[Measurement | Failure]) -> str:
    kinds = Counter(
        "measured" if isinstance(each, Measurement) else f"{each.reason}: {each.message[:80]}"
        for each in found
    )
    return "\n".join(f"{number:4}  {kind}" for kind, number in kinds.most_common())


if __name__ == "__main__":
    main()
