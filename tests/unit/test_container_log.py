"""Following a container through whatever happens to it, with an engine that plays it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart
from orchestrator.hosts.container_log import ContainerLog
from orchestrator.hosts.engine import ContainerState, EngineError, LinkError, SlowError
from orchestrator.hosts.host_log import MAX_LOG_BYTES, HostLog
from orchestrator.hosts.replaying import ReplayingSession
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from tests.fake_engine import EXITED, RUNNING, FakeEngine

T4 = EngineMachine("t4", Address("ssh", "t4"))
BROKEN = LinkError("Connection reset by peer")


def session(
    engine: FakeEngine, folder: Path, *, secret: bytes = b"", **settings: object
) -> ReplayingSession:
    values = {"patience_s": 30.0, "pause_s": 0.0}
    source = ContainerLog(
        machine=T4, engine=engine, container="container", run="run-1",
        log=HostLog(folder / "t4.1.log", secret), **(values | settings),  # type: ignore[arg-type]
    )  # fmt: skip
    return ReplayingSession(source)


def heard(of: ReplayingSession) -> list[bytes]:
    """What was played from each start, joined, where there was something."""
    streams = [b""]
    for chunk in of.chunks():
        if isinstance(chunk, FromStart):
            streams.append(b"")
        else:
            streams[-1] += chunk
    return [stream for stream in streams if stream]


def test_a_whole_stream_is_given_and_the_container_removed(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n", b"two\n"]])
    assert heard(session(engine, tmp_path)) == [b"one\ntwo\n"]
    assert engine.calls == ["remove", "close"]


def test_an_engine_that_goes_away_at_the_end_is_asked_again_to_remove_the_container(
    tmp_path: Path,
) -> None:
    engine = FakeEngine([[b"one\n"]], deaf=1, breaks={"remove": [BROKEN, BROKEN]})
    assert remarks(session(engine, tmp_path)) == [
        f"its container could not be removed ({why}); trying again"
        for why in (BROKEN.text, "No route to host", BROKEN.text)
    ]
    assert engine.calls == ["remove", "connect", "connect", "remove", "connect", "remove", "close"]


def remarks(of: ReplayingSession) -> list[str]:
    """What is told, up to whatever the harness ended with."""
    told: list[str] = []
    with contextlib.suppress(HostError):
        told.extend(chunk.remark for chunk in of.chunks() if isinstance(chunk, FromStart))
    return told


@pytest.mark.parametrize("ended", [EXITED, ContainerState("exited", 137, False)])
@pytest.mark.parametrize("finished", [True, False])
def test_a_container_that_stays_is_told_with_the_command_that_removes_it(
    tmp_path: Path, ended: ContainerState, *, finished: bool
) -> None:
    of = session(FakeEngine([[b"one\n"]], [ended], refuses={"remove": SlowError("late")}), tmp_path)
    if finished:
        of.finish()
    (told,) = remarks(of)
    how = "clean" if finished or ended != EXITED else "attach"
    assert told == (
        "its container could not be removed (late); to remove it:  "
        f"python orchestrate.py {how} run-1"
    )
    assert of.source.engine.calls.count("remove") == 1  # type: ignore[attr-defined]


def test_a_container_is_not_waited_for_as_long_as_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.hosts.container_log._TIDY_S", 0.0)
    told = remarks(session(FakeEngine([[b""]], refuses={"remove": BROKEN}), tmp_path))
    assert "to remove it" in told[-1]


def test_nobody_waits_for_a_container_to_go_when_the_end_is_asked_for(tmp_path: Path) -> None:
    of = session(FakeEngine([[b"one\n"]], refuses={"remove": BROKEN}), tmp_path, pause_s=600.0)
    chunks = of.chunks()
    assert next(chunks) == b"one\n"
    next(chunks)
    assert of.stop()  # it has ended: nothing goes on measuring
    assert not of.detach()
    (told,) = chunks
    assert isinstance(told, FromStart)
    assert "to remove it" in told.remark


def test_a_broken_stream_is_played_again_from_its_start(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\ntw", BROKEN], [b"one\n", b"two\n"]])
    assert heard(session(engine, tmp_path))[-1] == b"one\ntwo\n"
    assert engine.calls == ["connect", "file", "remove", "close"]


def test_an_end_of_the_stream_proves_nothing_while_the_container_runs(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n"], [b"one\n", b"two\n"]], [RUNNING, EXITED])
    assert heard(session(engine, tmp_path)) == [b"one\n", b"one\ntwo\n"]


def test_what_the_harness_kept_itself_is_given_before_the_log_is_played_again(
    tmp_path: Path,
) -> None:
    engine = FakeEngine([[b"one\n", BROKEN], [b"one\n", b"three\n"]], copies=[[b"one\ntwo\n"]])
    assert heard(session(engine, tmp_path)) == [b"one\n", b"one\ntwo\n", b"one\nthree\n"]


def test_a_harness_that_is_taken_up_is_asked_for_what_it_kept_at_once(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n"]], copies=[[b"one\ntwo\n"]])
    assert heard(session(engine, tmp_path, taken_up=True)) == [b"one\ntwo\n", b"one\n"]


def test_a_record_that_is_missed_is_looked_for_where_the_harness_kept_it(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n", b"three\n", b"never\n"]] * 2, copies=[[b"one\ntwo\n"]])
    of = session(engine, tmp_path)
    got: list[bytes | FromStart] = []
    for chunk in of.chunks():
        got.append(chunk)
        if chunk == b"three\n" and len(got) == 2:
            assert of.recover(1)
    assert got[2:5] == [
        FromStart("a record did not come; asking the harness for it"),
        b"one\ntwo\n",
        FromStart(""),
    ]
    assert got[5:] == [b"one\n", b"three\n", b"never\n"]
    assert not of.recover(1)  # it was looked for


def test_a_host_that_leaves_out_record_after_record_is_not_asked_for_ever(tmp_path: Path) -> None:
    of = session(FakeEngine(), tmp_path)
    assert [of.recover(seq) for seq in range(21)] == [True] * 20 + [False]


def test_a_copy_with_a_hole_begins_anew_as_well(tmp_path: Path) -> None:
    hole = [b"hole\n", b"rest\n"]
    engine = FakeEngine([[BROKEN], [b"log\n"]], copies=[hole, [b"copy\n"]])
    of = session(engine, tmp_path)
    got: list[bytes | FromStart] = []
    for chunk in of.chunks():
        got.append(chunk)
        if chunk == b"hole\n":
            of.recover(0)
    assert [each for each in got if isinstance(each, bytes)] == [b"hole\n", b"copy\n", b"log\n"]


def test_a_copy_that_cannot_be_read_costs_nothing(tmp_path: Path) -> None:
    ended = EngineError("Container is not running", 409)
    engine = FakeEngine([[BROKEN], [b"one\n"]], copies=[[ended]])
    assert heard(session(engine, tmp_path)) == [b"one\n"]


def test_an_engine_that_hangs_over_copies_is_asked_for_the_log_alone(tmp_path: Path) -> None:
    engine = FakeEngine([[BROKEN], [b"one\n"]], copies=[[BROKEN]] * 9)
    assert heard(session(engine, tmp_path)) == [b"one\n"]
    assert engine.calls.count("file") == 3


def test_what_is_no_record_reaches_the_log_once_however_often_it_is_played(tmp_path: Path) -> None:
    engine = FakeEngine(
        [[b"!warn", BROKEN], [b"!warning\n", b"one\n", BROKEN], [b"!warning\n", b"!end\n"]]
    )
    heard(session(engine, tmp_path))
    assert (tmp_path / "t4.1.log").read_bytes() == b"!warning\n!end\n"


def test_a_token_that_a_library_prints_is_blanked_in_the_log(tmp_path: Path) -> None:
    engine = FakeEngine([[b"!Authorization: hunter2hunter2\n"]])
    heard(session(engine, tmp_path, secret=b"hunter2hunter2"))
    assert (tmp_path / "t4.1.log").read_bytes() == b"!Authorization: ***\n"


def test_a_host_that_prints_without_end_does_not_fill_the_disk(tmp_path: Path) -> None:
    chunk = b"!" + b"x" * (1 << 20)
    engine = FakeEngine([[chunk] * ((MAX_LOG_BYTES >> 20) + 2) + [b"one\n"]])
    assert heard(session(engine, tmp_path)) == [b"one\n"]
    assert 0 < (tmp_path / "t4.1.log").stat().st_size - MAX_LOG_BYTES < 100


def test_a_host_that_stays_out_of_reach_is_lost_and_its_container_left(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n", BROKEN]], deaf=10**9)
    with pytest.raises(HostError) as caught:
        heard(session(engine, tmp_path, patience_s=0.05))
    assert 'host "t4" was lost' in caught.value.sentence
    assert "attach run-1" in caught.value.advice
    assert caught.value.reason == "host_unavailable"
    assert "remove" not in engine.calls


def test_a_host_is_asked_once_more_however_little_patience_there_is(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n", BROKEN], [b"one\n"]])
    assert heard(session(engine, tmp_path, patience_s=0.0)) == [b"one\n"] * 2


def test_a_key_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    refused = LinkError("Host key verification failed.", lasting=True)
    engine = FakeEngine([[BROKEN]], refuses={"connect": refused})
    with pytest.raises(HostError, match="Host key verification failed"):
        heard(session(engine, tmp_path))
    assert engine.calls.count("connect") == 1


def test_a_container_that_somebody_removed_is_said_to_be_gone(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n"]], [EngineError("No such container", 404)])
    with pytest.raises(HostError, match="somebody removed the container"):
        heard(session(engine, tmp_path))


def test_how_the_container_ended_is_said_after_its_last_byte(tmp_path: Path) -> None:
    engine = FakeEngine([[b"one\n"]], [ContainerState("exited", 137, True)])
    got = []
    with pytest.raises(HostError) as caught:
        got.extend(session(engine, tmp_path, memory_bytes=2 << 30).chunks())
    assert got == [b"one\n"]
    assert caught.value.reason == "oom"
    assert "2.0 GiB" in caught.value.sentence


def test_a_stopped_harness_is_no_trouble(tmp_path: Path) -> None:
    of = session(FakeEngine([[b"one\n"]], [ContainerState("exited", 143, False)]), tmp_path)
    assert of.stop()
    assert heard(of) == [b"one\n"]


def test_a_host_that_cannot_be_told_to_stop_says_so(tmp_path: Path) -> None:
    of = session(FakeEngine(refuses={"stop": BROKEN}), tmp_path)
    assert not of.stop()


def test_a_harness_that_lingers_is_told_to_end_again_after_a_cut(tmp_path: Path) -> None:
    engine = FakeEngine([[b"last\n", BROKEN], [b"last\n"]], [RUNNING, EXITED])
    of = session(engine, tmp_path)
    stream = of.chunks()
    assert next(stream) == b"last\n"
    of.finish()
    list(stream)
    assert engine.calls == ["stop", "connect", "stop", "file", "remove", "close"]


def test_a_detached_harness_is_left_alone(tmp_path: Path) -> None:
    engine = FakeEngine()
    of = session(engine, tmp_path)
    assert of.detach()
    of.kill()
    assert engine.calls == ["close"]
