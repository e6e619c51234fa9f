# `make help` says what there is. Needs Python 3.11 or newer, and nothing else.

BIN := .venv/bin
# What people do is a command of `bazaar`; KEY=<an API key> is how make calls BAZAAR_KEY.
BAZAAR = $(if $(value KEY),BAZAAR_KEY="$$KEY") $(BIN)/python -m cli
# PYTHON=/path/to/python chooses the Python that the environment is made with.
PYTHON ?=
# One image each; every extra in pyproject.toml of the same name is what it installs.
IMAGES := gateway registry_svc task_svc payment_svc chat_svc agents
# What `bazaar` alone needs: no image has it.
NOT_IN_IMAGES := typer rich shellingham markdown-it-py mdurl pygments psutil
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)

.DEFAULT_GOAL := help
.PHONY: help env up secrets test types tests eval engines test-compose deploy-demo ask crash-demo key mcp conformance check-agent schemas specs trace bench images fmt lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: ## Make or mend the Python environment in .venv
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	  python=; for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	    then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo 'No Python 3.11 or newer was found (tried: $(CANDIDATES)).' >&2; \
	    echo 'Install one, or name it: make PYTHON=/path/to/python ...' >&2; exit 1; \
	  fi; \
	  echo "Making the environment with $$python"; rm -rf .venv; \
	  if ! "$$python" -m venv .venv; then \
	    rm -rf .venv; \
	    echo 'This Python lacks the venv module. On Debian and Ubuntu: apt install python3-venv' >&2; \
	    exit 1; \
	  fi; \
	fi
	@cmp -s requirements.lock .venv/.lock-stamp || { \
	  echo 'Installing what requirements.lock names'; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements.lock && cp requirements.lock .venv/.lock-stamp; }
	@cmp -s deploy/bazaar $(BIN)/bazaar || install -m 755 deploy/bazaar $(BIN)/bazaar

up: env ## Start everything; Ctrl-C stops it
	@exec env $(BAZAAR) up

# More workers than most machines have processors: what a test does above all is wait. What is
# compiled is kept, whatever the machine's own setting: every worker and process would do it again.
test: export PYTHONDONTWRITEBYTECODE :=
test: env ## Lint, types, architecture, and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory -j 2 types tests

# Side by side, for tests wait now and then; when either fails, `test` does.
types: env
	$(BIN)/mypy
tests: env
	$(BIN)/python -m pytest -n 4 --dist loadgroup

eval: env ## How many sentences the keyless planner gets right, and what it charges unwanted
	@$(BIN)/python -m tests.chat.planner.eval

# The same list of Debian packages as in the image of the agents.
engines: ## Install the translator's pairs of languages for Apertium (Debian)
	@root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive \
		xargs -a deploy/images/agents.apt apt-get install --yes --no-install-recommends && \
	apertium -l

secrets: ## Make up the passwords of the stack in containers, once, in .env
	@$(or $(PYTHON),python3) deploy/passwords.py

test-compose: env ## The end-to-end tests on docker compose instead; needs a Docker Engine
	BAZAAR_E2E=compose $(BIN)/python -m pytest -n 0 --timeout 600 tests/e2e

deploy-demo: env ## Replace and kill every service under load, and add everything up
	$(BIN)/python -m tests.e2e.deploy_demo

# The question goes through the environment, unexpanded: quotes and dollars in it are its own.
ask: override export Q := $(value Q)
ask: env ## Ask HubChat: make ask Q="Translate 'hello' to Spanish" (TASK=, BUDGET=, KEY=)
	@exec env $(BAZAAR) ask $${TASK:+--task "$$TASK"} $${BUDGET:+--budget "$$BUDGET"} -- "$$Q"

crash-demo: env ## Kill services in the middle of a turn, and see that nothing came of it
	@exec $(BIN)/python -m deploy.local.crash_demo

# The key is shown once, alone on standard output: KEY=$$(make -s key ACCOUNT=alice).
key: override export ACCOUNT := $(value ACCOUNT)
key: override export SCOPES := $(value SCOPES)
key: override export NOTE := $(value NOTE)
key: override export DAYS := $(value DAYS)
key: override export GRANT := $(value GRANT)
key: env ## Make an API key: make key ACCOUNT=alice SCOPES=read,write (NOTE=, DAYS=, GRANT=)
	@exec env $(BAZAAR) keys make "$$ACCOUNT" --scopes "$$SCOPES" \
	  --note "$$NOTE" --days "$$DAYS" --grant "$$GRANT"

mcp: env ## Say what to paste into a client of MCP (KEY= for a gateway that wants one)
	@exec env $(BAZAAR) mcp

# What PyPI and npm have; what is known to fail is in tests/conformance. KITS= names some.
conformance: env ## Try the doors with the conformance kits of their protocols
	@exec $(BIN)/python -m tests.conformance $(KITS)

# The address goes through the environment, unexpanded.
check-agent: override export URL := $(value URL)
check-agent: env ## Say whether an agent will work here, and why not: make check-agent URL=<its address>
	@exec env $(BAZAAR) agents check "$$URL"

schemas: env ## Write the golden JSON Schemas of all messages
	$(BIN)/python -m tests.contracts.golden

specs: env ## Write AsyncAPI, OpenAPI and the users of the bus from the code
	$(BIN)/python -m tests.docs.specs

trace: override export TASK := $(value TASK)
trace: env ## Tell the story of a task from its events: make trace TASK=<id> (KEY=)
	@exec env $(BAZAAR) trace "$$TASK"

# make bench BENCH='--quick --rows agents,invoke'
bench: env ## Measure it beside release 0.2.0, a plain server, DBOS and Express
	$(BIN)/python -m bench.performance $(BENCH)

images: ## Build every image: make images, or some: make images IMAGES='gateway task_svc'
	@for image in $(IMAGES); do \
	  docker build --quiet --file deploy/Dockerfile --build-arg SERVICE="$$image" \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" \
	    --tag "agentbazaar/$$image:$(or $(TAG),dev)" . || exit 1; \
	done

fmt: env ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: env ## Look for known weaknesses in what the lock names (needs the advisory database)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
	  --requirement requirements.lock

lock: ## Bring requirements.lock in line with pyproject.toml (UV_ARGS=--upgrade for the newest)
	@test -x $(BIN)/uv || { $(or $(PYTHON),python3) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet $(UV_ARGS) \
	  --output-file requirements.lock
	@for image in $(IMAGES); do \
	  $(BIN)/uv pip compile pyproject.toml --extra "$${image%_svc}" --constraint requirements.lock \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    $(NOT_IN_IMAGES:%=--no-emit-package %) --custom-compile-command 'make lock' --quiet \
	    --output-file "deploy/images/$$image.lock" || exit 1; \
	done

clean: ## Remove the environment and the caches; the data in .bazaar stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
