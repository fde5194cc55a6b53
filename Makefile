# Commands for this project. Run `make` to list them.
PYTHON := .venv/bin/python
TEST_WORKERS ?= 3
# How many of the test groups in tests/conftest.py run in parallel.
TIMED_GROUPS ?= 3
# The minimal environment for commands that need settings but no services.
CHECK_ENV := SECRET_KEY=check-only-a-long-random-looking-value-0123456789-abcdefghijkl \
	ENCRYPTION_KEYS=Y2hlY2stb25seS1rZXktY2hlY2stb25seS1rZXktMDE= PUBLIC_URL=https://check.example.com SECURE_SSL_REDIRECT=1 \
	DATABASE_URL=postgresql://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

# Containers often set it. Without bytecode, each of a platform's six processes would compile two thousand files when it starts.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-most test-timed check check-types check-rest bench bench-quick check-wheels docs fmt lock clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 18

run: ## start everything and print its address (Ctrl-C stops it)
	@scripts/install core offline
	@exec $(PYTHON) -m bubblyphone.services.run

# Tests of whole platforms and speech depend on timing. They run in separate groups (tests/conftest.py), after the rest.
REALTIME := tests/browser tests/flows tests/speech tests/bench

test: ## run all tests, or some: ARGS="tests/calls -k hangup"
	@scripts/install core offline dev
	@$(PYTHON) -m tests.chromium
	@$(PYTHON) -m tests.languages
ifeq ($(ARGS),)
	@$(MAKE) --no-print-directory test-most
	@$(MAKE) --no-print-directory test-timed
else
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadgroup $(ARGS)
endif

# No platform, no speech and no browser. Tests that take longer than ten seconds only run in `test`.
FAST := tests/agents tests/calls tests/core
# These tests wait little: with more workers than processors, they would only be imported once more.
FAST_WORKERS ?= logical

test-fast: ## run the fast tests that find most regressions; `test` runs all of them
	@scripts/install core offline dev
	@$(PYTHON) -m pytest -n $(FAST_WORKERS) --dist loadgroup -m "not slow" $(FAST)

test-most:
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadgroup $(addprefix --ignore=,$(REALTIME))

test-timed:
	@$(PYTHON) -m pytest -n $(TIMED_GROUPS) --dist loadgroup $(REALTIME)

check: ## check formatting, lint, types, sizes, import directions, settings and migrations
	@scripts/install core offline dev
	@$(MAKE) --no-print-directory -j2 check-types check-rest

check-types:
	@$(CHECK_ENV) $(PYTHON) -m mypy

check-rest:
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) scripts/check_references.py
	@$(PYTHON) scripts/check_text.py
	@$(PYTHON) scripts/check_private_names.py
	@$(PYTHON) scripts/check_sizes.py
	@$(PYTHON) -m bubblyphone.write_environment_docs --check
	@$(PYTHON) -m deptry . --config requirements/deptry.toml
	@$(PYTHON) -m deptry . --config requirements/deptry-tests.toml
	@$(PYTHON) -c 'from importlinter.cli import lint_imports_command as check; check()'
	@$(CHECK_ENV) $(PYTHON) manage.py check --deploy --fail-level WARNING
	@$(CHECK_ENV) $(PYTHON) -W ignore manage.py makemigrations --check --dry-run
	@$(CHECK_ENV) $(PYTHON) scripts/check_migrations.py

bench: ## measure the call path and write docs/benchmarks.md
	@scripts/install core offline dev
	@$(PYTHON) -m tests.bench

bench-quick: ## measure how a change affects the call path, in two minutes
	@scripts/install core offline dev
	@$(PYTHON) -m tests.bench --quick

check-wheels: ## check that every package in the image has wheels for amd64 and arm64
	@$(PYTHON) -m scripts.check_wheels

docs: ## generate docs/environment-variables.md and .env.example from bubblyphone/environment_variables.py
	@scripts/install core
	@$(PYTHON) -m bubblyphone.write_environment_docs

fmt: ## format the code and apply automatic lint fixes
	@scripts/install core dev
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

lock: ## regenerate requirements/*.txt from requirements/*.in (needs uv)
	@uv pip compile $(COMPILE) --upgrade requirements/core.in -o requirements/core.txt
	@uv pip compile $(COMPILE) --upgrade -c requirements/core.txt requirements/offline.in -o requirements/offline.txt
	@uv pip compile $(COMPILE) --upgrade -c requirements/core.txt requirements/s3.in -o requirements/s3.txt
	@uv pip compile $(COMPILE) --upgrade -c requirements/core.txt requirements/otel.in -o requirements/otel.txt
	@uv pip compile $(COMPILE) --upgrade -c requirements/core.txt requirements/dev.in -o requirements/dev.txt

clean: ## remove the environment and caches, but keep other data in ./var
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis var/test-clusters
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
