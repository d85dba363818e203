# restore/local.mk
