# What a person types. Each target does the set-up it needs; `make help` lists them.
PROFILE ?= quick
# The distribution's first: it is built with profiles, and starts and runs faster than one built without.
PYTHON ?= $(shell for p in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# What the experiments use; whatever is missing is named by `labkit doctor` and in every result.
PACKAGES := python3-venv runc crun runsc mmdebstrap busybox-static libseccomp2 bubblewrap gcc libc6-dev \
	nftables slirp4netns passt uidmap
# What the tests use besides: who drives labkit-oci, its ps, network interfaces, a browser, others' images and a registry
# for them; and the lab VM.
TEST_PACKAGES = podman containerd procps iproute2 chromium skopeo umoci docker-registry $(VM_PACKAGES)
# What the lab VM needs besides; in releases after Debian 12 virtiofsd is a package of its own.
VM_PACKAGES = qemu-system-x86 $(shell apt-cache pkgnames virtiofsd 2>/dev/null)
# What the tests in it use besides: a systemd and its bus, which are started in the VM alone.
VM_TEST_PACKAGES = $(VM_PACKAGES) busybox-static dbus e2fsprogs iproute2 systemd
INSTALLED := .setup/python
# Programs that are compiled anew at each start take several times as long, the tests' thousands of containers among them.
unexport PYTHONDONTWRITEBYTECODE
# Emulated, all kernel tests would take more than an hour: these are of what another kernel, and another version of
# cgroups, can break. What is refused before the kernel is asked, and what is timed, is the same here and there.
TESTS_V1 ?= $(filter-out %_bad_input.py %_cost.py,$(wildcard tests/kernel/test_cgroup_*.py))
TESTS_V2 ?= $(TESTS_V1) $(patsubst %,tests/kernel/test_%.py,device_program engine_isolation engine_joining engine_lifetime \
	engine_limits engine_mounts engine_privileges engine_rootless engine_seccomp engine_user_namespace oci_service \
	oci_update)
# Of the drivers' contract there, what takes five minutes: an engine's sandbox takes as long as those of three runtimes,
# and is made by one of them; `labkit run` is the engine that labkit is; a microVM, which boots for half a minute there,
# has tests of its own (test-kvm). RUNTIMES='podman or containerd' has the engines' turn.
RUNTIMES ?= [host] or [labkit] or [labkit-oci] or [crun] or [runc] or [runsc-ptrace] or [bwrap]
# Two groups of tests that need root run beside one another, in each of them one test at a time. These here measure, and
# change the host's interfaces and mounts, as the notebooks and engines do; the others find all that is theirs by its name.
MEASURING = tests/notebooks $(patsubst %,tests/kernel/test_%.py,ablation cgroup_network cli_runtimes containerd driver_cost \
	engine_bench engine_interfaces foreign_images images_of_drivers isolation lives_measured podman probe runtime_contract \
	runtimes startup study study_link)
# In the lab VM: with cgroups of a version, files on a disk.
IN_VM = $(BIN)/labkit vm run --memory 2G --cpus 2 --timeout 3600
KERNEL_TESTS = sh tests/kernel/on_a_disk.sh $(BIN)/python -m pytest -v -m root -p no:cacheprovider

.PHONY: help setup system reproduce test test-measuring test-kernel test-v1 test-v2 test-kvm test-runtimes lab site \
	bench lint clean
.DEFAULT_GOAL := help

help:
	@echo "make reproduce   set everything up, measure, and render the site (PROFILE=quick or full)"
	@echo "make test        set everything up and run every test (as root, the kernel tests too)"
	@echo "make test-v2     run the engine's kernel tests in a VM with cgroup v2 alone (TESTS_V2=FILES for others)"
	@echo "make test-v1     run those of cgroups in a VM with cgroup v1 alone"
	@echo "make test-kvm    run the microVM's tests of KVM in a VM whose processor has it"
	@echo "make test-runtimes   run what every runtime's driver promises in a VM (RUNTIMES='podman or containerd' for others)"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make site        render the site again from what was measured"
	@echo "make bench       time the engine against runc, crun and bubblewrap"
	@echo "make lint        ruff, mypy and import-linter"

reproduce: setup
	$(BIN)/labkit reproduce --profile $(PROFILE)

test: setup
	@sh .setup.sh $(TEST_PACKAGES)
	$(BIN)/python -m pytest -q --numprocesses $$(nproc) tests/unit
	@$(MAKE) --no-print-directory --jobs 2 --keep-going test-measuring test-kernel

test-measuring: setup
	$(BIN)/python -m pytest -q $(MEASURING)

# What it says is shown when it is over: the others tell meanwhile how far they are.
test-kernel: setup
	@$(BIN)/python -m pytest -q --ignore tests/unit $(addprefix --ignore ,$(MEASURING)) >.setup/test-kernel 2>&1; \
	status=$$?; cat .setup/test-kernel; exit $$status

test-v2: setup
	@sh .setup.sh $(VM_TEST_PACKAGES)
	$(IN_VM) --cgroups v2 -- $(KERNEL_TESTS) $(TESTS_V2)

# Controllers that only v1 has are on few hosts, and none of v1's on some.
test-v1: setup
	@sh .setup.sh $(VM_TEST_PACKAGES)
	$(IN_VM) --cgroups v1 -- $(KERNEL_TESTS) $(TESTS_V1)

# QEMU emulates a processor on which guests can have guests: whether KVM works does not hang on the host.
test-kvm: setup
	@sh .setup.sh $(VM_TEST_PACKAGES)
	$(IN_VM) --cgroups v2 -- $(KERNEL_TESTS) tests/kernel/test_microvm_kvm.py

test-runtimes: setup
	@sh .setup.sh $(TEST_PACKAGES) $(VM_TEST_PACKAGES)
	$(IN_VM) --cgroups v2 -- $(KERNEL_TESTS) tests/kernel/test_runtime_contract.py -k "$(RUNTIMES)"

lab: setup
	$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

site: setup
	$(BIN)/labkit site

bench: setup
	$(BIN)/labkit bench

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: system $(INSTALLED)

# Only what is missing is asked for, so that a second time costs a few milliseconds.
system:
	@sh .setup.sh $(PACKAGES)

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || sh .setup.sh python3-venv
	@test -n "$(PYTHON)" || { echo "labkit needs Python 3.11 or newer: sudo apt-get install python3 python3-venv"; exit 1; }
	@mkdir -p .setup
	@echo "Installing the Python packages into .venv; this takes a minute or two" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# Newer pips make leaner command scripts, which start in less time.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@# It runs on the Python of .venv, whichever that is; its first line names the one of the distribution.
	@sed -i "1s|^#!/usr/bin/python3 |#!$$(realpath $(BIN)/python) |" $(BIN)/labkit-oci
	@touch $@

clean:
	rm -rf .venv .setup docs/_build
