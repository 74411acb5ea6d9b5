"""A coverage-guided fuzz of one target: `python -m tests.fuzz records --runs 60000`.

Needs atheris (Linux; see requirements/fuzz.txt). Ends at the first input that raises, hangs for ten
seconds or takes 2 GB, with that input in a file beside it. `make fuzz` runs all targets.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["orchestrator", "harness"]):
    from tests.fuzz import mutation, seeds, targets


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*targets.ALL])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-bytes", type=int, default=8192)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        words = Path(corpus).with_suffix(".dict")
        words.write_text(seeds.DICTIONARY + "\n")
        for number, seed in enumerate(seeds.of(chosen.target)):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        target = targets.ALL[chosen.target]
        options = [
            f"-runs={chosen.runs}", f"-seed={chosen.seed}", f"-max_len={chosen.max_bytes}",
            "-timeout=10", "-rss_limit_mb=2048", f"-dict={words}", "-print_final_stats=1",
            f"-artifact_prefix=fuzz-{chosen.target}-", "-verbosity=1",
        ]  # fmt: skip
        atheris.Setup(
            [sys.argv[0], *options, corpus],
            lambda data: _ignore(target(data)),
            custom_mutator=_mutated,
        )
        atheris.Fuzz()


def _mutated(data: bytes, max_bytes: int, seed: int) -> bytes:
    """As JSON two times in three, else as bytes."""
    changed = mutation.mutated(data, seed) if seed % 3 else data
    if changed == data or len(changed) > max_bytes:
        return bytes(atheris.Mutate(data, max_bytes))
    return changed


def _ignore(_: object) -> None:
    """libFuzzer takes no answer."""


if __name__ == "__main__":
    main()
