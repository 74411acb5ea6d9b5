"""Runs a command on a machine with fake GPUs, and exits as it does.

python -m tests.fake_gpu a100 [--gpus 2] [--stage NAME=VALUE ...] [--state FOLDER] -- COMMAND...
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.fake_gpu.build import BuildError
from tests.fake_gpu.machine import KINDS, STAGES, FakeMachine, StagingError

USAGE_ERROR: Final = 2


def main(arguments: list[str]) -> int:
    """Run a command; return its exit code, 128 and the number of the signal that ended it, or 2."""
    own, command = _split(arguments)
    chosen = _parser().parse_args(own)
    if not command:
        return _refuse("say what to run, after --")
    with tempfile.TemporaryDirectory(prefix="fake-gpu-") as folder:
        try:
            staged = dict(_pair(each) for each in chosen.stage)
            machine = FakeMachine(chosen.state or Path(folder), chosen.kind, chosen.gpus, **staged)
        except (StagingError, BuildError) as error:
            return _refuse(str(error))
        except OSError as error:
            return _refuse(f"--state {chosen.state} cannot be made: {error.strerror}")
        return _run(machine, command)


def _run(machine: FakeMachine, command: list[str]) -> int:
    """A terminal sends Ctrl-C to the command as well: it decides what becomes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = subprocess.run(
            command,
            check=False,
            env=os.environ | machine.environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ).returncode
    except OSError as error:
        return _refuse(f"cannot run {command[0]}: {error.strerror}")
    return code if code >= 0 else 128 - code


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"fake GPU: {sentence}\n")
    return USAGE_ERROR


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is for this program, and the command."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise StagingError(f"--stage takes NAME=VALUE, not {text!r}")
    return name, value


def _parser() -> argparse.ArgumentParser:
    stages = "\n".join(f"  {name:18} {stage.meaning}" for name, stage in STAGES.items())
    parser = argparse.ArgumentParser(
        usage="python -m tests.fake_gpu KIND [--gpus N] [--stage NAME=VALUE ...] -- COMMAND...",
        description="Run a command on a machine with fake NVIDIA GPUs.",
        epilog=f"What can be staged:\n{stages}".replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", help=f"{', '.join(KINDS)}, or several with commas between")
    parser.add_argument("--gpus", type=int, help="how many")
    parser.add_argument("--stage", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--state", type=Path, help="the machine's folder, kept afterwards")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
