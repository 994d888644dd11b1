# Stagely RPC. `make` without a target lists the targets.

PYTHON  ?= python3
# A separate environment for each Python: make test PYTHON=python3.13
VENV    := .venv$(if $(filter python3,$(PYTHON)),,-$(notdir $(PYTHON)))
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PROTOS  := $(sort $(wildcard protos/stagely/v1/*.proto))
# Two per core, because a test waits for a third of its time. At most 8, for one PostgreSQL.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? 2 * cores : 8)))

# protoc finds its plugins on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Use only the environment of this directory.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Keep compiled modules. Otherwise each test worker compiles all of them.
unexport PYTHONDONTWRITEBYTECODE
# WORKERS on the command line is the number of test workers, not the service's setting of this name.
unexport WORKERS

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "}; {printf "  %-18s %s\n", $$1, $$2}'

.PHONY: dev
dev: $(READY) ## Run the service with an embedded PostgreSQL; make dev AUTH=1 requires tokens
	@exec $(BIN)/stagely-rpc dev $(if $(AUTH),--auth)

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: test
test: $(READY) ## Run the tests that need only Python; use it after each change
	@$(PYTEST) -m "not external" $(ARGS)

.PHONY: test-fast
test-fast: $(READY) ## Run the tests that are fast and start no process except one PostgreSQL (a minute)
	@$(PYTEST) -m "not process and not slow" $(ARGS)

.PHONY: test-external
test-external: $(READY) ## Run the tests that need other programs, many processes, or minutes
	@$(PYTEST) -m external $(ARGS)

.PHONY: test-all
test-all: $(READY) ## Run all tests
	@$(PYTEST) $(ARGS)

.PHONY: test-alone
test-alone: $(READY) ## Run each test file alone, in random order
	@find tests -name 'test_*.py' | shuf | while read -r file; do \
		$(BIN)/python -m pytest --quiet "$$file" >.cache-test-alone 2>&1 || { cat .cache-test-alone; echo "fails when run alone: $$file"; exit 1; }; \
	done; rm -f .cache-test-alone

.PHONY: campaign
campaign: $(READY) ## Inject faults under load for minutes to an hour, and check the results: make campaign NAME=outages
	@$(BIN)/python -m campaigns $(NAME)

.PHONY: check
check: lint type check-contract check-generated check-schema check-lock ## Run all checks except the tests

.PHONY: lint
lint: $(READY) ## Check style, format and the layers of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo "run \`make format\`"; exit 1; }
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(READY) ## Format the code, and fix what ruff can fix
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(BIN)/buf format --write

.PHONY: type
type: $(READY) ## Check types
	@$(BIN)/mypy

.PHONY: check-contract
check-contract: $(READY)
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/buf breaking --against protos/released.binpb

.PHONY: check-generated
check-generated: $(READY)
	@$(BIN)/python -m tools.generated --check

.PHONY: check-schema
check-schema: $(READY)
	@$(BIN)/python -m tools.check_schema

.PHONY: check-lock
check-lock: $(READY)
	@$(BIN)/python -m tools.locked --check

.PHONY: generate
generate: $(READY) ## Generate gen/, the client's services and pages of docs/ from protos/ and the code
	@$(BIN)/python -m tools.generated

.PHONY: reference
reference: $(READY) ## Generate the API reference, docs/reference, from protos/
	@$(BIN)/python -m tools.generated docs/reference

.PHONY: release-contract
release-contract: $(READY) ## Mark the current contract as released; later changes must not break it
	@$(BIN)/buf build --output protos/released.binpb --exclude-source-info

.PHONY: lock
lock: $(READY) ## Update the lock files to the newest versions that pyproject.toml allows
	@$(BIN)/python -m tools.locked

.PHONY: build
build: $(READY) ## Build the wheel into dist/
	@$(BIN)/python -m build --no-isolation --wheel

.PHONY: bench
bench: $(READY) ## Measure against floors in the same run, and write docs/performance.md
	@$(BIN)/python -m benchmarks

.PHONY: bench-compare
bench-compare: $(READY) ## Compare the speed of this checkout and another revision: make bench-compare REV=v0.1
	@test -n "$(REV)" || { echo "usage: make bench-compare REV=v0.1"; exit 2; }
	@$(BIN)/python -m benchmarks.compare "$(REV)"

.PHONY: migrate-up
migrate-up: $(READY) ## Apply all revisions to the database at DATABASE_URL
	@$(BIN)/stagely-rpc migrate up

.PHONY: migrate-down
migrate-down: $(READY) ## Undo the last revision of the database at DATABASE_URL
	@$(BIN)/stagely-rpc migrate down

.PHONY: migrate-create
migrate-create: $(READY) ## Create an empty revision: make migrate-create NAME=add_things
	@test -n "$(NAME)" || { echo "usage: make migrate-create NAME=add_things"; exit 2; }
	@$(BIN)/stagely-rpc migrate create "$(NAME)"

.PHONY: docker-up
docker-up: ## Start PostgreSQL, Redis, the migrations and the service in Docker
	@docker compose up --build --detach --wait

.PHONY: docker-down
docker-down: ## Stop the Docker containers and keep the data
	@docker compose down

.PHONY: install-tools
install-tools: $(READY) ## Install everything that the other targets need into .venv

.PHONY: clean
clean: ## Remove build results and environments, and keep the data in .stagely
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The environment contains what the lock file lists. A changed lock file updates it.
$(READY): requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || { echo "creating $(VENV), which takes a minute"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
