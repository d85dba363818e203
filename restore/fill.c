/* restore/fill.c - see fill.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/fill.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "restore/uffd.h"

void fi_fill_fail(struct fi_space *space, int r, const char *doing, uint64_t addr)
{
	if (r == -ESRCH) {
		space->state = FI_SPACE_GONE;
		return;
	}
	fi_space_log(space, FI_LOG_ERROR, "%s at %" PRIx64 ": %s", doing, addr, strerror(-r));
	space->state = FI_SPACE_FAILED;
}

static int attempt(struct fi_space *space, const struct fi_extent *extent, uint64_t len,
		   uint64_t *done)
{
	if (extent->bytes)
		return fi_uffd_copy(space->uffd, extent->addr, extent->bytes, len, done);
	return fi_uffd_zero(space->uffd, extent->addr, len, done);
}

/* The first page again, after ENOENT.  The kernel looks for the VMA first and for events after
 * that, so one ENOENT may be a change whose event we have yet to read.  A second attempt begins by
 * looking for events, and no event can have been read in between; so if it finds none and says
 * ENOENT too, nothing watched is there.
 */
static int attempt_again(struct fi_space *space, const struct fi_extent *extent, uint64_t *done)
{
	return attempt(space, extent, FI_PAGE_SIZE, done);
}

static enum fi_filled first_page_is(struct fi_space *space, const struct fi_extent *extent,
				    _Atomic uint64_t *counter, enum fi_filled answer)
{
	if (extent->owed && fi_space_settle(space, extent->rank, 1, counter) < 0)
		return FI_FILLED_LATER;
	return answer;
}

/* A touch of a page whose bytes cannot be read must not find zeros. */
static enum fi_filled poison(struct fi_space *space, const struct fi_extent *extent)
{
	uint64_t done;
	int r = fi_uffd_poison(space->uffd, extent->addr, FI_PAGE_SIZE, &done);

	switch (r) {
	case 0:
		fi_space_log(space, FI_LOG_ERROR,
			     "cannot read the image for the page at %" PRIx64 ", poisoned",
			     extent->addr);
		return first_page_is(space, extent, &space->count->poisoned, FI_FILLED_POISON);
	case -EEXIST:
		return first_page_is(space, extent, &space->count->drained, FI_FILLED_BEFORE);
	case -EAGAIN:
	case -ENOMEM:
	case -ENOENT: /* something is changing: look again */
		return FI_FILLED_LATER;
	default:
		fi_fill_fail(space, r, "cannot read the image, nor poison the page", extent->addr);
		return FI_FILLED_END;
	}
}

enum fi_filled fi_fill(struct fi_space *space, const struct fi_extent *extent,
		       _Atomic uint64_t *counter, uint64_t *len)
{
	uint64_t want = extent->len, done;
	int r;

	r = attempt(space, extent, want, &done);
	/* mprotect has no event: a boundary between VMAs shows only here.  Bytes that cannot be read
	 * may be another page's. */
	while (want > FI_PAGE_SIZE && (r == -ENOENT || (r == -EFAULT && done == 0))) {
		want = r == -EFAULT ? FI_PAGE_SIZE : want / 2 & ~(FI_PAGE_SIZE - 1);
		r = attempt(space, extent, want, &done);
	}
	if (r == -ENOENT)
		r = attempt_again(space, extent, &done);

	if (done > 0 || r == -EEXIST)
		space->was_quiet = true;
	if (done > 0) {
		*len = done;
		if (!extent->bytes)
			atomic_fetch_add_explicit(&space->count->zeroed, done >> FI_PAGE_SHIFT,
						  memory_order_relaxed);
		/* Should the note fail (-ENOMEM), the page is found present later. */
		if (extent->owed)
			(void)fi_space_settle(space, extent->rank, done >> FI_PAGE_SHIFT, counter);
		return FI_FILLED;
	}

	*len = FI_PAGE_SIZE;
	switch (r) {
	case -EEXIST:
		return first_page_is(space, extent, &space->count->drained, FI_FILLED_BEFORE);
	case -ENOENT:
		return first_page_is(space, extent, &space->count->dropped, FI_FILLED_NOWHERE);
	case -EAGAIN:
	case -ENOMEM:
		return FI_FILLED_LATER;
	case -EFAULT:
		if (extent->owed && extent->bytes)
			return poison(space, extent);
		/* fall through */
	default:
		fi_fill_fail(space, r, "cannot fill the page", extent->addr);
		return FI_FILLED_END;
	}
}
