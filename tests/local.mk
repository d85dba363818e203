# tests/local.mk - every kind of test has its own part.
include tests/unit/images.mk
include tests/unit/restore.mk
include tests/unit/plugin.mk
include tests/integration/local.mk
