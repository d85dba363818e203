/* images/pstree.c - pstree.img and core-VPID.img: which tasks there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Helpers that CRIU adds at restore (for sessions whose leader is gone) are in no image.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "images/parts.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "images/record.h"

/* Values of task_state. */
enum {
	TASK_ALIVE = 1,
	TASK_DEAD = 2,
	TASK_STOPPED = 3,
	TASK_ZOMBIE = 6,
};

int fi_pstree_read(const struct fi_image_dir *dir, struct fi_task_image **ret, size_t *ret_nr,
		   struct fi_error *err)
{
	fi_auto_free struct fi_task_image *tasks = NULL;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Pstree *item;
	size_t nr = 0, size = 0;
	const void *msg;
	int r;

	r = fi_records_open(&rd, dir, "pstree.img", FI_PSTREE_MAGIC, err);
	if (r < 0)
		return r;

	while ((r = fi_records_next(&rd, &fi__pb__pstree__descriptor, FI_PSTREE_MAX, &msg, err)) >
	       0) {
		item = msg;
		if (item->pid == 0 || item->pid > INT32_MAX)
			return fi_records_error(&rd, err, -EBADMSG, "impossible pid %" PRIu32,
						item->pid);
		if (item->n_threads > UINT32_MAX)
			return fi_records_error(&rd, err, -EBADMSG, "%zu threads", item->n_threads);
		if (nr == size) {
			size_t more = size ? size * 2 : 16;
			void *grown = reallocarray(tasks, more, sizeof(*tasks));

			if (!grown)
				return fi_records_error(&rd, err, -ENOMEM, "no memory");
			tasks = grown;
			size = more;
		}
		tasks[nr++] = (struct fi_task_image){
			.vpid = item->pid,
			.ppid = item->ppid,
			.nr_threads = (uint32_t)item->n_threads,
		};
	}
	if (r < 0)
		return r;
	if (nr == 0)
		return fi_error_set(err, -EBADMSG, "'%s' names no task", rd.name);

	*ret = FI_TAKE(tasks);
	*ret_nr = nr;
	return 0;
}

static int compare_vpid(const void *a, const void *b)
{
	uint32_t left = (*(const struct fi_task_image *const *)a)->vpid;
	uint32_t right = (*(const struct fi_task_image *const *)b)->vpid;

	return left < right ? -1 : left > right;
}

const struct fi_task_image *fi_pstree_find(const struct fi_task_image *const *by_vpid, size_t nr,
					   uint32_t vpid)
{
	size_t low = 0, high = nr, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (by_vpid[mid]->vpid < vpid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < nr && by_vpid[low]->vpid == vpid ? by_vpid[low] : NULL;
}

int fi_pstree_index(const struct fi_task_image *tasks, size_t nr,
		    const struct fi_task_image **by_vpid, struct fi_error *err)
{
	const struct fi_task_image *parent;
	size_t i;

	for (i = 0; i < nr; i++)
		by_vpid[i] = &tasks[i];
	qsort(by_vpid, nr, sizeof(*by_vpid), compare_vpid);
	for (i = 1; i < nr; i++)
		if (by_vpid[i]->vpid == by_vpid[i - 1]->vpid)
			return fi_error_set(err, -EBADMSG,
					    "'pstree.img' names task %" PRIu32 " twice",
					    by_vpid[i]->vpid);

	for (i = 0; i < nr; i++) {
		if (tasks[i].ppid == 0 && i > 0)
			return fi_error_set(err, -EBADMSG,
					    "'pstree.img' record %zu: task %" PRIu32
					    " is a second root",
					    i + 1, tasks[i].vpid);
		if (tasks[i].ppid == 0)
			continue;
		parent = fi_pstree_find(by_vpid, nr, tasks[i].ppid);
		if (!parent || parent >= &tasks[i])
			return fi_error_set(err, -EBADMSG,
					    "'pstree.img' record %zu: task %" PRIu32
					    " does not follow its parent %" PRIu32,
					    i + 1, tasks[i].vpid, tasks[i].ppid);
	}
	return 0;
}

int fi_core_read(const struct fi_image_dir *dir, struct fi_task_image *task, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Core *core;
	const void *msg;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "core-%" PRIu32 ".img", task->vpid);
	r = fi_records_read_only(&rd, dir, name, FI_CORE_MAGIC, &fi__pb__core__descriptor,
				 FI_CORE_MAX, &msg, err);
	if (r < 0)
		return r;

	core = msg;
	if (!core->tc)
		return fi_records_error(&rd, err, -EBADMSG, "not the core of a task's main thread");
	switch (core->tc->task_state) {
	case TASK_ALIVE:
	case TASK_STOPPED:
		task->zombie = false;
		break;
	case TASK_DEAD:
	case TASK_ZOMBIE:
		task->zombie = true;
		break;
	default:
		return fi_records_error(&rd, err, -EBADMSG, "unknown task state %" PRIu32,
					core->tc->task_state);
	}
	(void)snprintf(task->comm, sizeof(task->comm), "%s", core->tc->comm);
	return 0;
}
