"""How a command ends: an error becomes a sentence on standard error, and all of it an exit code."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Final, ParamSpec

import typer

from orchestrator.errors import DeskError

P = ParamSpec("P")

INTERRUPTED: Final = 130
CRASHED: Final = 1


def speaking(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn what a command returns or raises into an exit code, and an error into a sentence."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except DeskError as error:
            complain(error.sentence, error.advice)
            code = error.exit_code
        except KeyboardInterrupt:
            complain("interrupted")
            code = INTERRUPTED
        if code is not None:
            raise typer.Exit(code)

    return wrapped


def complain(sentence: str, advice: str = "") -> None:
    """One sentence and what to do, on standard error."""
    from orchestrator.wording import plain

    print(plain(f"{sentence}\n{advice}".rstrip()), file=sys.stderr)


def guard(app: Callable[[], object]) -> None:
    """Run the command line; a defect of this program becomes a sentence and a file, too."""
    try:
        app()
    except BrokenPipeError:  # the reader of our standard output has left, as `head` does
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        sys.exit(CRASHED)
    except Exception as error:  # noqa: BLE001  no traceback reaches a user; the file has it
        with tempfile.NamedTemporaryFile(
            "w", prefix="orchestrate-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exc(file=file)
        complain(
            f"an unexpected error, a defect of this program: {type(error).__name__}: {error}",
            f"Its details are in {file.name}; records measured so far are kept.",
        )
        sys.exit(CRASHED)
