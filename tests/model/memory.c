/* tests/model/memory.c - address spaces: VMAs that split and merge, page tables, frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/model/parts.h"

int m_mm_new(struct m_model *m)
{
	for (int i = 0; i < M_MMS; i++) {
		struct m_mm *mm = &m->mms[i];

		if (mm->used)
			continue;
		memset(mm, 0, sizeof(*mm));
		mm->used = true;
		mm->users = 1;
		return i;
	}
	return -ENOMEM;
}

void m_mm_get_user(struct m_model *m, int mm)
{
	m->mms[mm].users++;
}

static void mm_free_if_unused(struct m_mm *mm)
{
	if (mm->users == 0 && mm->refs == 0)
		mm->used = false;
}

void m_mm_put_user(struct m_model *m, int i)
{
	struct m_mm *mm = &m->mms[i];

	if (--mm->users)
		return;
	m_zap(m, mm, M_BASE, M_END);
	mm->nr_vmas = 0;
	mm_free_if_unused(mm);
}

void m_mm_put_ref(struct m_model *m, int i)
{
	m->mms[i].refs--;
	mm_free_if_unused(&m->mms[i]);
}

/* --- page tables ------------------------------------------------------------------------------ */

uint16_t *m_pte_at(struct m_mm *mm, uint64_t addr)
{
	return &mm->pte[(addr - M_BASE) / M_PAGE];
}

uint16_t m_pte(const struct m_mm *mm, uint64_t addr)
{
	return mm->pte[(addr - M_BASE) / M_PAGE];
}

uint64_t *m_want(struct m_mm *mm, uint64_t addr)
{
	return &mm->want[(addr - M_BASE) / M_PAGE];
}

void m_pte_clear(struct m_model *m, uint16_t *pte)
{
	if (*pte >= M_PTE_FRAME)
		m->frames[*pte - M_PTE_FRAME].refs--;
	*pte = M_PTE_NONE;
}

int m_pte_fill(struct m_model *m, uint16_t *pte, uint64_t token)
{
	for (unsigned i = 0; i < M_FRAMES; i++) {
		if (m->frames[i].refs)
			continue;
		m->frames[i].token = token;
		m->frames[i].refs = 1;
		m_pte_clear(m, pte);
		*pte = (uint16_t)(M_PTE_FRAME + i);
		return 0;
	}
	return -ENOMEM;
}

uint64_t m_token(const struct m_model *m, uint16_t pte)
{
	return pte >= M_PTE_FRAME ? m->frames[pte - M_PTE_FRAME].token : 0;
}

void m_zap(struct m_model *m, struct m_mm *mm, uint64_t start, uint64_t end)
{
	for (uint64_t addr = start; addr < end; addr += M_PAGE) {
		m_pte_clear(m, m_pte_at(mm, addr));
		*m_want(mm, addr) = 0;
		mm->or_zero[(addr - M_BASE) / M_PAGE] = false;
		mm->arrived[(addr - M_BASE) / M_PAGE] = false;
	}
}

/* --- VMAs ------------------------------------------------------------------------------------- */

size_t m_vma_index(const struct m_mm *mm, uint64_t addr)
{
	size_t i = 0;

	while (i < mm->nr_vmas && mm->vmas[i].end <= addr)
		i++;
	return i;
}

const struct m_vma *m_find_vma(const struct m_mm *mm, uint64_t addr)
{
	size_t i = m_vma_index(mm, addr);

	return i < mm->nr_vmas && mm->vmas[i].start <= addr ? &mm->vmas[i] : NULL;
}

static void vma_open(struct m_mm *mm, size_t i)
{
	memmove(&mm->vmas[i + 1], &mm->vmas[i], (mm->nr_vmas - i) * sizeof(mm->vmas[0]));
	mm->nr_vmas++;
}

void m_vma_remove(struct m_mm *mm, size_t i)
{
	mm->nr_vmas--;
	memmove(&mm->vmas[i], &mm->vmas[i + 1], (mm->nr_vmas - i) * sizeof(mm->vmas[0]));
}

static void vma_cut(struct m_mm *mm, size_t i, uint64_t at)
{
	vma_open(mm, i);
	mm->vmas[i].end = at;
	mm->vmas[i + 1].pgoff += (at - mm->vmas[i + 1].start) / M_PAGE;
	mm->vmas[i + 1].start = at;
}

int m_vma_split(struct m_model *m, struct m_mm *mm, size_t i, uint64_t at)
{
	if (mm->nr_vmas >= m->max_map_count || mm->nr_vmas == M_VMAS)
		return -ENOMEM;
	vma_cut(mm, i, at);
	return 0;
}

static bool adjacent_alike(const struct m_vma *a, const struct m_vma *b)
{
	return a->end == b->start && a->flags == b->flags &&
	       b->pgoff == a->pgoff + (a->end - a->start) / M_PAGE;
}

/* Two that have each their own anon_vma stay two, and so does one whose pages came from a parent. */
static bool anon_compatible(const struct m_vma *a, const struct m_vma *b)
{
	if (a->anon && b->anon)
		return a->anon == b->anon;
	return !(a->anon && a->uncowed) && !(b->anon && b->uncowed);
}

/* Of the two neighbours of what is to be merged with both. */
static bool neighbours_compatible(const struct m_vma *a, const struct m_vma *b)
{
	return !a->anon || !b->anon || a->anon == b->anon;
}

static bool can_merge(const struct m_vma *a, const struct m_vma *b)
{
	return adjacent_alike(a, b) && a->prot == b->prot && a->ctx == b->ctx &&
	       anon_compatible(a, b);
}

static void merge_next(struct m_mm *mm, size_t i)
{
	struct m_vma *vma = &mm->vmas[i];

	if (!vma->anon) {
		vma->anon = vma[1].anon;
		vma->uncowed = vma[1].uncowed;
	}
	vma->end = vma[1].end;
	m_vma_remove(mm, i + 1);
}

int m_vma_modify(struct m_model *m, struct m_mm *mm, uint64_t start, uint64_t end, uint8_t prot,
		 uint8_t flags, int8_t ctx)
{
	size_t i = m_vma_index(mm, start);
	struct m_vma changed = mm->vmas[i];
	bool left, right;
	int r;

	changed.pgoff += (start - changed.start) / M_PAGE;
	changed.start = start;
	changed.end = end;
	changed.prot = prot;
	changed.flags = flags;
	changed.ctx = ctx;
	left = mm->vmas[i].start == start && i > 0 && can_merge(&mm->vmas[i - 1], &changed);
	right = mm->vmas[i].end == end && i + 1 < mm->nr_vmas &&
		can_merge(&changed, &mm->vmas[i + 1]);
	if (left && right)
		right = neighbours_compatible(&mm->vmas[i - 1], &mm->vmas[i + 1]);

	/* What is merged at once needs no more VMAs than there were. */
	if (mm->vmas[i].start < start) {
		r = right ? 0 : m_vma_split(m, mm, i, start);
		if (r < 0)
			return r;
		if (right)
			vma_cut(mm, i, start);
		i++;
	}
	if (mm->vmas[i].end > end) {
		r = left ? 0 : m_vma_split(m, mm, i, end);
		if (r < 0)
			return r;
		if (left)
			vma_cut(mm, i, end);
	}
	mm->vmas[i] = changed;
	if (right)
		merge_next(mm, i);
	if (left)
		merge_next(mm, i - 1);
	return 0;
}

int m_vma_insert(struct m_model *m, struct m_mm *mm, const struct m_vma *vma, bool merge)
{
	size_t i = m_vma_index(mm, vma->start);
	bool left = merge && i > 0 && can_merge(&mm->vmas[i - 1], vma);
	bool right = merge && i < mm->nr_vmas && can_merge(vma, &mm->vmas[i]);

	if (left && right)
		right = neighbours_compatible(&mm->vmas[i - 1], &mm->vmas[i]);
	if (!left && !right && (mm->nr_vmas > m->max_map_count || mm->nr_vmas == M_VMAS))
		return -ENOMEM;
	vma_open(mm, i);
	mm->vmas[i] = *vma;
	if (right)
		merge_next(mm, i);
	if (left)
		merge_next(mm, i - 1);
	return 0;
}

/* A neighbour's anon_vma is taken where the two might merge one day. */
static bool anon_reusable(const struct m_vma *a, const struct m_vma *b, const struct m_vma *from)
{
	return adjacent_alike(a, b) && from->anon && !from->uncowed;
}

void m_vma_anon(struct m_model *m, struct m_mm *mm, size_t i)
{
	struct m_vma *vma = &mm->vmas[i];

	if (vma->anon)
		return;
	if (i + 1 < mm->nr_vmas && anon_reusable(vma, vma + 1, vma + 1))
		vma->anon = vma[1].anon;
	else if (i > 0 && anon_reusable(vma - 1, vma, vma - 1))
		vma->anon = vma[-1].anon;
	else
		vma->anon = ++m->next_anon ? m->next_anon : ++m->next_anon;
	vma->uncowed = false;
}
