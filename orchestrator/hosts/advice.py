"""What an engine, ssh or a container says -> one sentence for the user, and what to do (pure).

The texts are those of Docker 20.10 to 28, OpenSSH 9 and docker-py 7, as seen in real faults.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.addresses import Address
from orchestrator.errors import HostError
from orchestrator.hosts.engine import ContainerState, EngineError, LinkError
from orchestrator.hosts.image import REPOSITORY
from orchestrator.hosts.image import Kind as ImageKind

# What a probe of ours found, which is no word of anybody's.
_CODES: Final = re.compile(r"socket: (usable|missing|file|forbidden)\b")
_MAX_CHARACTERS: Final = 600
_NVIDIA: Final = (
    "Install the NVIDIA Container Toolkit there (sudo nvidia-ctk runtime configure "
    '--runtime=docker && sudo systemctl restart docker), or set gpu = "none" to measure its CPU'
)

# Words in the text -> what is wrong, what to do. {host}: where ssh connects to.
_TABLE: Final = (
    (
        r"Host key verification failed",
        "its host key is unknown or has changed",
        "Look at it once:  ssh {host}  . If the machine was re-created, first remove the old key: "
        " ssh-keygen -R {name}",
    ),
    (
        r"Permission denied \(",
        "ssh is not let in with any of your keys",
        "Put your key there:  ssh-copy-id {host}  , or name it in ~/.ssh/config",
    ),
    (
        r"Could not resolve hostname",
        "its name is not known to DNS or ~/.ssh/config",
        "Check the name, or write the address in hosts.toml",
    ),
    (
        r"kex_exchange_identification|banner|Protocol mismatch|Bad packet|protocol version",
        "what listens there does not speak SSH, or turns every caller away",
        "Check the port:  ssh -v {host}  ; if an SSH server is there, it refuses this machine "
        "(MaxStartups, hosts.deny, a ban)",
    ),
    (
        r"Read timed out|nobody takes the call|a command there does not end",
        "it takes calls, but does not answer them",
        "On the machine:  sudo systemctl restart docker",
    ),
    (
        r"No route to host|Network is unreachable|timed out|gave no connection|not responding",
        "it does not answer",
        "Check that the machine runs and that its firewall lets ssh in:  ssh {host}",
    ),
    (
        r"port \d+: Connection refused",
        "no SSH server listens there",
        "Check that the machine is up and the port is right; on the machine itself:  "
        "sudo systemctl start ssh",
    ),
    (
        r"(?<!socket: )Connection refused",
        "nothing listens there",
        "Check that the machine is up and the port is right; on the machine itself:  "
        "sudo systemctl start docker",
    ),
    (
        r"not a Docker engine",
        "something else than Docker answers at this address",
        "Check the address; Docker's own socket is /var/run/docker.sock",
    ),
    (
        r"API \d[\d.]* is too old",
        "its Docker is too old",
        "Update it to Docker 20.10 or newer",
    ),
    (
        r"Connection (reset|aborted)|Remote end closed|Broken pipe",
        "it hangs up without an answer",
        "Check the address; on the machine:  sudo systemctl restart docker",
    ),
    (
        r"could not select device driver|[Uu]nknown runtime specified nvidia|nvidia-container-cli: "
        r"initialization error",
        "Docker cannot give GPUs to containers there",
        _NVIDIA,
    ),
    (
        r"unsatisfied condition: cuda",
        "its NVIDIA driver is too old for the CUDA of the image",
        "Update the driver (525 or newer for CUDA 12, 580 or newer for CUDA 13)",
    ),
    (
        r"nvidia-container-cli: device error|unknown device|no such device",
        "it has no such GPU",
        "List what there is with  nvidia-smi -L  and set gpu in hosts.toml",
    ),
    (
        r"is already in use by container|Conflict\. The container name",
        "the harness of this run is still there",
        "Follow it:  python orchestrate.py attach {run}  , or remove it with all that was not "
        "fetched:  python orchestrate.py clean {run} --force",
    ),
    (
        r"manifest unknown|not found: manifest|pull access denied|repository does not exist",
        "the registry has no such image, or does not let this machine have it",
        "Check the reference and its digest; docker login on this machine for a private one",
    ),
    (
        r"no space left on device|No space left on device",
        "its disk is full",
        "Make room there:  docker system prune  ; the image takes about 10 GB",
    ),
    (
        r"no client certificate",
        "an engine on TCP needs a client certificate",
        "Put ca.pem, cert.pem and key.pem there, or use ssh:// instead",
    ),
    (
        r"SSLError|ALERT|CERTIFICATE|certificate",
        "TLS failed",
        "Check the client certificate in $DOCKER_CERT_PATH or ~/.docker",
    ),
    (
        r"^Permission denied$|socket: (forbidden|Permission denied)",
        "this user may not use Docker's socket",
        "On the machine:  sudo usermod -aG docker $USER  , then log in again",
    ),
    (
        r"socket: file",
        "what lies there is no socket",
        "Name Docker's socket, by default /var/run/docker.sock",
    ),
    (
        r"socket: missing rootless (?P<socket>\S+)",
        "its engine is a rootless one, which listens elsewhere",
        'Name its socket in hosts.toml:  docker = "ssh://HOST{socket}"',
    ),
    (
        r"socket: (missing|Connection refused)|No such file or directory$",
        "there is no Docker engine at this address",
        "Install or start Docker there:  sudo systemctl start docker",
    ),
    (
        r"socket: usable",
        "ssh works and the socket is there, but the engine does not answer through it",
        "On the machine:  sudo systemctl restart docker  ; and its sshd must allow "
        "AllowStreamLocalForwarding and AllowTcpForwarding",
    ),
)


# The same for what goes wrong while an image is made or fetched; {remedy}: another way to get it.
_IMAGE_TABLE: Final = (
    (
        r"https?://[^ ]+/v2/.*(refused|timeout|timed out|no such host|unreachable|reset|EOF)",
        "it cannot reach the image's registry",
        "Check the network of that machine{remedy}",
    ),
    (
        r"lookup .*(no such host|misbehaving|timeout)|[Tt]emporary failure|NewConnectionError"
        r"|Could not (resolve|connect)|[Nn]etwork is unreachable|dial tcp|from versions: none"
        r"|[Cc]onnection (timed out|refused)",
        "it cannot fetch what the image needs",
        "Check the network of that machine{remedy}",
    ),
    (
        r"holds no harness|speaks version",
        "that image cannot be used",
        "Name one that was built from this checkout:  docker build -t {repository} .",
    ),
    (
        r"No matching distribution found|Could not find a version",
        "the package index has no such version",
        "Correct --build-arg TORCH_VERSION or TORCH_INDEX; docs/hosts.md names two that exist",
    ),
    (
        r"returned a non-zero code|failed to solve|executor failed",
        "the image cannot be built there",
        "logs/ of the run has the whole output",
    ),
)
_REMEDIES: Final = {
    "build": ", or send it the image:  --image-source ship",
    "pull": ", or send it the image:  --image-source ship",
    "ship": "; ship needs one host among --hosts that reaches the package indexes",
}


def explain(
    name: str,
    address: Address,
    error: EngineError,
    *,
    run: str = "RUN",
    image: ImageKind | None = None,
) -> HostError:
    """Say what is wrong with a host, in its own words where nothing better is known.

    Args:
        image: where its image was to come from, if that is what went wrong.
    """
    sentence, told = cause(address, error, run=run, image=image)
    return HostError(f'host "{name}" ({address}): {sentence}', told)


def cause(
    address: Address, error: EngineError, *, run: str = "RUN", image: ImageKind | None = None
) -> tuple[str, str]:
    """What is wrong, and what to do about it, without saying where."""
    of_image = image is not None and not isinstance(error, LinkError)
    for words, sentence, advice in (*_IMAGE_TABLE, *_TABLE) if of_image else _TABLE:
        if found := re.search(words, error.text):
            told = advice.format(
                host=_ssh_words(address),
                name=address.host or "HOST",
                run=run,
                socket=found.groupdict().get("socket"),
                remedy=_REMEDIES.get(image or "", ""),
                repository=REPOSITORY,
            )
            said = "" if _CODES.match(error.text) else f" ({_short(error)})"
            return f"{sentence}{said}", told
    kind = "it cannot be reached" if isinstance(error, LinkError) else "Docker refused"
    return f"{kind}: {_short(error)}", ""


def look(address: Address) -> str:
    """The command with which to look at an engine by hand."""
    if address.scheme == "ssh":
        return f"ssh {_ssh_words(address)} docker info"
    return f"docker -H {address} info"


def no_nvidia(name: str, address: Address) -> HostError:
    """The engine of a host that is to measure a GPU has no way to give it one."""
    sentence = "Docker cannot give GPUs to containers there (no NVIDIA runtime, no toolkit)"
    return HostError(f'host "{name}" ({address}): {sentence}', _NVIDIA)


def ended(name: str, state: ContainerState, *, run: str, memory_bytes: int = 0) -> HostError | None:
    """What a harness's end means, where it is more than its records say."""
    if state.out_of_memory and state.exit_code not in (0, 1):
        gib = memory_bytes / 2**30
        return HostError(
            f'host "{name}": the kernel killed the harness because its memory did not suffice'
            + (f" (its limit is {gib:.1f} GiB)" if memory_bytes else ""),
            "Measure smaller batch sizes, or take a machine with more memory",
            "oom",
        )
    if state.exit_code in (0, 1):
        return None
    if state.exit_code == 2:
        return HostError(
            f'host "{name}": its harness cannot use the plan',
            "The image may be older than this checkout; logs/ of the run says more",
            "error",
        )
    how = _SIGNALS.get(state.exit_code, f"ended with exit code {state.exit_code}")
    return HostError(
        f'host "{name}": the harness {how}{f" ({state.error})" if state.error else ""}',
        f"logs/ of the run says more; measure the rest:  python orchestrate.py --resume {run}",
        "crash",
    )


def gone(name: str, run: str) -> HostError:
    """The container was removed behind our back."""
    return HostError(
        f'host "{name}": somebody removed the container while it measured',
        f"Measure the rest:  python orchestrate.py --resume {run}",
        "crash",
    )


_SIGNALS: Final = {137: "was killed from outside", 143: "was stopped from outside"}


def _ssh_words(address: Address) -> str:
    port = f"-p {address.port} " if address.port else ""
    return f"{port}{address.destination}" if address.scheme == "ssh" else str(address)


def _short(error: EngineError) -> str:
    return " ".join(error.text.split())[:_MAX_CHARACTERS]
