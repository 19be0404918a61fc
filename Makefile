PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick fuzz gpu gpu-pack wire install install-dev clean

install: .venv/.installed

install-dev: .venv/.installed-dev

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[maps]"
	$(BIN)/uniscene-sim warmup
	touch $@

.venv/.installed-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[maps,rl,ros2,learned,judge,recordings,remote,rerun,ray,dev]"
	touch $@

demo: install
	$(BIN)/uniscene-sim run scenarios/cut_in.yaml --out out/demo

# The many processes that tests start read byte code that one has written, whatever the shell says; and two workers on
# two cores leave no core for threads of torch, which wait busily for each other.
test quick: export PYTHONDONTWRITEBYTECODE :=
test quick: export OMP_NUM_THREADS ?= 1

# Kernels are compiled on one core while mypy has the other.
test: install-dev
	$(BIN)/ruff check .
	$(BIN)/uniscene-sim warmup & warm=$$!; $(BIN)/mypy && wait $$warm
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q -rfER

# Every reader with broken input: three quarters of the time drawn by Hypothesis, the rest led by Atheris.
FUZZ_SECONDS ?= 3600
fuzz: install-dev
	$(BIN)/python -m tests.fuzz --seconds $$(($(FUZZ_SECONDS) * 3 / 4)) --guided $$(($(FUZZ_SECONDS) / 4)) --seed $$RANDOM

# For daily use: without slow tests, and without folders whose tests start many processes or compare whole engines.
LONG := annotations bench cli conformance cuda env/test_env.py evaluation examples fuzz lidar maps/test_map.py occupancy \
	packaging ros2 training test_readme.py
quick: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m "not slow" $(LONG:%=--ignore=tests/%)

# On a bare machine with a GPU, whose own packages are used: tests, benchmarks and training in nine minutes.
gpu:
	$(PYTHON) -m tests.gpu

# What that machine lacks, fetched and made where packages can be had.
gpu-pack: install-dev
	$(BIN)/python -m tests.gpu.pack

# The Python code of the messages.
wire: install-dev
	$(BIN)/python -m uniscene_sim.wire.generate

clean:
	rm -rf .venv out build dist *.egg-info
