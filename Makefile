# make demo   one appliance with a simulated machine behind it: the main job, told as a story; CENTRAL=1 adds all ways out
# make demo-model  trains the demo's network anew on the simulated machine (torch needed)
# make test   everything that can fail, run: linters, types, unit, real-data and end-to-end tests
# make test-training  the tests that train networks: installs torch for the CPU beside the locked packages; minutes
# make bench  figures beside those of the alternative, interleaved; make bench ONLY=name
# make soak   300 machine-weeks of healthy running in virtual time, false alarms counted: hours; may be stopped and resumed
# make drill  the outage drill with 200 seeds, power cuts and all else: hours; ARGS="--faults a,b+c" for some of it
# make damaged-models  hundreds of damaged models per runtime: refused, given away by golden vectors, or harmless; minutes
# make deb    the Debian package in build/; make deb-check tests it in a clean Debian root (as root)
# make screenshot  the README's picture anew, from the story in the browser
.PHONY: setup setup-test demo demo-model test test-training lint bench soak drill damaged-models lock screenshot deb deb-check help

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

setup:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test

# With CENTRAL=1 come a real InfluxDB (Debian's influxd, unpacked into .cache), SCADA (node-opcua, by npm into
# tests/node_opcua) and a receiver of webhooks. ARGS go to the command: make demo CENTRAL=1 ARGS=--no-outage
demo: setup
	@$(if $(CENTRAL),central="$$(tools/influxd.sh)" && scada="$$(tools/scada.sh --install || true)" &&) .venv/bin/stethos demo $(if $(CENTRAL),--central "$$central" --scada "$$scada") $(ARGS)

# The network that the demo runs, anew: trained on the simulator, int8. Needs torch (the extra [train]); the demo does not.
demo-model: setup
	@.venv/bin/python -m tools.demo_model

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@mkdir -p build && .venv/bin/python -m web.openapi build/openapi.json
	@tools/npm.sh run --silent types:check
	@tools/npm.sh run --silent check

# The end-to-end tests start whole appliances and want the two cores for themselves: they run last and alone.
# What tests fetch or compile where it is not there yet (influxd, node-opcua, an S3 server, kernels) comes first: it is no
# test's time that goes into it.
test: setup-test lint
	@tools/influxd.sh >/dev/null || true
	@tools/s3_server.sh >/dev/null || true
	@tools/scada.sh --install >/dev/null || true
	@.venv/bin/stethos warm-up >/dev/null
	@tools/npm.sh run --silent test
	@.venv/bin/pytest -q -n 2 -m "not end_to_end and not package"
	@.venv/bin/pytest -q -m end_to_end

# torch is in no lock file: it goes into a virtual environment of its own, below .cache.
test-training: setup
	@training="$$(tools/training_venv.sh)" && "$$training" -m pytest -q -m training tests/models tests/appliance $(ARGS)

bench: setup
	@.venv/bin/python -m tests.benchmarks $(ONLY)

# ARGS go to the command: make soak ARGS="--machines 2 --weeks 4", make soak ARGS=--fault. Resumes from build/soak.jsonl.
soak: setup
	@.venv/bin/python -m tests.soak $(ARGS)

# As root and with strace, or what needs them is named under the table. Every seed has cuts of its own.
drill: setup
	@.venv/bin/python -m appliance drill --influxd "$$(tools/influxd.sh)" --seeds 200 --cuts 2000 --spread $(ARGS)
damaged-models: setup
	@.venv/bin/python -m tests.damaged_models $(ARGS)

# The same sources make the same package: image/README.md.
deb: setup
	@rm -f build/stethos*.deb
	@.venv/bin/python -m tools.deb $(ARGS)

# The story's appliance, sensor and plant come from the package, in a root that cannot be written; the browser does not.
deb-check: setup-test deb
	@.venv/bin/pytest -q -m package
	@STETHOS_STORY_FROM_PACKAGE=1 .venv/bin/pytest -q -m end_to_end tests/end_to_end/story

screenshot: setup-test
	@.venv/bin/pytest -q -m end_to_end tests/end_to_end/story
	@.venv/bin/python -m tests.end_to_end.keep_picture

# The locks (of the service, of everything but training, of service and recordings or cameras) are compiled for every
# platform and carry hashes; review the difference before committing it.
LOCKED = files vision onnxruntime openvino litert quantise dev
lock: setup
	@cd requirements && ../.venv/bin/uv pip compile -q --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make lock' ../pyproject.toml -o runtime.lock
	@cd requirements && ../.venv/bin/uv pip compile -q --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make lock' -c runtime.lock $(LOCKED:%=--extra %) ../pyproject.toml -o dev.lock
	@cd requirements && ../.venv/bin/uv pip compile -q --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make lock' -c runtime.lock --extra files ../pyproject.toml -o files.lock
	@cd requirements && ../.venv/bin/uv pip compile -q --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make lock' -c runtime.lock --extra vision ../pyproject.toml -o vision.lock
	@cd requirements && ../.venv/bin/uv pip compile -q --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make lock' s3-server.in -o s3-server.lock
