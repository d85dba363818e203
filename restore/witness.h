/* restore/witness.h - who is told how each fault was answered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The steps of the demand lane have no clock and write nothing; a space's witness may.  Told by the
 * space's reader, so it must not wait.
 */
#ifndef FI_RESTORE_WITNESS_H
#define FI_RESTORE_WITNESS_H

#include "restore/fill.h"

struct fi_answer {
	uint64_t addr;	   /* of the fault, page aligned */
	uint64_t nr_pages; /* that it was given, from @addr on; FI_FILLED only */
	enum fi_filled how;
	bool again;    /* it was parked before: the fault has been told already */
	bool bytes;    /* FI_FILLED: out of a pages file, else zeros */
	unsigned file; /* which one: an index for fi_image_pages_file() */
};

struct fi_witness {
	void (*answered)(void *arg, const struct fi_space *space, const struct fi_answer *answer);
	void *arg;
};

#endif
