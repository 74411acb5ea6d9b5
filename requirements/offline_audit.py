"""Audits the locks without a network: make audit ADVISORIES=all.zip.

The archive is what the Open Source Vulnerabilities database publishes of PyPI, one JSON file an
advisory: https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip. pip-audit asks a server
for each package; this is such a server, on loopback, that knows the archive and nothing else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeAlias

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PIP_AUDIT: Final = Path(sys.executable).parent / "pip-audit"
ECOSYSTEM: Final = "PyPI"

# As https://ossf.github.io/osv-schema/ has it.
Advisory: TypeAlias = dict[str, Any]


def main() -> None:
    """Audit every lock; ends with pip-audit's own code at the first that is not clean."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", type=Path, help="all.zip of the database's ecosystem PyPI")
    parser.add_argument("locks", type=Path, nargs="+")
    given = parser.parse_args()
    known = read(given.archive)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(known)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        code = max(_audit(lock, address) for lock in given.locks)
        server.shutdown()
    sys.exit(code)


def read(archive: Path) -> dict[str, list[Advisory]]:
    """Every advisory of an archive by the package that it is about; says how new they are."""
    known: defaultdict[str, list[Advisory]] = defaultdict(list)
    newest = ""
    try:
        with zipfile.ZipFile(archive) as files:
            for name in files.namelist():
                advisory = json.loads(files.read(name))
                newest = max(newest, advisory["modified"])
                for package in _packages(advisory):
                    known[package].append(advisory)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        sys.exit(f"{archive} is no archive of advisories: {error}")
    print(f"{sum(map(len, known.values()))} advisories, the newest of {newest[:10]}", flush=True)
    return dict(known)


def affecting(advisories: Iterable[Advisory], package: str, version: str) -> list[Advisory]:
    """Those of a package's advisories that hold for a version of it."""
    try:
        wanted = Version(version)
    except InvalidVersion:
        return []
    return [
        advisory
        for advisory in advisories
        if not advisory.get("withdrawn") and _holds(advisory, package, wanted)
    ]


def _packages(advisory: Advisory) -> set[str]:
    return {
        canonicalize_name(part["package"]["name"])
        for part in advisory.get("affected", [])
        if part.get("package", {}).get("ecosystem") == ECOSYSTEM
    }


def _holds(advisory: Advisory, package: str, wanted: Version) -> bool:
    return any(
        str(wanted) in part.get("versions", []) or any(_inside(each, wanted) for each in _of(part))
        for part in advisory["affected"]
        if canonicalize_name(part.get("package", {}).get("name", "")) == package
    )


def _of(part: dict[str, Any]) -> list[list[dict[str, str]]]:
    """The events of each range of versions; commits mean nothing to a package."""
    ranges = (each for each in part.get("ranges", []) if each["type"] in ("ECOSYSTEM", "SEMVER"))
    return [each["events"] for each in ranges]


def _inside(events: list[dict[str, str]], wanted: Version) -> bool:
    """Whether a version lies between an introduction and what ended it."""
    inside = False
    for event in sorted(events, key=_when):
        (kind, text), *_ = event.items()
        if kind == "introduced" and wanted >= _version(text):
            inside = True
        elif (kind == "fixed" and wanted >= _version(text)) or (
            kind == "last_affected" and wanted > _version(text)
        ):
            inside = False
    return inside


def _when(event: dict[str, str]) -> Version:
    return _version(next(iter(event.values())))


def _version(text: str) -> Version:
    """A bound; what cannot be compared bounds nothing away."""
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _handler(known: dict[str, list[Advisory]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = canonicalize_name(asked["package"]["name"])
            found = affecting(known.get(package, []), package, asked["version"])
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent: pip-audit says what matters."""

    return Handler


def _audit(lock: Path, address: str) -> int:
    print(lock.name, flush=True)
    options = ("--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off")
    service = ("--vulnerability-service", "osv", "--osv-url", address)
    return subprocess.run([PIP_AUDIT, *options, *service, "-r", lock], check=False).returncode


if __name__ == "__main__":
    main()
