"""A short part of every fuzz, the same each time, and what the long ones found."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.plan import MAX_CASES
from harness.contract.records import write_line
from orchestrator import planning
from orchestrator.errors import UsageError
from orchestrator.hosts.kinds import registry
from orchestrator.inventory import inventory
from orchestrator.planning import Choices
from orchestrator.records.stream import Reader, Unreadable
from tests import factories
from tests.fake_host import lines
from tests.fuzz import mutation, seeds, targets

QUICK = {"records": 300, "page": 40, "plan": 300, "hosts": 100, "run_json": 300, "results": 60}
GOOD = write_line(factories.started()).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", QUICK)
def test_what_is_nearly_valid_gets_an_answer_and_never_a_traceback(name: str) -> None:
    for seed in seeds.of(name):
        targets.ALL[name](seed)
        for number in range(QUICK[name] // len(seeds.of(name))):
            targets.ALL[name](mutation.mutated(seed, number))


@pytest.mark.parametrize("name", ["records", "plan", "hosts", "run_json", "results"])
@given(data=st.binary(max_size=300) | JSON.map(lambda each: json.dumps(each).encode()))
@settings(max_examples=40, deadline=None)
def test_what_means_nothing_gets_an_answer_and_never_a_traceback(name: str, data: bytes) -> None:
    targets.ALL[name](data)


@given(words=st.lists(st.sampled_from(
    ["--models", "--hosts", "--until", "--quick", "--json", "models", "report", "published", "1%",
     "vit-base", "local", "", "-", "\ud800", "a\nb", "x" * 300, "9" * 400, "--batch-sizes", "0,1"]
), max_size=5))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_words_on_the_command_line_give_a_traceback(words: list[str]) -> None:
    targets.command_line("\0".join(words).encode(errors="surrogatepass"))


def spoilt(**changes: object) -> bytes:
    """A stream with one measurement whose fields were changed, outside its types if need be."""
    fields = json.loads(write_line(targets.small()))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = fields
        for parent in parents:
            place = place[parent]
        place[last] = value
    started = factories.started([factories.case("resnet-50")])
    return lines(started) + json.dumps(fields | {"seq": 1}).encode() + b"\n"


@pytest.mark.parametrize(
    "stream",
    [
        spoilt(seq=float("inf")),
        spoilt(eager_peak_memory_bytes=10**400),
        spoilt(facts__parameters=10**400),
        spoilt(facts__flops_per_image=10**400),
        spoilt(case__batch_size=10**400),
        spoilt(stage_s={"measure": 1.7e308, "build": 1.7e308}),
        spoilt(overhead_s=1.7e308),
        spoilt(agreement__tolerance=1.7e308, agreement__relative_error=1.7e308),
        lines(factories.started()).replace(b"137438953472", b"9" * 400),
    ],
)
def test_a_number_beyond_all_bounds_does_not_cost_the_page(stream: bytes) -> None:
    assert "<html" in targets.page(stream)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = " + "1" * 5000, "holds a number"),
        ('[hosts.a]\ndocker = "ssh://a"\ngpu = ' + "1" * 5000, "holds a number"),
        ('[hosts.a]\ndocker = "unix:///run/\\u0000"', "characters that no address has"),
        ('[hosts.a]\ndocker = "ssh://a:' + "9" * 9000 + '"', "is no address"),
        ("a = [" * 5000, "cannot be read as TOML"),
        ("a = " + "{a = " * 5000, "is nested too deeply"),
        ("\0", "cannot be read as TOML"),
    ],
)
def test_an_inventory_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "hosts.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        inventory.read(registry.settings(), tmp_path / "hosts.toml")
    assert len(caught.value.sentence) < 700


def test_a_plan_of_a_billion_cells_is_refused_before_any_is_made() -> None:
    many = ",".join(map(str, range(1, 40_001)))
    models = ",".join(f"a/{number}" for number in range(25_000))
    with pytest.raises(UsageError, match="this makes 1,000,000,000 cases"):
        planning.make(Choices(models=models, batch_sizes=many))


def test_a_plan_file_of_a_billion_cells_is_refused_before_any_is_made() -> None:
    fields = json.loads(targets.PLAN.model_dump_json())
    fields |= {"plan_id": "", "models": ["a/b"] * 40_000, "batch_sizes": [1] * 25_000}
    text = json.dumps(fields).encode()
    with pytest.raises(ValueError, match=f"at most {MAX_CASES:,} are possible"):
        targets.read_plan(text)


def test_a_model_name_without_end_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="has 2002 characters; at most 512 are possible"):
        planning.make(Choices(models="a/" + "x" * 2000))
    with pytest.raises(UsageError, match="unknown model"):
        planning.make(Choices(models="x" * 400, weights="random"))


def gigabyte(chunk: bytes) -> Iterator[bytes]:
    for _ in range((1 << 30) // len(chunk)):
        yield chunk


@pytest.mark.parametrize("filling", [b"x", b"\0", b"\xff", b"[", b'{"a":'])
def test_a_line_of_a_gigabyte_costs_no_memory_and_no_other_line(filling: bytes) -> None:
    reader = Reader(1 << 20)
    chunk = (filling * (1 << 20))[: 1 << 20]
    for part in gigabyte(chunk):
        assert not list(reader.feed(part))
        assert len(reader._pending) <= 1 << 20
    bad, good = reader.feed(b"\n" + GOOD)
    assert isinstance(bad, Unreadable)
    assert not isinstance(good, Unreadable)


def test_a_mutation_is_the_same_each_time() -> None:
    (seed, *_) = seeds.of("records")
    assert mutation.mutated(seed, 7) == mutation.mutated(seed, 7)
    chance = random.Random(1)
    assert any(mutation.mutated(seed, chance.randrange(10**6)) != seed for _ in range(5))
