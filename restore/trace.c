/* restore/trace.c - see trace.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/trace.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "restore/ledger.h"
#include "restore/workfile.h"

int fi_trace_create(const char *path, struct fi_error *err)
{
	fi_auto_close int fd = fi_workfile_log(path);
	fi_auto_close int memory = -EBADF;
	struct stat st;
	int r = fd < 0 ? fd : 0;

	/* A pipe could make the writer wait, and cannot be cut off. */
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	else if (r == 0 && !S_ISREG(st.st_mode))
		return fi_error_set(err, -EINVAL, "'%s' is not a file that a trace can be in",
				    path);
	if (r < 0)
		return fi_error_set(err, r, "cannot create trace '%s': %s", path, strerror(-r));

	memory = memfd_create("faultin-trace", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, sizeof(struct fi_trace)) < 0)
		return fi_error_set(err, -errno, "no memory for the trace: %s", strerror(errno));
	fi_keep(FI_KEPT_TRACE, fi_take_fd(&fd));
	fi_keep(FI_KEPT_TRACE_MEMORY, fi_take_fd(&memory));
	return 0;
}

int fi_trace_open(struct fi_trace **ret)
{
	struct fi_trace *trace;
	struct stat st;

	*ret = NULL;
	if (fi_kept(FI_KEPT_TRACE_MEMORY) < 0)
		return 0;
	/* Another program, which has taken the session over, may have another idea of it. */
	if (fstat(fi_kept(FI_KEPT_TRACE_MEMORY), &st) < 0)
		return -errno;
	if (st.st_size != sizeof(*trace))
		return -EPROTO;
	trace = mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		     fi_kept(FI_KEPT_TRACE_MEMORY), 0);
	if (trace == MAP_FAILED)
		return -errno;
	*ret = trace;
	return 0;
}

void fi_trace_show_written(struct fi_trace *trace, const struct fi_trace_written *written)
{
	uint32_t other = !trace->current;

	trace->written[other] = *written;
	atomic_store_explicit(&trace->current, other, memory_order_release);
	for (unsigned i = 0; i < FI_TRACE_RINGS; i++)
		atomic_store_explicit(&trace->rings[i].tail, written->taken[i],
				      memory_order_release);
}
