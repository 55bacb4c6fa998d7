# Python 3.11 or later and make are all that a fresh machine needs; the rest is fetched into .venv.
# Only relative paths are used in targets, so that a checkout may live in a folder with spaces in its name.

# Where it is set, as in many images, each process that the tests start would compile this package anew: half a second.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
# Most tests wait for sockets and servers rather than compute; those of one file share what they start.
WORKERS ?= 3
PY := .venv/bin/python
READY := .venv/ready
PIP := -m pip --disable-pip-version-check
JOBS ?= 1000
# The tests that hold the pure modules; what else they cover does not count.
PURE_TESTS := tests/batch tests/drift tests/planning tests/request tests/values \
	$(addprefix tests/ledger/test_,journal_entry.py learning.py portions.py records.py reservations.py settlement.py spending.py) \
	$(addprefix tests/run/test_,bills.py caps.py conclusions.py extra_takes.py lanes.py outputs.py polling.py refused_in_run.py rescue.py settling.py video_event.py waking.py) \
	tests/shots $(addprefix tests/shards/test_,division.py next_step.py) $(addprefix tests/videos/test_,checks.py coding.py mp4.py) \
	$(addprefix tests/api/test_,answers.py callback.py catalog.py failures.py generations.py job.py endpoint.py endpoints.py key_budget.py refusals.py stored_copy.py) $(addprefix tests/cli/test_,export_rows.py video_lines.py) \
	$(addprefix tests/gallery/test_,links.py matrix.py merging.py page.py run_page.py) \
	$(addprefix tests/webhooks/test_,notice.py signature.py)
PURE_FILES := from tests.house.test_architecture import PURE; \
	print(*(f"openrouter_video/{name.replace(chr(46), chr(47))}.py" for name in PURE), sep=",")
# Stores that only npm has: Azure's, and one that lies. Another version here is another stamp, and is fetched.
NODE_PARTS := azurite@3.37.0 s3rver@3.7.1
NODE_READY := .node/$(subst $() ,+,$(NODE_PARTS))
EVERYTHING := -e ".[s3,gcs,azure,sftp,parquet]" --group dev --group docs
SANDBOX := $(if $(strip $(OPENROUTER_API_KEY)),,--sandbox)

# --- the demonstration's request -------------------------------------------------------------------------------------
# veo takes its two options; seedance and wan-3.0 have none of their own and get the normalized request; kling spells
# the option negative_prompt, so that it falls back and says so; wan-2.6 makes 5 or 10 seconds only and is refused.
# So four of the five are a success; if all were wanted, nothing would be sent to any of them.
DEMO_PROMPT := A 4-second time-lapse of a white orchid blooming on a dark tabletop, macro lens, gentle studio light
DEMO_MODELS := google/veo-3.1-lite bytedance/seedance-2.0-mini alibaba/wan-3.0 kwaivgi/kling-v3.0-std alibaba/wan-2.6
DEMO_FIELDS := --duration 4 --resolution 720p --aspect-ratio 16:9 --no-audio --min-success 4
define DEMO_OPTIONS
{"google-vertex": {"negativePrompt": "text, watermark, people", "enhancePrompt": true}, "atlas-cloud": {"negativePrompt": "text, watermark, people"}}
endef
# ---------------------------------------------------------------------------------------------------------------------

define HELP
Videos from a prompt, by Prefect and OpenRouter. Start with `make demo`: it needs no key and spends nothing.

  make demo         one prompt, five models, in the sandbox: four videos in ./videos and one refusal, explained.
                    With OPENROUTER_API_KEY set, the same request goes to OpenRouter and is billed.
  make serve        Prefect's own page with the flows ready to run, in the sandbox unless a key is set
  make cluster      the same on PostgreSQL with two workers, a collector and a receiver of webhooks: docs/cluster.md
  make test         every test (some: make test ARGS="-k ledger")
  make coverage     whether the tests reach each line of the pure modules
  make real-parts   what the tests of Azure need besides, from npm, in .node; without it they are skipped, by name
  make soak         a thousand jobs under random faults and kills, then the count of what was charged twice or lost
                    (a certain seed or number: make soak SEED=7 JOBS=5000)
                    (over a cluster, whose workers and server are killed: make soak CLUSTER=1)
  make bench        what Prefect and the promises cost: ours, a bare script and the official SDK side by side; about
                    40 minutes, for the figures in docs/measured.md (make bench QUICK=1: four minutes, writes nothing)
  make docs         build the documentation in ./site
  make pictures     take the pictures in docs/images anew, from the demo and in a browser
  make check        lint, formatting, types, and whether the installed packages fit together
  make constraints  resolve every dependency anew and pin it in constraints.txt
  make clean        remove .venv, .node, caches and build products; never ./videos, which may have been paid for

The first of them sets up .venv (about a minute); later ones start at once. To use the command yourself:
  .venv/bin/openrouter-video --help
endef
export HELP

.DEFAULT_GOAL := help
.PHONY: help demo serve cluster test test-the-rest coverage real-parts soak bench docs pictures check constraints clean

help:
	@printf '%s\n' "$$HELP"

demo: $(READY)
	@echo "$(if $(SANDBOX),No OPENROUTER_API_KEY is set: the sandbox answers and nothing is billed.,OPENROUTER_API_KEY is set: these videos are real and are billed.)"
	@.venv/bin/openrouter-video fan-out '$(DEMO_PROMPT)' $(DEMO_MODELS:%=--model %) $(DEMO_FIELDS) \
		--provider-options '$(DEMO_OPTIONS)' $(SANDBOX)

serve: $(READY)
	@$(PY) deployments/serve.py $(SANDBOX)

cluster: $(READY)
	@$(PY) -m deployments.cluster $(SANDBOX)

test: $(READY)
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(EXCEPT:%=--ignore=%) $(ARGS)

# All but those that "make coverage" runs, for .ci/run, which does both.
test-the-rest: EXCEPT := $(PURE_TESTS)
test-the-rest: test

coverage: $(READY)
	@$(PY) -m pytest -q $(PURE_TESTS) --cov=openrouter_video --cov-report=
	@$(PY) -m coverage report --show-missing --skip-covered --fail-under=100 --include="$$($(PY) -c '$(PURE_FILES)')"

real-parts: $(READY) $(NODE_READY)

# No script of a package is run: none of these needs one.
$(NODE_READY):
	@command -v npm >/dev/null || { echo 'npm is needed for them. On Debian and Ubuntu: apt-get install nodejs npm' >&2; exit 1; }
	@echo "Fetching $(NODE_PARTS) into .node (about a minute) ..."
	@rm -rf .node
	@npm install --prefix .node --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error $(NODE_PARTS)
	@touch $@

soak: $(READY)
	@$(PY) -m tests.promises.$(if $(CLUSTER),chaos_cluster,chaos) --jobs $(JOBS) $(if $(SEED),--seed $(SEED))

bench: $(READY)
	@$(PY) -m tests.benchmarks $(if $(QUICK),--quick)

docs: $(READY)
	@$(PY) -m mkdocs build --quiet --strict
	@echo "Open site/index.html"

pictures: $(READY)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; videos="$$folder/videos"; \
		OPENROUTER_API_KEY= OPENROUTER_VIDEO_OUTPUT="$$videos" $(MAKE) --no-print-directory demo; \
		$(PY) -m tests.support.poster_strip "$$videos" docs/images/demo.jpg; \
		for prompt in 'A red bicycle in the rain, seen from a window' "A potter's hands shape a bowl"; do \
			.venv/bin/openrouter-video fan-out "$$prompt" $(DEMO_MODELS:%=--model %) $(DEMO_FIELDS) \
				--provider-options '$(DEMO_OPTIONS)' --sandbox --output "$$videos"; done; \
		.venv/bin/openrouter-video gallery "$$videos"; \
		$(PY) -m tests.support.gallery_picture "$$videos/index.html" docs/images/gallery.jpg
	@PICTURES=docs/images $(PY) -m pytest -q tests/prefect/test_ui.py

check: $(READY)
	@$(PY) -m ruff check --quiet . && echo "lint: fine"
	@$(PY) -m ruff format --check --quiet . && echo "formatting: fine" || { echo "Run: $(PY) -m ruff format ." >&2; exit 1; }
	@$(PY) -m mypy
	@$(PY) $(PIP) check

# The stamp holds the folder's path: an environment that was copied or moved with its checkout is set up again,
# or it would go on testing the original.
$(READY): pyproject.toml constraints.txt $(if $(filter-out "$(shell cat $(READY) 2>/dev/null)","$(CURDIR)"),moved)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or later is needed; "$(PYTHON)" is not that. Name another one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '"$(PYTHON)" cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@echo "Setting up .venv (about a minute the first time) ..."
	@$(PYTHON) -m venv .venv
	@$(PY) $(PIP) install --quiet --upgrade pip --constraint constraints.txt
	@$(PY) $(PIP) install --quiet $(INSTALL_OPTIONS) $(EVERYTHING) --constraint constraints.txt --build-constraint constraints.txt
	@printf '%s\n' "$(CURDIR)" > $(READY)

.PHONY: moved
moved:

constraints:
	@echo "Resolving every dependency anew in a throw-away environment (about a minute) ..."
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
		$(PYTHON) -m venv "$$fresh/venv"; \
		"$$fresh/venv/bin/python" $(PIP) install --quiet --upgrade pip; \
		"$$fresh/venv/bin/python" $(PIP) install --quiet $(EVERYTHING); \
		"$$fresh/venv/bin/python" $(PIP) freeze --all --exclude-editable --exclude setuptools > "$$fresh/pins"; \
		if grep -nE '@|/' "$$fresh/pins"; then echo "A pin names a place instead of a version; constraints.txt is unchanged." >&2; exit 1; fi; \
		{ echo "# Every package of a development environment, exactly. Made by: make constraints"; \
		  "$$fresh/venv/bin/python" -c 'import platform; print("# With Python", platform.python_version(), "on", platform.system())'; \
		  cat "$$fresh/pins"; } > constraints.txt
	@echo "constraints.txt: $$(grep -c == constraints.txt) pins. Now: make check test"

clean:
	@rm -rf .venv .node build dist site .coverage htmlcov .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
