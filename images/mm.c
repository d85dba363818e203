/* images/mm.c - see mm.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/mm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "images/parts.h"
#include "images/proto/mm.pb-c.h"
#include "images/record.h"

#define MM_MAGIC UINT32_C(0x57492820)

/* About 70 bytes a VMA: room for a million of them, fifteen times the default vm.max_map_count. */
#define MM_MAX (128 * 1024 * 1024)

const struct fi_vma *fi_mm_find(const struct fi_mm *mm, uint64_t addr)
{
	size_t low = 0, high = mm->nr_vmas, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (mm->vmas[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < mm->nr_vmas && mm->vmas[low].start <= addr ? &mm->vmas[low] : NULL;
}

bool fi_vma_is_private(const struct fi_vma *vma)
{
	if (vma->status & FI_VMA_AIORING)
		return true;
	return (vma->status & FI_VMA_REGULAR) &&
	       (vma->status & (FI_VMA_ANON_PRIVATE | FI_VMA_FILE_PRIVATE));
}

static bool vma_is_lazy(const struct fi_vma *vma)
{
	return (vma->flags & MAP_ANONYMOUS) && (vma->flags & MAP_PRIVATE) &&
	       !(vma->flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       !(vma->status & (FI_VMA_VDSO | FI_VMA_VVAR | FI_VMA_VSYSCALL));
}

static int check_vma(const struct fi_records *rd, const struct fi_vma *vma,
		     const struct fi_vma *prev, size_t i, struct fi_error *err)
{
	const char *wrong = NULL;

	if (vma->start >= vma->end)
		wrong = "is empty";
	else if ((vma->start | vma->end) & (FI_PAGE_SIZE - 1))
		wrong = "is not page aligned";
	else if (prev && vma->start < prev->end)
		wrong = "overlaps or precedes the one before it";
	if (!wrong)
		return 0;
	return fi_records_error(rd, err, -EBADMSG, "VMA %zu (%#" PRIx64 "-%#" PRIx64 ") %s", i,
				vma->start, vma->end, wrong);
}

int fi_mm_read(const struct fi_image_dir *dir, uint32_t vpid, struct fi_mm *ret,
	       struct fi_error *err)
{
	fi_auto_free struct fi_vma *vmas = NULL;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Mm *mm;
	size_t i, nr = 0;
	const void *msg;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "mm-%" PRIu32 ".img", vpid);
	r = fi_records_read_only(&rd, dir, name, MM_MAGIC, &fi__pb__mm__descriptor, MM_MAX, &msg,
				 err);
	if (r < 0)
		return r;

	mm = msg;
	if (mm->n_vmas == 0)
		return fi_records_error(
			&rd, err, -EPROTONOSUPPORT,
			"no VMAs (the oldest CRIUs kept them in a file of their own)");
	vmas = calloc(mm->n_vmas, sizeof(*vmas));
	if (!vmas)
		return fi_records_error(&rd, err, -ENOMEM, "no memory for %zu VMAs", mm->n_vmas);

	for (i = 0; i < mm->n_vmas; i++) {
		const Fi__Pb__Vma *from = mm->vmas[i];
		struct fi_vma *vma = &vmas[nr];

		if (from->status & FI_VMA_GUARD)
			continue;
		*vma = (struct fi_vma){
			.start = from->start,
			.end = from->end,
			.pgoff = from->pgoff,
			.shmid = from->shmid,
			.prot = from->prot,
			.flags = from->flags,
			.status = from->status,
			.madv = from->has_madv ? from->madv : 0,
		};
		vma->lazy = vma_is_lazy(vma);
		r = check_vma(&rd, vma, nr > 0 ? vma - 1 : NULL, i, err);
		if (r < 0)
			return r;
		nr++;
	}

	*ret = (struct fi_mm){ .vmas = FI_TAKE(vmas), .nr_vmas = nr };
	return 0;
}

void fi_mm_done(struct fi_mm *mm)
{
	free((void *)mm->vmas);
	*mm = (struct fi_mm){ 0 };
}
