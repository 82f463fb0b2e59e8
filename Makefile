# Two commands do all the set-up on a fresh machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test docs test-processes test-gpu test-wheel test-extras test-fuzz test-robustness test-published chaos test-cluster test-slurm lint format clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/dropattack run demo

test: lint
	$(BIN)/python -m pytest -n 2 -m "not slow and not heavy and not gpu"

# Tests that start processes and compile: sweeps that are killed, stopped and broken, and Ray's workers.
test-processes: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --maxschedchunk 1 -m "heavy and not slow"

# Tests that need a GPU, one after the other on the one card; the GPU benchmark's whole command and its faults, on any machine.
test-gpu: $(INSTALLED)
	$(BIN)/python -m pytest -p no:xdist -rs -m gpu
	$(BIN)/python -m pytest -p no:xdist -m slow tests/benchmarks/gpu

# The wheel in an environment of its own: it holds what it should, and runs the demo from an empty folder.
test-wheel: $(INSTALLED)
	$(BIN)/python -m pytest tests/packaging/test_wheel.py

# The wheel and each extra, really installed in the versions of constraints.txt.
test-extras: $(INSTALLED)
	$(BIN)/python -m pytest tests/packaging/test_extras.py

# Sweeps killed at every named point and at random, in real processes; what it did to them goes to chaos.jsonl.
chaos: $(INSTALLED)
	CHAOS_FIGURES=$(CURDIR)/chaos.jsonl $(BIN)/python -m pytest tests/chaos tests/search/test_killed.py tests/search/execution/test_gpus.py -p no:xdist --durations=0

# Thousands of sweep files, settings and command lines that nobody would write: each is refused or carried out.
test-fuzz: $(INSTALLED)
	$(BIN)/python -m pytest tests/search/fuzz tests/search/test_readiness.py -p no:xdist

# Perfect reproductions of every table and figure of the papers, simulated: how often the comparison calls them different.
test-published: $(INSTALLED)
	$(BIN)/python -m pytest tests/analysis/published -m slow -p no:xdist

# AutoAttack in full on trained models, against the library and the strongest attacks of our own.
test-robustness: $(INSTALLED)
	$(BIN)/python -m pytest tests/trainables/training/test_robust_accuracy.py -p no:xdist

# Real two-node Ray clusters with MLflow on Postgres, which need Debian's postgresql: nodes that share a folder, and nodes
# that share a bucket alone; and a server of MLflow alone.
test-cluster: $(INSTALLED)
	$(BIN)/python -m pytest tests/docker

# Notices to real processes, and a job of SLURM with a real two-node Ray cluster, on this machine; SLURM's own
# commands are stand-ins.
test-slurm: $(INSTALLED)
	$(BIN)/python -m pytest tests/search/test_notice.py tests/search/submission/test_slurm_on_ray.py -p no:xdist

# The documentation as a site in build/site; a dead link or a page outside the navigation ends it.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
