# tests/local.mk - every kind of test has its own part.
include tests/harness/local.mk
if HAVE_CMOCKA
include tests/unit/common.mk
include tests/unit/images.mk
include tests/unit/restore.mk
include tests/unit/plugin.mk
endif
include tests/model/local.mk
include tests/sim/local.mk
include tests/integration/local.mk
include tests/runtimes/local.mk
include tests/faults/local.mk
include tests/demo/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
