# Everything here sets itself up first: `make demo` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
CUDA_PIP := .venv-cuda/bin/python -m pip install --disable-pip-version-check --quiet
SETTINGS ?=
SEED ?= 1
REAL ?= 3
FUZZ ?= records:80000 page:20000 plan:60000 hosts:60000 run_json:40000 results:30000 command_line:10000
# The PyTorch of this machine, as pyproject.toml has it.
TORCH_HERE := 2.13.0
# The one for a GPU, for the tests on a fake one; torchvision's lock is that of its release.
TORCH_CUDA := 2.14.1
# The one that lock-torch locks.
TORCH ?= $(TORCH_HERE)
INDEX ?=
LOCKED := desk harness dev fuzz audit ray torchvision $(patsubst requirements/%.txt,%,$(wildcard requirements/torch-*.txt))
LOCK := --quiet --universal --upgrade --generate-hashes --python-version 3.11 --custom-compile-command "make lock"

.PHONY: help demo test everyday-test docker-test check bench fuzz crash soak audit sbom ray-test gpu-test gpu-check screenshot schema lock lock-torch clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.measures  ## measure four full-size models on this machine: minutes
	$(BIN)/python orchestrate.py --hosts local --quick $(SETTINGS)

test: $(VENV)/.develops  ## run the tests
	@$(MAKE) --no-print-directory everyday-test
	@$(MAKE) --no-print-directory docker-test

everyday-test: $(VENV)/.develops
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/docker --ignore tests/ray --ignore tests/gpu $(SETTINGS)

docker-test: $(VENV)/.develops
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/docker $(SETTINGS) || [ $$? = 5 ]  # 5: SETTINGS chose none

ray-test: $(VENV)/.develops .venv-ray/.ready  ## run the tests of pools on a Ray cluster of their own (Linux, root)
	$(BIN)/python -m pytest tests/ray $(SETTINGS)

gpu-test: .venv-cuda/.ready  ## run the tests of the GPU path, on this machine's GPU or on a fake one (5.6 GB, Linux)
	REQUIRE_ALL=1 .venv-cuda/bin/python -m pytest -n 2 --dist worksteal tests/gpu $(SETTINGS)

check: $(VENV)/.develops  ## lint, types, import rules, schema drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.develops  ## what is fast and what is not, as ratios
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.fuzzes  ## 300,000 inputs of every kind, guided by coverage: minutes (Linux)
	@for each in $(FUZZ); do \
	  $(BIN)/python -m tests.fuzz $${each%:*} --runs $${each#*:} --seed $(SEED) || exit 1; \
	done

crash: $(VENV)/.develops  ## kill a desk with -9 at 60 seeded points, the real harness at 3
	$(BIN)/python -m tests.crash --points 60 --seed $(SEED) --real $(REAL)

soak: $(VENV)/.develops  ## 2,000 cases over hosts that fail at random: memory, processes, files
	$(BIN)/python -m benchmarks.soak --seed $(SEED)

audit: .venv-audit/.ready  ## ask PyPI for known vulnerabilities of what is locked, or offline: ADVISORIES=all.zip
ifdef ADVISORIES
	@.venv-audit/bin/python requirements/offline_audit.py $(ADVISORIES) $(LOCKED:%=requirements/%.txt)
else
	@for each in $(LOCKED); do \
	  .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/$$each.txt || exit 1; \
	done
endif

sbom: .venv-audit/.ready  ## bills of materials from the locks, as CycloneDX JSON in build/
	@mkdir -p build
	@for each in $(LOCKED); do \
	  .venv-audit/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
	    --of JSON -o build/sbom-$$each.json requirements/$$each.txt && echo build/sbom-$$each.json || exit 1; \
	done

gpu-check:  ## what only a GPU can show, with the torch of PYTHON; run it until nothing is left
	$(PYTHON) -m benchmarks.gpu_check $(SETTINGS)

screenshot: $(VENV)/.develops  ## take the README's pictures of the samples again (needs Chromium)
	$(BIN)/python docs/screenshot.py

schema: $(VENV)/.develops  ## write the JSON Schema of the records again
	$(BIN)/python -m harness --schema > harness/contract/record.schema.json

lock: $(VENV)/.develops  ## renew the locked versions
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements/desk.txt
	$(BIN)/uv pip compile $(LOCK) -c requirements/desk.txt requirements/harness.in -o requirements/harness.txt
	$(BIN)/uv pip compile $(LOCK) -c requirements/harness.txt pyproject.toml --extra dev --extra png -o requirements/dev.txt
	$(BIN)/uv pip compile $(LOCK) requirements/fuzz.in -o requirements/fuzz.txt
	$(BIN)/uv pip compile $(LOCK) requirements/audit.in -o requirements/audit.txt
	$(BIN)/uv pip compile $(LOCK) requirements/ray.in -o requirements/ray.txt
	$(BIN)/uv pip compile $(LOCK) --no-deps requirements/torchvision.in -o requirements/torchvision.txt

lock-torch: $(VENV)/.develops  ## lock a PyTorch by its hashes: TORCH=2.14.1 INDEX=https://download.pytorch.org/whl/cu126
	$(BIN)/python requirements/torch_lock.py $(TORCH) $(INDEX)

clean:  ## remove what this Makefile made; reports stay
	rm -rf $(VENV) .venv-audit .venv-cuda .venv-ray build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.measures: $(VENV)/.python requirements/desk.txt requirements/harness.txt requirements/torch-$(TORCH_HERE).txt pyproject.toml
	@echo "Installing into $(VENV): a few minutes the first time, because torch is large."
	@$(PIP) --require-hashes -r requirements/desk.txt -r requirements/harness.txt
	@# Which build it is, pip's settings say; that it is the build that it claims to be, the lock.
	@rm -rf build/torch
	@$(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --dest build/torch torch==$(TORCH_HERE)
	@$(PIP) --require-hashes --no-deps --no-index --find-links build/torch -r requirements/torch-$(TORCH_HERE).txt
	@rm -rf build/torch
	@# A build for the CPU misses nothing now; one for a GPU misses CUDA and Triton.
	@$(BIN)/python -m pip check --quiet >/dev/null || \
	  $(PIP) --require-hashes --no-deps -r requirements/torch-$(TORCH_HERE)-libraries.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.develops: $(VENV)/.measures requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.fuzzes: $(VENV)/.develops requirements/fuzz.txt
	@$(PIP) --require-hashes -r requirements/fuzz.txt
	@touch $@

# A build for a GPU beside the one for the CPU, with the same of everything else.
.venv-cuda/.ready: requirements/desk.txt requirements/harness.txt requirements/dev.txt requirements/torchvision.txt \
    requirements/torch-$(TORCH_CUDA).txt requirements/torch-$(TORCH_CUDA)-libraries.txt pyproject.toml
	@echo "Installing into .venv-cuda: PyTorch for CUDA, 5.6 GB."
	@$(PYTHON) -m venv .venv-cuda
	@$(CUDA_PIP) --require-hashes -r requirements/desk.txt -r requirements/harness.txt
	@$(CUDA_PIP) --require-hashes -r requirements/dev.txt
	@$(CUDA_PIP) --require-hashes --no-deps -r requirements/torch-$(TORCH_CUDA).txt \
	  -r requirements/torch-$(TORCH_CUDA)-libraries.txt -r requirements/torchvision.txt
	@$(CUDA_PIP) --no-deps --no-build-isolation -e .
	@touch $@

# What looks at the locks must not share their environment.
.venv-audit/.ready: requirements/audit.txt
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/audit.txt
	@touch $@

# Ray brings 380 MB, and versions of its own of what the desk uses.
.venv-ray/.ready: requirements/ray.txt
	@$(PYTHON) -m venv .venv-ray
	@.venv-ray/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/ray.txt
	@touch $@
