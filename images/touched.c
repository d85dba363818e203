/* images/touched.c - see touched.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/touched.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "images/parts.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "images/record.h"

void fi_touched_done(struct fi_touched_list *list)
{
	free(list->at);
	*list = (struct fi_touched_list){ 0 };
}

int fi_touched_add(struct fi_touched_list *list, uint32_t vpid, uint64_t addr, uint64_t len)
{
	struct fi_touched *at;
	size_t room;

	if (addr == 0 || len == 0 || addr > UINT64_MAX - len - FI_PAGE_SIZE)
		return 0;
	if (list->nr == list->room) {
		room = 2 * list->room + 16;
		at = reallocarray(list->at, room, sizeof(*at));
		if (!at)
			return -ENOMEM;
		list->at = at;
		list->room = room;
	}
	list->at[list->nr++] = (struct fi_touched){
		.vpid = vpid,
		.start = addr & ~(FI_PAGE_SIZE - 1),
		.end = (addr + len + FI_PAGE_SIZE - 1) & ~(FI_PAGE_SIZE - 1),
	};
	return 0;
}

static int add_core(struct fi_touched_list *list, uint32_t vpid, const Fi__Pb__Core *core)
{
	const Fi__Pb__ThreadCore *thread = core->thread_core;
	const Fi__Pb__ThreadInfoX86 *x86 = core->thread_info;
	const Fi__Pb__ThreadInfoAarch64 *aarch64 = core->ti_aarch64;
	int r = 0;

	if (thread)
		r = fi_touched_add(list, vpid, thread->futex_rla, thread->futex_rla_len);
	if (r == 0 && thread && thread->rseq_entry)
		r = fi_touched_add(list, vpid, thread->rseq_entry->rseq_abi_pointer,
				   thread->rseq_entry->rseq_abi_size);
	if (r == 0 && x86)
		r = fi_touched_add(list, vpid, x86->clear_tid_addr, sizeof(uint32_t));
	if (r == 0 && x86 && x86->gpregs)
		r = fi_touched_add(list, vpid, x86->gpregs->sp, 1);
	if (r == 0 && x86 && x86->gpregs)
		r = fi_touched_add(list, vpid, x86->gpregs->fs_base, 1);
	if (r == 0 && aarch64)
		r = fi_touched_add(list, vpid, aarch64->clear_tid_addr, sizeof(uint32_t));
	if (r == 0 && aarch64)
		r = fi_touched_add(list, vpid, aarch64->tls, 1);
	if (r == 0 && aarch64 && aarch64->gpregs)
		r = fi_touched_add(list, vpid, aarch64->gpregs->sp, 1);
	return r;
}

static int read_thread(struct fi_touched_list *list, const struct fi_image_dir *dir, uint32_t vpid,
		       uint32_t tid, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const void *msg;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "core-%" PRIu32 ".img", tid);
	r = fi_records_read_only(&rd, dir, name, FI_CORE_MAGIC, &fi__pb__core__descriptor,
				 FI_CORE_MAX, &msg, err);
	if (r < 0)
		return r;
	r = add_core(list, vpid, msg);
	return r < 0 ? fi_records_error(&rd, err, r, "no memory") : 0;
}

static int compare(const void *a, const void *b)
{
	const struct fi_touched *left = a, *right = b;

	if (left->vpid != right->vpid)
		return left->vpid < right->vpid ? -1 : 1;
	return left->start < right->start ? -1 : left->start > right->start;
}

void fi_touched_tidy(struct fi_touched_list *list)
{
	struct fi_touched *last = NULL;

	if (list->nr == 0)
		return;
	qsort(list->at, list->nr, sizeof(list->at[0]), compare);
	for (size_t i = 0; i < list->nr; i++) {
		const struct fi_touched next = list->at[i];

		if (!last)
			last = list->at;
		else if (last->vpid != next.vpid || next.start > last->end)
			*++last = next;
		else if (next.end > last->end)
			last->end = next.end;
	}
	list->nr = (size_t)(last - list->at) + 1;
}

int fi_touched_read(int dirfd, const struct fi_image *image, struct fi_touched_list *list,
		    struct fi_error *err)
{
	struct fi_image_dir dir = { .fd = dirfd };
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const void *msg;
	int r;

	r = fi_inventory_read(&dir, err);
	if (r < 0)
		return r;
	r = fi_records_open(&rd, &dir, "pstree.img", FI_PSTREE_MAGIC, err);
	if (r < 0)
		return r;
	while ((r = fi_records_next(&rd, &fi__pb__pstree__descriptor, FI_PSTREE_MAX, &msg, err)) >
	       0) {
		const Fi__Pb__Pstree *item = msg;
		const struct fi_task_image *task = fi_image_find_task(image, item->pid);

		for (size_t i = 0; task && !task->zombie && i < item->n_threads; i++) {
			r = read_thread(list, &dir, item->pid, item->threads[i], err);
			if (r < 0)
				return r;
		}
	}
	return r;
}
