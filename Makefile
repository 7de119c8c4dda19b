# SPDX-License-Identifier: GPL-2.0
#
# The front door.  Every command is a script under scripts/, which refuses bad
# input with status 2 before it does anything, then sees to the packages that
# it needs.  Variables come from the command line or the environment.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

COMMANDS := help run test kunit coverage mutants scenario kernel image compare bench \
	bench-document lint patch prove-all shell clean

.PHONY: $(COMMANDS)

help run test kunit coverage mutants compare bench lint patch prove-all shell clean:
	@scripts/$@

bench-document:
	@scripts/bench.py document

scenario:
	@scripts/check
	@scripts/deps
	@scripts/scenario run "$$NAME"

kernel:
	@scripts/build-kernel >/dev/null

image:
	@scripts/build-kernel
