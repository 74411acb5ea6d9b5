"""A host made ready: connected, and the image there. Once for all GPUs of a host."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.errors import DeskError, HostError
from orchestrator.hosts import Say, advice, image, local, probe
from orchestrator.hosts.engine import Engine, EngineError, EngineFacts, LinkError
from orchestrator.hosts.image import BuildInput, ImageSource, Kind
from orchestrator.hosts.persistence import Persistence
from orchestrator.hosts.shell import Shell, shell
from orchestrator.hosts.shipyard import Shipyard
from orchestrator.inventory.engines import EngineMachine

# An sshd that is asked by many at once drops some (MaxStartups).
_TRIES: Final = 3
_DROPPED: Final = re.compile(r"Connection (reset|closed) by")
_STEP: Final = re.compile(r"Step (\d+/\d+) ")


@dataclass(frozen=True, slots=True)
class Ready:
    """What a container needs to know of its host."""

    image: str
    facts: EngineFacts


@dataclass(slots=True)
class Preparation:
    """One engine on its way to being ready; `beside_local` if this machine is measured, too.
    `another_engine` makes one more connection to it, not yet open.

    A host that never answered is given up at once; one that did has some time to answer again,
    because bringing an image takes long.
    """

    machine: EngineMachine
    engine: Engine
    another_engine: Callable[[], Engine]
    source: ImageSource
    shipyard: Shipyard
    shell: Shell = shell
    beside_local: bool = False
    persistence: Persistence = field(default_factory=Persistence)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _result: Ready | DeskError | None = None

    def ready(self, say: Say, log: Path) -> Ready:
        """Raises: HostError, the same for every GPU of this host."""
        with self._lock:
            if self._result is None:
                self._result = self._prepare(say, log)
        if isinstance(self._result, Ready):
            return self._result
        raise self._result

    def _prepare(self, say: Say, log: Path) -> Ready | DeskError:
        about_image = False
        try:
            self._connect(say)
            facts = self.engine.facts()
            self._require_apart(facts)
            self._require_gpus(facts)
            about_image = True
            return Ready(self._image(say, log), facts)
        except EngineError as error:
            self.engine.close()
            return self.explain(error, image=self.source.kind if about_image else None)
        except HostError as error:
            self.engine.close()
            return error
        except BaseException:  # the user stopped the run
            self.engine.close()
            raise
        finally:
            if self.source.kind == "ship":
                self.shipyard.leave(self, say)

    def explain(self, error: EngineError, run: str = "RUN", image: Kind | None = None) -> HostError:
        return advice.explain(self.machine.name, self.machine.address, error, run=run, image=image)

    @property
    def name(self) -> str:
        return self.machine.name

    def _connect(self, say: Say) -> None:
        for left in reversed(range(_TRIES)):
            say("connecting")
            try:
                return self.engine.connect()
            except LinkError as error:
                if error.lasting or not left or not _DROPPED.search(error.text):
                    raise
            time.sleep(self.persistence.pause_s)
        return None

    def _image(self, say: Say, log: Path) -> str:
        """The image, though the link to the host may break meanwhile: an engine keeps the layers
        that it has. Raises: EngineError."""
        if self.source.kind == "ship":
            return self.shipyard.obtain(self, image.build_input(self.source.arguments), say, log)
        return self.persistence.over(self.engine, say, lambda: self._own_image(say, log))

    def _require_apart(self, facts: EngineFacts) -> None:
        """Raises: HostError: it would compete with what is measured on this machine itself."""
        if self.beside_local and local.shares_machine(self.machine.address, facts, self.shell):
            raise advice.beside_local(self.machine.name, self.machine.address)

    def _require_gpus(self, facts: EngineFacts) -> None:
        """Before minutes are spent on an image. Raises: HostError.

        An engine that lists no NVIDIA runtime may still find the toolkit's hook; where no shell
        can tell, starting the container will.
        """
        if not self.machine.gpus or facts.has_nvidia:
            return
        try:
            text = self.shell(self.machine.address, probe.toolkit_script())
        except LinkError:
            return
        found = probe.read(text or "")
        if found is not None and not found.toolkit:
            raise advice.no_nvidia(self.machine.name, self.machine.address)

    def _own_image(self, say: Say, log: Path) -> str:
        if self.source.kind == "pull":
            return self._pulled(say, log)
        return self.build(image.build_input(self.source.arguments), say, log)

    def build(self, build_input: BuildInput, say: Say, log: Path) -> str:
        """Build the image here, unless it is here. Raises: EngineError."""
        found = self.engine.image(build_input.tag)
        if found is not None and image.is_ours(found.labels):
            return found.id
        say("building the image")
        with log.open("a", encoding="utf-8") as file:
            if found is not None:
                file.write(
                    f"{build_input.tag} was here, but holds another harness: building it anew\n"
                )
            told = _telling(say, file.write)
            return self._twice(
                lambda: self.engine.build(
                    build_input.context, build_input.tag, build_input.arguments, told
                ),
                told,
            )

    def _pulled(self, say: Say, log: Path) -> str:
        reference = self.source.reference
        if self.engine.image(reference) is None:
            say("pulling the image")
            with log.open("a", encoding="utf-8") as file:
                told = _telling(lambda _: None, file.write)
                self._twice(lambda: self.engine.pull(reference, told), told)
        found = self.engine.image(reference)
        if found is None:
            raise EngineError(f"the engine has no image {reference} after pulling it")
        if why := image.misfit(found.labels):
            raise EngineError(why)
        return found.id

    def _twice(self, work: Callable[[], str], told: Callable[[str], None]) -> str:
        """An engine that is told to end lets its parts say whatever they say then. So what nobody
        understands is tried once more, from the layers that are there. Raises: EngineError."""
        try:
            return work()
        except LinkError:
            raise
        except EngineError as error:
            if advice.is_understood(error):
                raise
            told(f"once more, after: {error.text}")
        time.sleep(self.persistence.pause_s)
        return work()


def _telling(say: Say, write: Callable[[str], object]) -> Callable[[str], None]:
    """Everything to the log file; the steps to whoever watches."""

    def output(line: str) -> None:
        write(line + "\n")
        step = _STEP.match(line)
        if step:
            say(f"building the image, step {step[1]}")

    return output
