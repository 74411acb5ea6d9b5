"""A Ray cluster by its Jobs API over HTTP, and job logs by WebSocket; nothing of Ray is imported.

Facts about the API are those of Ray 2.60; each is checked against a real cluster in tests/ray.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from orchestrator.hosts.answers import innermost
from orchestrator.hosts.jobs import (
    ENDED,
    LABEL,
    NODE_LABEL,
    ClusterLinkError,
    JobRequest,
    JobsError,
    JobState,
    Node,
    Status,
    TokenError,
)

CALL_S: Final = 30.0
# A package holds the plan, and that may hold a picture of 10 MB.
_UPLOAD_S: Final = 600.0
_CLOSE_S: Final = 2.0
_MAX_SHOWN: Final = 400
# Ray sends some lines at a time, and no line that may be kept is longer.
_MAX_MESSAGE_BYTES: Final = 64 << 20
_NO_SUCH_JOB: Final = 404
# Of a node's id, as its dashboard shows it too; an address would not be published with a page.
_NODE_CHARACTERS: Final = 12
_STRANGER: Final = "what answers there is not a Ray dashboard"


class RayJobs:
    """One cluster. Safe for several threads, as far as each follows a job of its own.

    Args:
        address: of the dashboard, `http://host:8265`.
        token: sent as bearer with every request, if there is one.
        call_s: how long an answer may take, other than to a package.
    """

    def __init__(self, address: str, token: str = "", call_s: float = CALL_S) -> None:
        self.address, self._call_s = address.rstrip("/"), call_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = requests.Session()
        # A ~/.netrc would replace the token, and a proxy cannot reach a tunnel's end on this desk.
        self._session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=64)
        self._session.mount(self.address, adapter)

    def close(self) -> None:
        self._session.close()

    def version(self) -> str:
        told = self._json(self._call("GET", "/api/version"))
        if not isinstance(told, dict) or not isinstance(told.get("ray_version"), str):
            raise JobsError(_STRANGER)
        return str(told["ray_version"])

    def nodes(self) -> tuple[Node, ...]:
        """As the dashboard lists them; nodes that are gone are among them."""
        told = self._json(self._call("GET", "/nodes?view=summary"))
        try:
            return tuple(map(_node, told["data"]["summary"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise JobsError(_STRANGER) from error

    def keep_package(self, name: str, content: bytes) -> bool:
        # Asking also keeps the cluster from forgetting it: a package without a job goes after
        # ten minutes.
        path = f"/api/packages/gcs/{name}"
        if self._call("GET", path, unless=(_NO_SUCH_JOB,)).ok:
            return False
        self._call("PUT", path, data=content, limit_s=_UPLOAD_S)
        return True

    def submit(self, request: JobRequest) -> None:
        body: dict[str, object] = {
            "submission_id": request.id,
            "entrypoint": request.entrypoint,
            "runtime_env": {"working_dir": f"gcs://{request.package}"},
            "metadata": dict(request.metadata),
        }
        if request.gpus:
            body["entrypoint_num_gpus"] = request.gpus
        if request.resources:
            body["entrypoint_resources"] = dict(request.resources)
        if selector := _selector(request):
            body["entrypoint_label_selector"] = selector
        try:
            self._call("POST", "/api/jobs/", json=body)
        except ClusterLinkError:
            # What timed out may have started all the same.
            if self._has(request.id):
                return
            raise
        except JobsError as error:
            if "already exists" not in error.text:
                raise

    def _has(self, job: str) -> bool:
        try:
            return self.state(job) is not None
        except JobsError:
            return False

    def state(self, job: str) -> JobState | None:
        response = self._call("GET", _path(job), unless=(_NO_SUCH_JOB,))
        if response.status_code == _NO_SUCH_JOB:
            return None
        return _state(self._json(response))

    def log(self, job: str) -> bytes:
        told = self._json(self._call("GET", f"{_path(job)}/logs"))
        if not isinstance(told, dict) or not isinstance(told.get("logs"), str):
            raise JobsError(_STRANGER)
        return str(told["logs"]).encode()

    def stop(self, job: str) -> None:
        self._call("POST", f"{_path(job)}/stop", unless=(_NO_SUCH_JOB,))

    def delete(self, job: str) -> None:
        self._call("DELETE", _path(job), unless=(_NO_SUCH_JOB,))

    def jobs(self) -> tuple[JobState, ...]:
        told = self._json(self._call("GET", "/api/jobs/"))
        if not isinstance(told, list):
            raise JobsError(_STRANGER)
        return tuple(_state(one) for one in told if isinstance(one, dict) and one["submission_id"])

    def tail(self, job: str, silence_s: float) -> Generator[bytes, None, None]:
        with self._translated(), self._listen(job) as connection:
            while True:
                try:
                    message = connection.recv(timeout=silence_s, decode=False)
                except TimeoutError as error:
                    raise ClusterLinkError(f"nothing heard for {silence_s:.0f} s") from error
                except WebSocketException as error:
                    if _is_orderly(connection):
                        return
                    raise ClusterLinkError(_why_closed(connection, error)) from error
                yield bytes(message)

    def _listen(self, job: str) -> ClientConnection:
        parts = urlsplit(self.address)
        secure = parts.scheme == "https"
        url = f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path}{_path(job)}/logs/tail"
        return connect(
            url,
            additional_headers=self._headers,
            ssl=ssl.create_default_context() if secure else None,
            open_timeout=self._call_s,
            close_timeout=_CLOSE_S,
            # A dead link shows in the silence; the dashboard answers no ping while it sends much.
            ping_interval=None,
            max_size=_MAX_MESSAGE_BYTES,
            # Ray 2.60 passes the offer on to the process behind, and cannot read what that then
            # sends compressed: the log ends at once, with the code of an orderly end.
            compression=None,
            proxy=None,
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        data: bytes | None = None,
        limit_s: float | None = None,
        unless: tuple[int, ...] = (),
    ) -> requests.Response:
        """Raises: JobsError for every status but success and those of `unless`."""
        with self._translated():
            response = self._session.request(
                method,
                self.address + path,
                json=json,
                data=data,
                headers=self._headers,
                timeout=(self._call_s, limit_s or self._call_s),
                allow_redirects=False,
            )
        if response.status_code in (401, 403):
            raise TokenError(_refused(response.status_code), response.status_code)
        if response.status_code in unless or response.status_code == requests.codes.ok:
            return response
        raise JobsError(_last_line(response), response.status_code)

    @staticmethod
    def _json(response: requests.Response) -> Any:  # noqa: ANN401  whatever a stranger answers
        try:
            return response.json()
        except requests.JSONDecodeError as error:
            raise JobsError(_STRANGER) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What requests and websockets raise, as an error of ours."""
        try:
            yield
        except InvalidStatus as error:
            status = error.response.status_code
            if status in (401, 403):
                raise TokenError(_refused(status), status) from error
            raise JobsError(f"HTTP status {status}", status) from error
        except InvalidHandshake as error:
            raise JobsError(_STRANGER) from error
        except (requests.RequestException, OSError, EOFError) as error:
            raise ClusterLinkError(innermost(error)) from error


def _selector(request: JobRequest) -> dict[str, str]:
    """Which labels a node must have; each has its own id as one."""
    selector = {LABEL: request.accelerator} if request.accelerator else {}
    if request.avoid:
        selector[NODE_LABEL] = f"!in({','.join(request.avoid)})"
    return selector


def _path(job: str) -> str:
    return f"/api/jobs/{quote(job, safe='')}"


def _refused(status: int) -> str:
    return "it wants a token" if status == 401 else "it refuses the token"


def _is_orderly(connection: ClientConnection) -> bool:
    return connection.protocol.close_code == 1000


def _why_closed(connection: ClientConnection, error: WebSocketException) -> str:
    code = connection.protocol.close_code
    return f"the log's connection broke ({code or error})"


def _last_line(response: requests.Response) -> str:
    """What a cluster says with an error status: the last line of a traceback, in general."""
    lines = response.text.strip().splitlines() or [f"HTTP status {response.status_code}"]
    told = [line for line in lines if "already exists" in line]
    return (told or lines)[-1][:_MAX_SHOWN]


def _state(told: Any) -> JobState:  # noqa: ANN401
    """Raises: JobsError: it is no job."""
    try:
        status: Status = told["status"]
        if status not in (*ENDED, "PENDING", "RUNNING"):
            raise JobsError(f"a job has the unknown status {json.dumps(status)[:40]}")
        node_id = str(told.get("driver_node_id") or "")
        code = told.get("driver_exit_code")
        return JobState(
            id=str(told["submission_id"]),
            status=status,
            message=str(told.get("message") or ""),
            error=str(told.get("error_type") or ""),
            node=node_id[:_NODE_CHARACTERS],
            exit_code=code if isinstance(code, int) else None,
            metadata={str(k): str(v) for k, v in (told.get("metadata") or {}).items()},
            node_id=node_id,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise JobsError(_STRANGER) from error


def _node(told: Any) -> Node:  # noqa: ANN401
    raylet = told["raylet"]
    resources = raylet.get("resourcesTotal") or {}
    return Node(
        address=str(told.get("ip") or raylet.get("nodeManagerAddress") or ""),
        alive=raylet.get("state") == "ALIVE",
        accelerator=str((raylet.get("labels") or {}).get(LABEL, "")),
        gpus=float(resources.get("GPU", 0)),
        resources=frozenset(map(str, resources)),
        id=str(raylet.get("nodeId") or ""),
    )
