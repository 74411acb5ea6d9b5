# The measuring side: harness/ and what it needs, nothing else. Built on each host by
#   python orchestrate.py --hosts …      (orchestrator/hosts/image.py names the context)
# or by hand with the classic builder or BuildKit:
#   docker build -t torch-compile-benchmark .
#
# Two flavours. A V100 needs a CUDA 12.6 build of PyTorch, and 2.14 is the last release with one.
#   portable, the default: compute capability 7.0 to 9.0 (V100, T4, A100, H100), driver 525 or newer
#   current: capability 7.5 to 12.0, driver 580 or newer; the newest PyTorch, from PyPI
#       --build-arg TORCH_VERSION=2.15.0 --build-arg TORCH_INDEX=
# PyTorch's packages bring their own CUDA libraries, so the base only has to let the driver in.
ARG BASE_IMAGE=nvidia/cuda:12.6.3-base-ubuntu24.04@sha256:c87e78933f4c16e3272123bf2f75537306596d0fbaa395a29696a22786e5ee0e
FROM ${BASE_IMAGE}

# torch.compile builds C++ that includes Python.h, on a GPU as well. tini reaps what a killed case
# leaves behind: process 1 would keep the compile workers of every case as zombies.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates g++ python3 python3-dev python3-venv tini \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1

COPY requirements/harness.txt /opt/requirements/
RUN pip install --require-hashes -r /opt/requirements/harness.txt

# Which build is right depends on the GPU, so each has a lock of its own: make lock-torch writes it.
# pip finds the build, and the lock verifies it: asked for both at once, pip prefers wheels whose
# index tells their hashes. A build for the CPU brings no libraries; pip check knows.
COPY requirements/torch-*.txt /opt/requirements/
ARG TORCH_VERSION=2.14.1
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126
RUN from="${TORCH_INDEX%/}"; \
    lock="/opt/requirements/torch-$TORCH_VERSION${from:+-${from##*/}}"; \
    index="${from:+--index-url $from}"; \
    if [ -f "$lock.txt" ]; then \
        pip download $index --no-deps --only-binary :all: --dest /tmp/torch "torch==$TORCH_VERSION" \
     && pip install --require-hashes --no-deps --no-index --find-links /tmp/torch -r "$lock.txt" \
     && { pip check || pip install $index --require-hashes --no-deps -r "$lock-libraries.txt"; } \
     && pip check \
     && rm -r /tmp/torch; \
    else \
        echo "PyTorch is not verified: there is no ${lock##*/}.txt with its hashes" \
     && pip install $index "torch==$TORCH_VERSION"; \
    fi

# A new volume takes its owner from the folder it covers. Everything else is written to /tmp, which
# must allow execution: compiled code is loaded from there.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp harness \
 && install -d -o harness -g harness /cache
ENV HOME=/tmp \
    HF_HOME=/cache/huggingface \
    XDG_CACHE_HOME=/cache

# Last, so that a change of the harness rebuilds in seconds.
COPY harness /opt/benchmark/harness
RUN python -m compileall -q /opt/benchmark/harness
WORKDIR /opt/benchmark
USER 10001:10001

ARG SOURCE_REVISION=unknown
ARG SCHEMA_VERSION=unknown
ARG TORCH_LOCK=unknown
LABEL org.opencontainers.image.title="torch.compile vision benchmark, measuring side" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${SOURCE_REVISION}" \
      torch-compile-benchmark.schema="${SCHEMA_VERSION}" \
      torch-compile-benchmark.torch="${TORCH_VERSION}" \
      torch-compile-benchmark.torch-index="${TORCH_INDEX}" \
      torch-compile-benchmark.torch-lock="${TORCH_LOCK}"
ENTRYPOINT ["tini", "--", "python", "-m", "harness"]
CMD ["--help"]
