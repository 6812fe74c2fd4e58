# `make demo` and `make test` set up everything they need in .venv; nothing else has to be installed first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := $(VENV)/peers

.PHONY: demo demo-thinking test check format clean

demo: $(VENV)/ready  ## the main job, offline, with the built-in models: results/runs/demo/
	$(BIN)/ttc-bench run --model builtin:small,builtin:medium,builtin:large --task chain-arithmetic,countdown \
	    --method direct,cot,self-consistency,best-of-n --verifier logprob,reward:builtin,checker \
	    --samples 16 --limit 64 --max-tokens 160 --out results/runs --name demo

demo-thinking: $(VENV)/ready  ## budgets, waiting, revising: results/runs/demo-thinking/
	$(BIN)/ttc-bench run --model builtin:large --task chain-arithmetic --verifier logprob \
	    --method direct,cot,self-consistency,best-of-n,weighted-vote,refine \
	    --thinking-budget 8,16,24,32,48,64 --wait 1 --rounds 1 \
	    --samples 8 --limit 64 --max-tokens 160 --out results/runs --name demo-thinking

test: $(VENV)/ready $(PEERS)/ready  ## the test suite
	$(BIN)/python -m pytest -q

check: $(VENV)/ready $(PEERS)/ready  ## what every commit passes: format, lint, strict types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch goes first: left to pick, pip may choose a build with gigabytes of CUDA libraries.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# The tool that reads what we export for it, in an environment of its own: 42 s, once (time make .venv/peers/ready, two cores).
$(PEERS)/ready: tests/interchange/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --constraint tests/interchange/peers.txt inspect_ai
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
