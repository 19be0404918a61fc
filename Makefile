PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick install install-dev clean

install: .venv/.installed

install-dev: .venv/.installed-dev

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[maps]"
	$(BIN)/uniscene-sim warmup
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[maps,rl,ros2,learned,dev]"
	$(BIN)/uniscene-sim warmup
	touch $@

demo: install
	$(BIN)/uniscene-sim run scenarios/cut_in.yaml --out out/demo

test: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile -q

# For daily use: without slow tests, and without folders whose tests start many processes or compare whole engines.
LONG := annotations bench cli conformance cuda env/test_env.py evaluation examples lidar maps/test_map.py occupancy \
	packaging ros2 training test_readme.py
quick: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile -q -m "not slow" $(LONG:%=--ignore=tests/%)

clean:
	rm -rf .venv out build dist *.egg-info
