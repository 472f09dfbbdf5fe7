# Everything works from a fresh clone, in any folder. The environment is .venv, or the
# folder that VIDEOMAC_VENV names; PYTHON names the interpreter to make it from.
.DEFAULT_GOAL := help
.PHONY: help venv demo web test test-slow faults lint typecheck docs minkowski clean

VIDEOMAC_VENV ?= .venv
PYTHON ?=
export VIDEOMAC_VENV PYTHON
# Threads that wait for work sleep: on a busy machine spinning ones slow it tenfold.
export OMP_WAIT_POLICY ?= PASSIVE
RUN := "$$VIDEOMAC_VENV"/bin/python

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' \
	  | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

venv: ## Install everything into .venv (first time: 2-5 minutes, 5 GB; later: at once)
	@sh .ci/venv

demo: venv ## Pre-train for a moment on real clips, on any machine
	@$(RUN) tools/demo.py $(ARGS)

web: venv ## Show a page to try models on clips (ARGS="--models epoch_100.pth")
	@$(RUN) tools/web_demo.py $(ARGS)

test: venv ## Run the tests (minutes; ARGS="-k name" picks some)
	@$(RUN) -m pytest -m "not slow" $(ARGS)

test-slow: venv ## Run the tests that train for longer
	@$(RUN) -m pytest -m slow $(ARGS)

faults: venv ## Kill 50 runs at random moments, resume them, compare (15 minutes)
	@$(RUN) tools/dev/fault_campaign.py $(ARGS)

lint: venv ## Check style and formatting
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

typecheck: venv ## Check types
	@$(RUN) -m mypy videomac tests tools setup.py

docs: venv ## Build the documentation into build/docs (half a minute)
	@$(RUN) -m sphinx -W --keep-going -q -c docs . build/docs
	@echo "Read build/docs/index.html"

minkowski: venv ## Build MinkowskiEngine, to compare with (ten minutes; needs g++, OpenBLAS)
	@sh tools/misc/build_minkowski.sh

clean: ## Remove what builds, tests and runs of tools leave (not the environment)
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find . -name .git -prune -o -name '.venv*' -prune -o -name __pycache__ -type d \
	  -prune -exec rm -rf {} +
