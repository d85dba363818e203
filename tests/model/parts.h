/* tests/model/parts.h - what the model's files know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_MODEL_PARTS_H
#define FI_TESTS_MODEL_PARTS_H

#include "tests/model/model.h"

/* memory.c */
int m_mm_new(struct m_model *m);
void m_mm_get_user(struct m_model *m, int mm);
void m_mm_put_user(struct m_model *m, int mm); /* the last one tears the memory down */
void m_mm_put_ref(struct m_model *m, int mm);
size_t m_vma_index(const struct m_mm *mm, uint64_t addr); /* first that ends after @addr */
int m_vma_split(struct m_model *m, struct m_mm *mm, size_t i, uint64_t at);
/* Gives [start, end) of the VMA that holds @start other attributes, splitting and merging as the
 * kernel does.  Returns 0 or -ENOMEM (some splits may have been made). */
int m_vma_modify(struct m_model *m, struct m_mm *mm, uint64_t start, uint64_t end, uint8_t prot,
		 uint8_t flags, int8_t ctx);
int m_vma_insert(struct m_model *m, struct m_mm *mm, const struct m_vma *vma, bool merge);
void m_vma_remove(struct m_mm *mm, size_t i);
void m_vma_anon(struct m_model *m, struct m_mm *mm, size_t i);
uint16_t *m_pte_at(struct m_mm *mm, uint64_t addr);
void m_pte_clear(struct m_model *m, uint16_t *pte);
int m_pte_fill(struct m_model *m, uint16_t *pte, uint64_t token);
void m_zap(struct m_model *m, struct m_mm *mm, uint64_t start, uint64_t end);

/* uffd.c */
int m_ctx_new(struct m_model *m, int mm);
void m_ctx_put(struct m_model *m, int ctx);
/* Adds a note to the call and raises the context's count; false if the context did not ask for it. */
bool m_note_add(struct m_model *m, struct m_call *call, int ctx, int child, uint8_t event,
		uint64_t a, uint64_t b, uint64_t c);
/* Forgets the context in every VMA. */
void m_ctx_clear(struct m_model *m, int mm, int ctx);
/* Wakes whoever waits for a fault in the range; len 0: everybody. */
void m_ctx_wake(struct m_model *m, int ctx, uint64_t start, uint64_t len);
/* The FORK of this call will never be told: its child's context goes. */
void m_note_release_child(struct m_model *m, struct m_note *note);

#endif
