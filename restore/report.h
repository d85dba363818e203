/* restore/report.h - what a session did, for people and for programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_REPORT_H
#define FI_RESTORE_REPORT_H

#include "restore/engine.h"

struct fi_report {
	const char *result; /* "complete", "failed", "restore-failed", "stopped" */
	uint64_t nr_tasks;  /* restored with a userfaultfd */
	uint64_t nr_zombies;
	uint64_t nr_lazy_pages; /* owed by the restored tasks at the start */
	uint64_t nr_engines;	/* there were; more than one: some have died */
	uint64_t restore_ns; /* from CRIU's connection to the end of the restore; 0: it never was */
	uint64_t total_ns;   /* from CRIU's connection to the end of the session */
	struct fi_engine_totals totals;
};

/* One line in the log. */
void fi_report_log(const struct fi_report *report);

/* Writes the report to @fd as JSON, format version 1 (doc/faultin-report.5).  Returns 0 or a negative
 * errno, said in @err. */
int fi_report_write(const struct fi_report *report, int fd, struct fi_error *err);

#endif
