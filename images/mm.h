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

/* Bits of fi_vma.status, those of CRIU's that say something about the contents. */
enum fi_vma_status {
	FI_VMA_REGULAR = 1 << 0,
	FI_VMA_STACK = 1 << 1,
	FI_VMA_VSYSCALL = 1 << 2,
	FI_VMA_VDSO = 1 << 3,
	FI_VMA_HEAP = 1 << 5,
	FI_VMA_FILE_PRIVATE = 1 << 6,
	FI_VMA_FILE_SHARED = 1 << 7,
	FI_VMA_ANON_SHARED = 1 << 8,
	FI_VMA_ANON_PRIVATE = 1 << 9,
	FI_VMA_SYSVIPC = 1 << 10,
	FI_VMA_SOCKET = 1 << 11,
	FI_VMA_VVAR = 1 << 12,
	FI_VMA_AIORING = 1 << 13,
	FI_VMA_MEMFD = 1 << 14,
	FI_VMA_SHADOW_STACK = 1 << 15,
	FI_VMA_GUARD = 1 << 16, /* never in the table: see struct fi_mm */
};

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

/* CRIU 4.2 appends a pseudo VMA for each range under MADV_GUARD_INSTALL.  They lie inside the real
 * ones, have no pages, and are left out here. */
struct fi_mm {
	const struct fi_vma *vmas;
	size_t nr_vmas;
};

/* The VMA that holds @addr, or NULL.  O(log n). */
const struct fi_vma *fi_mm_find(const struct fi_mm *mm, uint64_t addr);

#endif
