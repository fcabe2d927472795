# What one can do here. `make` alone lists it; every target sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo dashboard deploy destroy test lint format bench-webhook bench-recovery bench-copy prove-kills bench-media bench-trace stack clean
SHELL := bash
BIN := .venv/bin

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get uv, Python and the locked environments ready (quick when nothing changed)
	@scripts/setup

demo: setup ## Play the whole story on this machine: no account, no container
	@$(BIN)/python -m local.demo $(ARGS)

dashboard: setup ## Play the demo and draw the dashboard from what it counted (docs/dashboard.png)
	@$(BIN)/python -m local.demo --dashboard docs/dashboard.png $(ARGS)

deploy: setup ## Ask for what a stack on AWS needs, check it, deploy it, look whether all works
	@$(BIN)/python -m scripts.deploy $(ARGS)

destroy: setup ## Delete the stack on AWS; every file, its address and the ledger stay
	@$(BIN)/python -m scripts.destroy $(ARGS)

test: setup ## Run every test: unit, integration, and end to end on the local stack
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadgroup $(ARGS)

lint: setup ## Check style, types, layers and the template
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 $(BIN)/sam validate --lint --region us-east-1

format: setup ## Put the code into the house's form
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

bench-webhook: setup ## The webhook's cold start and warm answer beside a bare handler's
	@$(BIN)/python -m benchmarks.webhook

bench-recovery: setup ## How soon lost jobs are found again, and at what cost in calls
	@$(BIN)/python -m benchmarks.recovery $(ARGS)

bench-copy: setup ## How fast files are copied, and in how much memory
	@$(BIN)/python -m benchmarks.copy $(ARGS)

prove-kills: setup ## Kill a copy of 1 GiB 200 times at random; it comes out byte for byte
	@$(BIN)/python -m tests.integration.killing $(ARGS)

bench-media: setup ## What it costs to look into a file before keeping it
	@$(BIN)/python -m benchmarks.media

bench-trace: setup ## How soon a job is found among 100,000, by whatever it is known by
	@$(BIN)/python -m benchmarks.tracing

stack: setup ## Start the local stack and keep it until Ctrl-C
	@$(BIN)/python -m local.serve

clean: ## Remove everything that was built or fetched
	rm -rf .venv .venv-stack .tools .aws-sam .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
