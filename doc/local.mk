# doc/local.mk - man pages, made by scdoc where there is one, and what is to be read in the tree.
# SPDX-License-Identifier: GPL-2.0-or-later

man_sources = \
	doc/faultin.1.scd \
	doc/faultin-complete.1.scd \
	doc/faultin-config.1.scd \
	doc/faultin-hook.1.scd \
	doc/faultin-inspect.1.scd \
	doc/faultin-metrics.1.scd \
	doc/faultin-pause.1.scd \
	doc/faultin-rate.1.scd \
	doc/faultin-resume.1.scd \
	doc/faultin-serve.1.scd \
	doc/faultin-setup.1.scd \
	doc/faultin-status.1.scd \
	doc/faultin-top.1.scd \
	doc/faultin-upgrade.1.scd \
	doc/faultin-verify.1.scd \
	doc/faultin-wait.1.scd \
	doc/faultin.conf.5.scd \
	doc/faultin-control.5.scd \
	doc/faultin-metrics.5.scd \
	doc/faultin-report.5.scd \
	doc/faultin-trace.5.scd \
	doc/faultin-plugin.7.scd \
	doc/faultin-probes.7.scd
EXTRA_DIST += $(man_sources) doc/design.md doc/keeper.md doc/model.md doc/placement.md doc/transparent.md \
	doc/inspect-dark.png doc/inspect-light.png doc/top.png \
	doc/trace-chrome.png doc/trace-dark.png doc/trace-light.png

# For Grafana to import.
dist_pkgdata_DATA = doc/faultin-grafana.json

# Where podman and CRI-O look for hooks.
hooks_files = doc/hooks.d/faultin-start.json doc/hooks.d/faultin-stop.json
hooks_DATA = $(hooks_files)
EXTRA_DIST += doc/hooks.d/faultin-start.json.in doc/hooks.d/faultin-stop.json.in
CLEANFILES += $(hooks_files)
hooks_edit = $(AM_V_GEN)$(MKDIR_P) doc/hooks.d && \
	$(SED) 's|@bindir@|$(bindir)|' <$(top_srcdir)/$@.in >$@.tmp && mv -f $@.tmp $@
doc/hooks.d/faultin-start.json: $(top_srcdir)/doc/hooks.d/faultin-start.json.in
	$(hooks_edit)
doc/hooks.d/faultin-stop.json: $(top_srcdir)/doc/hooks.d/faultin-stop.json.in
	$(hooks_edit)

# An example, to be copied.
unit_files = doc/faultin.service
doc_DATA = $(unit_files)
EXTRA_DIST += doc/faultin.service.in
CLEANFILES += $(unit_files)
doc/faultin.service: $(top_srcdir)/doc/faultin.service.in
	$(hooks_edit)

# Where bash-completion looks for the completion of a command.
bashcompletiondir = $(datadir)/bash-completion/completions
install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(bashcompletiondir)
	$(INSTALL_DATA) $(top_srcdir)/doc/faultin.bash $(DESTDIR)$(bashcompletiondir)/faultin
uninstall-hook:
	rm -f $(DESTDIR)$(bashcompletiondir)/faultin
EXTRA_DIST += doc/faultin.bash

if HAVE_SCDOC
man_pages = $(man_sources:.scd=)
man_MANS += $(man_pages)
CLEANFILES += $(man_pages)
endif

# By way of another name: a page that scdoc has given up on must not look like one.
scdoc = $(AM_V_GEN)$(MKDIR_P) doc && $(SCDOC) <$(top_srcdir)/$@.scd >$@.tmp && mv -f $@.tmp $@

doc/faultin.1: $(top_srcdir)/doc/faultin.1.scd
	$(scdoc)
doc/faultin-complete.1: $(top_srcdir)/doc/faultin-complete.1.scd
	$(scdoc)
doc/faultin-config.1: $(top_srcdir)/doc/faultin-config.1.scd
	$(scdoc)
doc/faultin-hook.1: $(top_srcdir)/doc/faultin-hook.1.scd
	$(scdoc)
doc/faultin-inspect.1: $(top_srcdir)/doc/faultin-inspect.1.scd
	$(scdoc)
doc/faultin-metrics.1: $(top_srcdir)/doc/faultin-metrics.1.scd
	$(scdoc)
doc/faultin-pause.1: $(top_srcdir)/doc/faultin-pause.1.scd
	$(scdoc)
doc/faultin-rate.1: $(top_srcdir)/doc/faultin-rate.1.scd
	$(scdoc)
doc/faultin-resume.1: $(top_srcdir)/doc/faultin-resume.1.scd
	$(scdoc)
doc/faultin-serve.1: $(top_srcdir)/doc/faultin-serve.1.scd
	$(scdoc)
doc/faultin-setup.1: $(top_srcdir)/doc/faultin-setup.1.scd
	$(scdoc)
doc/faultin-status.1: $(top_srcdir)/doc/faultin-status.1.scd
	$(scdoc)
doc/faultin-top.1: $(top_srcdir)/doc/faultin-top.1.scd
	$(scdoc)
doc/faultin-upgrade.1: $(top_srcdir)/doc/faultin-upgrade.1.scd
	$(scdoc)
doc/faultin-verify.1: $(top_srcdir)/doc/faultin-verify.1.scd
	$(scdoc)
doc/faultin-wait.1: $(top_srcdir)/doc/faultin-wait.1.scd
	$(scdoc)
doc/faultin.conf.5: $(top_srcdir)/doc/faultin.conf.5.scd
	$(scdoc)
doc/faultin-control.5: $(top_srcdir)/doc/faultin-control.5.scd
	$(scdoc)
doc/faultin-metrics.5: $(top_srcdir)/doc/faultin-metrics.5.scd
	$(scdoc)
doc/faultin-report.5: $(top_srcdir)/doc/faultin-report.5.scd
	$(scdoc)
doc/faultin-trace.5: $(top_srcdir)/doc/faultin-trace.5.scd
	$(scdoc)
doc/faultin-plugin.7: $(top_srcdir)/doc/faultin-plugin.7.scd
	$(scdoc)
doc/faultin-probes.7: $(top_srcdir)/doc/faultin-probes.7.scd
	$(scdoc)
