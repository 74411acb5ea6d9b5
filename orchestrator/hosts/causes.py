"""The words of engines, ssh and package indexes -> what is wrong, and what to do about it (data).

The texts are those of Docker 20.10 to 28, OpenSSH 9 and docker-py 7, as seen in real faults. The
first row that fits counts.
"""

from __future__ import annotations

from typing import Final

NVIDIA: Final = (
    "Install the NVIDIA Container Toolkit there (sudo nvidia-ctk runtime configure "
    '--runtime=docker && sudo systemctl restart docker), or set gpu = "none" to measure its CPU'
)

# Words in the text -> what is wrong, what to do. {host}: where ssh connects to.
OF_HOSTS: Final = (
    (
        # ssh alone knows under which name, and in which file, it found the key.
        r'(?P<remedy>ssh-keygen -f "[^"]+" -R "[^"]+").*Host key verification failed',
        "its host key has changed",
        "Look at it once:  ssh {host}  . If the machine was re-created, first remove the old key: "
        " {found}",
    ),
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
        "it takes calls, but does not answer them: the link is down, or the engine hangs",
        "Look at it by hand:  {look}  ; if only the engine does not answer, on the machine:  "
        "sudo systemctl restart docker",
    ),
    (
        r"took longer than \d+ s",
        "it answers, but comes to no end",
        "Look at it by hand:  {look}  ; on the machine:  sudo systemctl restart docker",
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
        NVIDIA,
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
        "Follow it:  python orchestrate.py attach {run}",
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
        r"socket: (missing|deserted) rootless (?P<socket>\S+)",
        "its engine is a rootless one, which listens elsewhere",
        'Name its socket in hosts.toml:  docker = "ssh://HOST{socket}"',
    ),
    (
        r"socket: (missing|Connection refused)|No such file or directory$",
        "there is no Docker engine at this address",
        "Install or start Docker there:  sudo systemctl start docker",
    ),
    (
        r"socket: deserted",
        "its Docker engine has ended: the socket is there, but nobody listens at it",
        "On the machine:  sudo systemctl start docker  ; a rootless one:  "
        "systemctl --user start docker",
    ),
    (
        r"socket: usable",
        "ssh works and the socket is there, but the engine does not answer through it",
        "On the machine:  sudo systemctl restart docker  ; and its sshd must allow "
        "AllowStreamLocalForwarding and AllowTcpForwarding",
    ),
)

# The same for what goes wrong while an image is made or fetched; {remedy}: another way to get it.
OF_IMAGES: Final = (
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
REMEDIES: Final = {
    "build": ", or send it the image:  --image-source ship",
    "pull": ", or send it the image:  --image-source ship",
    "ship": "; ship needs one host among --hosts that reaches the package indexes",
}
