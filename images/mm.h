/* images/mm.h - mm-VPID.img: the memory maps of a task, as a checked, sorted table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses are bytes, ranges are [start, end).  Immutable once read; safe from any thread.
 */
#ifndef FI_IMAGES_MM_H
#define FI_IMAGES_MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fi_vma {
	uint64_t start, end; /* page aligned, start < end; sorted and disjoint in the table */
	uint64_t pgoff;	     /* bytes, as CRIU writes it */
	uint64_t shmid;
	uint32_t prot;	 /* PROT_* */
	uint32_t flags;	 /* MAP_* */
	uint32_t status; /* FI_VMA_*, CRIU's VMA_AREA_* */
	uint64_t madv;	 /* bit N set: madvise(N) was in force at the dump */
	/* CRIU registers this VMA with userfaultfd under --lazy-pages: private, anonymous, not
	 * MAP_LOCKED, not MAP_HUGETLB, not vdso, vvar or vsyscall. */
	bool lazy;
};

struct fi_mm {
	const struct fi_vma *vmas;
	size_t nr_vmas;
};

/* The VMA that holds @addr, or NULL.  O(log n). */
const struct fi_vma *fi_mm_find(const struct fi_mm *mm, uint64_t addr);

#endif
