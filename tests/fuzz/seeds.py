"""What is valid, or was once wrong: where a fuzzer starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.contract.records import CaseStarted, Finished, Heartbeat, write_line
from orchestrator.compare.published_table import build_published
from tests import factories
from tests.fake_host import lines
from tests.fuzz.targets import PLAN, small

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_RESNET: Final = factories.case("resnet-50")
_VIT: Final = factories.case("vit-base")


def _streams() -> list[bytes]:
    started = factories.started([_RESNET, _VIT])
    whole = lines(
        started,
        CaseStarted(case_id=_RESNET.case_id, stage="build"),
        Heartbeat(case_id=_RESNET.case_id, stage="build"),
        small(),
        factories.failure(_VIT),
        Finished(plan_id=PLAN.plan_id, measured=1, failed=1),
    )
    on_gpu = factories.on_gpu(small())
    return [whole, lines(started, on_gpu), whole + whole]


def _inventories() -> list[bytes]:
    return [
        (_ROOT / "hosts.example.toml").read_bytes(),
        b'[hosts.a]\ndocker = "ssh://me@192.0.2.1:22/run/docker.sock"\ngpu = [0, 1]\n'
        b"price_per_hour = 3.67\n",
        b'[hosts.b]\ncontext = "default"\ngpu = "none"\n[hosts.c]\ndocker = "tcp://c:2376"\n'
        b'gpu = "GPU-1-2"\n',
    ]


def _command_lines() -> list[bytes]:
    words: list[Sequence[str]] = [
        ["--quick", "--models", "vit-base,resnet-50", "--batch-sizes", "1,4", "--json"],
        ["--iterations", "30", "--until", "1%", "--warm-cache", "--weights", "random"],
        ["--size", "tiny", "--weights", "random", "--backend", "aot_eager"],
        ["--image", "cat.png", "--precisions", "ieee,tf32,float16", "--modes", "max-autotune"],
        ["--deadline", "3", "--patience", "2", "--progress", "plain", "--image-source", "ship"],
        ["--build-arg", "TORCH_VERSION=2", "--inventory", "hosts.toml", "--hosts", "local,box"],
        ["models", "--json"],
        ["report", "published", "--json", "--baseline", "none"],
        ["compare", "a", "b", "--fail-on-regression", "5"],
        ["index", "--output", "."],
        ["export", "published", "--format", "png"],
    ]
    return ["\0".join(each).encode() for each in words]


def _run_jsons() -> list[bytes]:
    fields = {
        "run_id": "a", "created": "2026-11-24T04:15:00+00:00", "command": "x", "hosts": ["t4"],
        "interrupted": ["t4.1.jsonl"], "prices_per_hour": {"t4": 0.5},
        "machines": {"t4": {"docker": "ssh://t4", "gpu": ["0"]}},
        "troubles": {"t4.1.jsonl": {"message": "no", "reason": "crash", "preparing": ""}},
    }  # fmt: skip
    return [json.dumps(fields).encode()]


def _results() -> list[bytes]:
    from orchestrator.page import exports

    fields = json.loads(exports.to_json(build_published()))
    return [json.dumps(fields | {"rows": fields["rows"][:2]}).encode()]


def of(target: str) -> Sequence[bytes]:
    """The seeds of a target."""
    plans = [PLAN.model_dump_json().encode(), write_line(factories.plan()).encode()]
    every: Mapping[str, Sequence[bytes]] = {
        "records": _streams(),
        "page": _streams(),
        "plan": plans,
        "hosts": _inventories(),
        "run_json": _run_jsons(),
        "results": _results(),
        "command_line": _command_lines(),
    }
    return every[target]


# Words that a fuzzer would be long in finding, as libFuzzer reads them.
DICTIONARY: Final = "\n".join(
    f'"{word}"'
    for word in (
        "NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1e-300", "9" * 40, "null", "true",
        "\\\"seq\\\":", "\\\"kind\\\":", "\\\"schema_version\\\":999", "\\\\ud800", "\\\\u0000",
        "\\x00", "\\xff\\xfe", "\\xef\\xbb\\xbf", "\\x0a", "[[[[[[[[", "{{{{{{", "<script>", "'''",
        "[hosts.", "docker = ", "gpu = ", "price_per_hour = ", "1979-05-27", "inf", "nan", "0x",
        "--models", "--hosts", "--batch-sizes", "--until", "published", "--json", "--help", "%",
        "a/b", ",,,,", "measurement", "failure", "started", "finished", "heartbeat",
    )
)  # fmt: skip
