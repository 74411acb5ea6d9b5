from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "requirements" / "offline_audit.py"
spec = importlib.util.spec_from_file_location("offline_audit", SCRIPT)
assert spec is not None
assert spec.loader is not None
offline_audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline_audit)


def advisory(*events: dict[str, str], **others: object) -> dict[str, Any]:
    """As the database has it: an advisory about a package that PyPI calls Some.Thing."""
    return {
        "id": "PYSEC-1",
        "modified": "2026-10-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Some.Thing"},
                "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
                "versions": ["1.0", "1.0.post7"],
            }
        ],
        **others,
    }


def archive(place: Path, *advisories: dict[str, Any]) -> Path:
    path = place / "all.zip"
    with zipfile.ZipFile(path, "w") as files:
        for number, each in enumerate(advisories):
            files.writestr(f"{number}.json", json.dumps(each))
    return path


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.9", False), ("2.0", True), ("2.10", True), ("2.11", False), ("3.0", True), ("3.2", True),
     ("3.2.1", False), ("1.0.post7", True)],
)  # fmt: skip
def test_a_version_is_affected_where_it_is_named_or_lies_in_a_range(
    version: str, affected: bool
) -> None:
    one = advisory({"introduced": "2"}, {"fixed": "2.11"}, {"introduced": "3"})
    one["affected"][0]["ranges"][0]["events"].append({"last_affected": "3.2"})
    assert offline_audit.affecting([one], "some-thing", version) == [one] * affected


def test_what_was_withdrawn_or_is_about_commits_affects_nothing() -> None:
    gone = advisory({"introduced": "0"}, withdrawn="2026-01-01T00:00:00Z")
    commits = advisory({"introduced": "0"})
    commits["affected"][0]["ranges"][0]["type"] = "GIT"
    assert offline_audit.affecting([gone, commits], "some-thing", "5.0") == []


def test_an_archive_is_read_by_package_and_says_how_old_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = advisory({"introduced": "0"})
    assert offline_audit.read(archive(tmp_path, one)) == {"some-thing": [one]}
    assert capsys.readouterr().out == "1 advisories, the newest of 2026-10-01\n"


def test_what_is_no_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_text("<html>")
    with pytest.raises(SystemExit, match=r"all\.zip is no archive of advisories"):
        offline_audit.read(tmp_path / "all.zip")
    with pytest.raises(SystemExit, match="is no archive of advisories"):
        offline_audit.read(archive(tmp_path, {"id": "1"}))
