# tests/unit/images.mk
