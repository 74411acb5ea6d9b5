from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from orchestrator.compare.comparison import Comparison
from orchestrator.page import choices, sections, tables
from orchestrator.page.exports import to_csv, to_json, to_markdown
from orchestrator.page.page_data import block, unpacked
from orchestrator.publish.report import render
from orchestrator.redaction import keep_places
from orchestrator.wording import redacted
from tests.browser.runs import hostile, mixed
from tests.factories import comparison, measurement, outcome

# What must not be published, in a sentence as a library would write it, and what of it must go.
PLANTED = (
    ("401 for hf_abcdefghijklmnopqrst at hub", "hf_abcdefghijklmnopqrst"),
    ("used ghp_ABCDEFGHIJKLMNOP1234 to clone", "ghp_ABCDEFGHIJKLMNOP1234"),
    ("github_pat_11ABCDEFG0abcdefgh_xyz", "11ABCDEFG0abcdefgh"),
    ("key sk-abcdefghijklmnopqrstuv in use", "abcdefghijklmnopqrstuv"),
    ("AKIAIOSFODNN7EXAMPLE was denied", "AKIAIOSFODNN7EXAMPLE"),
    ("Authorization: Bearer abcDEF123.ghi", "abcDEF123"),
    ("HF_TOKEN=abc123def456 python", "abc123def456"),
    ("password: correct-horse", "correct-horse"),
    ("python serve.py --hub-token s3cretvalue", "s3cretvalue"),
    ("?x=1&my-secret=abc123def456&y=2", "abc123def456"),
    ("{'api_key': 'q1w2e3r4t5'}", "q1w2e3r4t5"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig", "eyJhbGciOiJIUzI1NiJ9"),
    ("proxy http://bob:hunter2@example.org", "hunter2"),
    ("cannot reach 10.1.2.3: refused", "10.1.2.3"),
    ("on 192.168.178.20, port 22", "192.168.178.20"),
    ("at 172.31.7.8.", "172.31.7.8"),
    ("peer 100.101.102.103 is gone", "100.101.102.103"),
    ("ssh://ubuntu@10.20.30.40:2222", "10.20.30.40"),
    ("ssh://ubuntu@example.org", "ubuntu"),
    ("ssh://bob@[fd12:3456:789a::1]:22", "fd12:3456"),
    ("route fe80::1ff:fe23:4567:890a%eth0", "fe80::1ff"),
    ("tcp://203.0.113.10:2376 timed out", "203.0.113.10"),
    ("root@203.0.113.77 closed", "203.0.113.77"),
    ("in /home/alice/models/vit", "alice"),
    ("in /Users/alice/models/vit", "alice"),
    (r"in C:\Users\alice\models", "alice"),
    ("in /root/.cache/huggingface", "/root"),
    ("HF_TOKEN=AbcdefghijklmnopqrstuvwxyzABCDEFGH", "Abcdef"),
    ('export TOKEN="correct-horse-battery"', "correct-horse"),
    ("run with --token abcdef1234567890", "abcdef1234567890"),
    ("https://example.org/a?X-Amz-Signature=deadbeef0123", "deadbeef0123"),
    ("http://alice:p@ss@example.org/", "ss@"),
    ("ssh: connect to host 52.14.3.9 port 22: timed out", "52.14.3.9"),
    ("ssh 2a01:4f8:c0c:1::2 failed", "2a01:4f8"),
    ("/var/home/alice/models", "alice"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nQUJD", "QUJD"),
)
# What looks a little like it, and must stay as it is.
HARMLESS = (
    "NVIDIA A100-SXM4-40GB, driver 580.95.05, cuDNN 9.10.2.21, torch 2.13.0+cu130",
    "vit-base/max-autotune-no-cudagraphs/float32/b16 at 127.0.0.1:8080 and ::1",
    "2026-11-24T12:30:45+00:00 sm_75 sm_80 skip_frame_of_a_graph",
    "Unexpected token: expected ';' after 3 tokens",
    "https://example.org/cats.jpg?size=640",
)


@pytest.mark.parametrize(("text", "secret"), PLANTED)
def test_what_must_not_be_published_is_taken_out(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "PASSWORD=correct-horse",
        "pa\N{LATIN SMALL LETTER LONG S}sword=correct-horse",
        "my_to\N{KELVIN SIGN}en=correct-horse",
        "S\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}GNATURE=correct-horse",
        "s\N{LATIN SMALL LETTER DOTLESS I}gnature=correct-horse",
    ],
)
def test_no_way_to_write_a_letter_hides_a_secret(text: str) -> None:
    assert "correct-horse" not in redacted(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_rest_of_a_sentence_stays() -> None:
    assert redacted("cannot open /home/alice/x.jpg on ssh://bob@10.0.0.7:22: refused") == (
        "cannot open ~/x.jpg on ssh://…@(address):22: refused"
    )


def test_hosts_whose_addresses_are_taken_out_stay_apart() -> None:
    hosts = ("ssh://ubuntu@10.0.0.5", "ssh://ubuntu@10.0.0.6")
    run = comparison(*(outcome(host, measurement()) for host in hosts))
    ((title, _, options), *_) = choices.filters(run)
    assert title == "GPU"
    assert [redacted(value) for value, _ in options] == [
        "ssh://…@(address)",
        "ssh://…@(address) (2)",
    ]


def everything(run: Comparison) -> str:
    """All that anybody could publish of a run, its packed data unpacked."""
    html = render(run)
    packed = html.split('id="data">')[1].split("</script>")[0]
    data = json.dumps(unpacked(packed)[0], ensure_ascii=False)
    return "\n".join((html, data, to_csv(run), to_json(run), to_markdown(run)))


def test_packed_data_is_not_mistaken_for_a_token() -> None:
    run = mixed()
    packed = render(run).split('id="data">')[1].split("</script>")[0]
    wanted = block(run, tables.results(run), sections.chart_groups(run))
    assert packed == wanted


@pytest.mark.parametrize(("text", "secret"), PLANTED)
def test_a_secret_in_every_field_is_in_nothing_that_is_written(text: str, secret: str) -> None:
    assert secret not in everything(hostile(text))


@pytest.fixture
def _places_kept() -> Iterator[None]:
    keep_places(True)
    yield
    keep_places(False)


@pytest.mark.usefixtures("_places_kept")
def test_who_knows_the_places_may_keep_them_but_no_secret() -> None:
    places = "on 10.0.0.7 in /home/ada/models"
    assert redacted(places) == places
    secret = f"{places} with hf_{'a' * 20} from https://ada:pass@example.org"
    assert redacted(secret) == f"{places} with hf_… from https://…@example.org"


@pytest.mark.parametrize(
    "part",
    ["a", "-a", "token", "token:", "token:x", "--token ", "-eyJ", "eyJaaaaaaaaa", "passwd", "://",
     "-----BEGIN PRIVATE KEY-----", "-----BEGIN A ", "fd00:", "1.", "host a:", "@[::", " "],
)  # fmt: skip
def test_no_text_takes_more_than_its_length_to_read(part: str) -> None:
    """A host sends what it likes; by the square of its length, this one would take minutes."""
    text = f"token {part * (20_000 // len(part))}"
    began_s = time.process_time()
    redacted(text)
    assert time.process_time() - began_s < 3
