"""How a command ends: an error becomes a sentence on standard error, and all of it an exit code."""

from __future__ import annotations

import functools
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, ParamSpec

import typer

from orchestrator.errors import DeskError, HangUp

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

P = ParamSpec("P")

INTERRUPTED: Final = 130
CRASHED: Final = 1
# An interrupt inside an import breaks it, and what Python raises then may be anything.
_asked_to_end: Final = threading.Event()


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
    print(_plain(f"{sentence}\n{advice}".rstrip()), file=sys.stderr)


def _plain(text: str) -> str:
    try:
        from orchestrator.wording import plain
    except Exception:  # noqa: BLE001  broken by Ctrl-C
        return "".join(one for one in text if one.isprintable() or one == "\n")
    return plain(text)


def guard(app: Callable[[], object]) -> None:
    """Run the command line; a defect of this program becomes a sentence and a file, too."""
    _make_streams_writable()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)  # a shell's background job ignores it
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _hang_up)  # nohup ignores it
    try:
        app()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our standard output has left, as `head` does
        _give_up_stdout()
        sys.exit(CRASHED)
    except OSError as error:
        _give_up_stdout()
        where = f" {error.filename}" if error.filename else ""
        complain(f"the system refused{where}: {error.strerror or error}", _notes(error))
        sys.exit(CRASHED)
    except KeyboardInterrupt:  # once more, while the first one was being told
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  no traceback reaches a user; the file has it
        sys.exit(_tell_of_defect(error))


def _tell_of_defect(error: Exception) -> int:
    """Returns: the exit code."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="orchestrate-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    what = f"{type(error).__name__}: {error}"
    if _asked_to_end.is_set():
        complain("interrupted", f"It broke off with {what}; details: {file.name}. {_notes(error)}")
        return INTERRUPTED
    complain(
        f"an unexpected error, a defect of this program: {what}",
        f"Its details are in {file.name}. {_notes(error)}".rstrip(),
    )
    return CRASHED


def _notes(error: Exception) -> str:
    """What those know who passed it on: a run says what of it is kept."""
    return " ".join(getattr(error, "__notes__", ()))


def _interrupt(*_: object) -> NoReturn:
    """Being asked to end is as good as Ctrl-C: what was measured is kept, nothing goes on."""
    _asked_to_end.set()
    raise KeyboardInterrupt


def _hang_up(*_: object) -> NoReturn:
    """Kernel and shell both say so: the second time must not count as a second Ctrl-C."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise HangUp


class _Expendable(io.FileIO):
    """What is said here may go unheard: a reader who left, or a full disk, ends no measurement."""

    def write(self, text: Buffer) -> int:
        try:
            return super().write(text)
        except OSError:
            return memoryview(text).nbytes


def _make_streams_writable() -> None:
    """A stream that was closed swallows what is written; a character it lacks becomes another.

    Standard error swallows what nobody can read, too; standard output, which carries data, fails.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        raw = _Expendable(sys.stderr.fileno(), "wb", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), sys.stderr.encoding, "replace", line_buffering=True
        )


def _give_up_stdout() -> None:
    """Else Python tries to write the rest at its end, and fails once more."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
