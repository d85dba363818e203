# tests/unit/restore.mk
