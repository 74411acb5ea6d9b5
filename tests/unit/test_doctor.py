"""Doctor with a hand-written engine and shell: who is asked what, and what becomes of no answer."""

from __future__ import annotations

import datetime
import json
import threading
from dataclasses import dataclass, field

import pytest

from orchestrator.diagnosis import checks
from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.fleet import doctor
from orchestrator.hosts.engine import EngineError, EngineFacts, ImageFacts, LinkError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from orchestrator.inventory.machines import LOCAL, Machine
from tests.fake_engine import ours

SSH = Address("ssh", "a100")
PULLED = ImageSource("pull", "registry.example/image@sha256:" + "0" * 64)
T4 = "gpu 0, GPU-t, Tesla T4, 550.54, 7.5\nsmi \ntoolkit\nfree 104857600\nend\n"


@dataclass
class FakeEngine:
    """Answers as planted; counts how often it was closed."""

    image_facts: ImageFacts | None = None
    fault: EngineError | None = None
    has_nvidia: bool = True
    behind_s: float = 0.0
    closed: int = 0
    asked: list[str] = field(default_factory=list)

    def connect(self) -> None:
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        self.closed += 1

    def facts(self) -> EngineFacts:
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=self.behind_s)
        return EngineFacts(
            "a100", "28.1.0", 8, 64 << 30, self.has_nvidia, "/srv/docker", now.isoformat(), "ID"
        )

    def image(self, reference: str) -> ImageFacts | None:
        self.asked.append(reference)
        return self.image_facts


def examine(
    engine: FakeEngine,
    told: str | None = T4,
    address: Address = SSH,
    source: ImageSource | None = None,
) -> dict[str, Check]:
    machine = EngineMachine("a100", address)
    (found,) = doctor.examine(
        [machine], source or ImageSource(), lambda _: engine, lambda _address, _script: told
    )
    return {check.subject: check for check in found.checks}


def test_engine_and_shell_together_tell_all() -> None:
    engine = FakeEngine()
    found = examine(engine)
    assert {check.state for check in found.values()} == {"good", "unknown"}
    assert [name for name, check in found.items() if check.state == "unknown"] == ["Image"]
    assert engine.closed == 1


def test_without_a_shell_the_engine_alone_is_judged() -> None:
    found = examine(FakeEngine(), told=None, address=Address("tcp", "a100", port=2376))
    assert "SSH" not in found
    assert found["NVIDIA runtime"].state == "good"
    assert found["GPU and driver"].state == "unknown"


def test_an_engine_that_lists_no_runtime_may_still_have_the_toolkit() -> None:
    assert examine(FakeEngine(has_nvidia=False))["NVIDIA runtime"].state == "good"
    bare = T4.replace("toolkit\n", "")
    assert examine(FakeEngine(has_nvidia=False), bare)["NVIDIA runtime"].state == "bad"


@pytest.mark.parametrize(
    ("fault", "subject", "words"),
    [
        (LinkError("Host key verification failed.", lasting=True), "SSH", "ssh-keygen -R a100"),
        (LinkError("socket: forbidden"), "Docker engine", "usermod -aG docker"),
        (EngineError("client version 1.41 is too new"), "Docker engine", "too new"),
    ],
)
def test_a_fault_is_put_down_to_the_part_that_has_it(
    fault: EngineError, subject: str, words: str
) -> None:
    engine = FakeEngine(fault=fault)
    found = examine(engine)
    assert found[subject].state == "bad"
    assert words in found[subject].found + found[subject].mend
    assert engine.closed == 1


def test_the_image_that_a_run_would_use_is_looked_for() -> None:
    engine = FakeEngine()
    examine(engine, source=PULLED)
    assert engine.asked == [PULLED.reference]


def test_the_labels_of_an_image_say_what_is_in_it() -> None:
    labels = {
        "torch-compile-benchmark.torch": "2.15.0",
        "torch-compile-benchmark.torch-index": "",
    }
    found = examine(FakeEngine(ImageFacts("sha256:1", 6 << 30, ours() | labels)), source=PULLED)
    assert found["GPU and driver"].state == "bad"
    assert "CUDA 13.2 needs 580" in found["GPU and driver"].found
    assert examine(FakeEngine(), source=PULLED)["GPU and driver"].state == "unknown"


def test_an_image_whose_torch_no_hash_verifies_is_told_of() -> None:
    unlocked = ImageSource(arguments={"TORCH_VERSION": "9.9.9"})
    locked = ImageSource(arguments={"TORCH_VERSION": "2.15.0", "TORCH_INDEX": ""})
    assert "make lock-torch" in examine(FakeEngine(), source=unlocked)["Image"].found
    assert "make lock-torch" not in examine(FakeEngine(), source=locked)["Image"].found
    for label, told in (("none", True), ("torch-2.15.0.txt", False)):
        labels = ours() | {"torch-compile-benchmark.torch-lock": label}
        here = FakeEngine(ImageFacts("sha256:1", 6 << 30, labels))
        assert ("make lock-torch" in examine(here, source=PULLED)["Image"].found) is told


def test_a_host_that_answers_for_ever_holds_up_no_other_and_is_given_up() -> None:
    for_ever = threading.Event()

    @dataclass
    class Trickling(FakeEngine):
        def facts(self) -> EngineFacts:
            for_ever.wait(60)
            return super().facts()

    machines = [EngineMachine("slow", SSH), EngineMachine("quick", Address("ssh", "quick"))]
    found = doctor.examine(
        machines,
        ImageSource(),
        lambda address: Trickling() if address == SSH else FakeEngine(),
        lambda *_: T4,
        limit_s=1.0,
    )
    assert next(found).host == "quick"
    (slow,) = found
    for_ever.set()
    assert slow.host == "slow"
    assert not slow.usable
    (check,) = slow.checks
    assert check.found == "none within 1 s, while asking its engine"
    assert check.mend == "ssh a100 docker info"


def test_an_image_that_only_bears_the_name_is_told_apart() -> None:
    strange = FakeEngine(ImageFacts("sha256:1", 6 << 30, {}))
    assert examine(strange)["Image"].state == "unknown"
    assert "holds another harness: the first run builds it" in examine(strange)["Image"].found
    assert examine(strange, source=PULLED)["Image"].state == "bad"
    assert examine(FakeEngine(ImageFacts("sha256:1", 6 << 30, ours())))["Image"].state == "good"


def test_a_slow_clock_is_noticed() -> None:
    assert examine(FakeEngine(behind_s=300))["Clock"].found == "300 s behind this machine"


def test_this_machine_is_examined_without_docker() -> None:
    (found,) = doctor.examine([LocalMachine()], ImageSource(), ask=lambda *_: "smi no driver\nend")
    by_subject = {check.subject: check for check in found.checks}
    assert list(by_subject) == ["Python packages", "C++ compiler", "Python headers",
                                "GPU and driver"]  # fmt: skip
    assert "torch 2." in by_subject["Python packages"].found
    assert found.usable


@pytest.mark.parametrize("names", [("box",), ("box", "local")])
def test_an_engine_of_this_machine_cannot_measure_beside_local(names: tuple[str, ...]) -> None:
    known: dict[str, Machine] = {
        "box": EngineMachine("box", Address("unix", path="/run/docker.sock")),
        LOCAL: LocalMachine(),
    }
    found = doctor.examine(
        [known[name] for name in names], ImageSource(), lambda _: FakeEngine(), lambda *_: T4
    )
    (box,) = [each for each in found if each.host == "box"]
    bad = [check.found for check in box.checks if check.state == "bad"]
    together = 'this one, which host "local" measures: they would compete for it'
    assert bad == ([together] if LOCAL in names else [])


@pytest.mark.parametrize(
    ("gpus", "boots", "told"),
    [
        (("0", "0"), ("one", "one"), "the same GPU"),
        (("", ""), ("one", "one"), "the same CPU"),
        (("0", "0"), ("one", None), "the same GPU"),  # the other has no shell
        (("0", "GPU-t"), ("one", "one"), "the same GPU"),
        (("0", "1"), ("one", "one"), None),
        (("0", "0"), ("one", "two"), None),  # a copy of the machine
    ],
)
def test_two_names_of_one_engine_are_told_apart_by_gpus_and_boots(
    gpus: tuple[str, str], boots: tuple[str, str | None], told: str | None
) -> None:
    addresses = [Address("ssh", "first"), Address("ssh", "second")]
    shells = {
        address: None if boot is None else T4.replace("end", f"boot {boot}\nend")
        for address, boot in zip(addresses, boots, strict=True)
    }
    found = doctor.examine(
        [
            EngineMachine(address.host, address, (gpu,) if gpu else ())
            for address, gpu in zip(addresses, gpus, strict=True)
        ],
        ImageSource(),
        lambda _: FakeEngine(),
        lambda address, _script: shells[address],
    )
    checks_made = [(each, check) for each in found for check in each.checks]
    complaints = [(each, check) for each, check in checks_made if check.subject == "Machine"]
    if told is None:
        assert complaints == []
        return
    ((examined, check),) = complaints
    other = {"first": "second", "second": "first"}[examined.host]
    assert check.found == f'that of host "{other}" as well: both would measure {told} at once'
    assert not examined.usable


def test_the_last_line_says_how_many_can_measure() -> None:
    good = Examined("a100", "ssh://a100", (Check("SSH", "good", "ssh://a100"),))
    bad = Examined("t4", "ssh://t4", (Check("SSH", "bad", "it does not answer", "ssh t4"),))
    assert checks.paragraph(bad).split("\n") == [
        "t4 (ssh://t4)",
        "  ✗ SSH  it does not answer",
        "         ssh t4",
        "",
    ]
    long = Examined(
        "t4", "", (Check("SSH", "bad", "it does not answer at all", "ssh -v bench@t4"),)
    )
    assert checks.paragraph(long, 30).split("\n") == [
        "t4",
        "  ✗ SSH  it does not answer at",
        "         all",
        "         ssh -v bench@t4",
        "",
    ]
    assert checks.verdict([good, bad]) == "1 of 2 hosts can measure: a100."
    assert checks.verdict([bad]) == "t4 cannot measure."
    told = json.loads(checks.to_json([good, bad]))
    assert [host["usable"] for host in told["hosts"]] == [True, False]
