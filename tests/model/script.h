/* tests/model/script.h - the language of the conformance sequences.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A sequence is steps, separated by ';' or new lines.  Pages are numbers counted from the arena's
 * start; "3+1" is three pages and one byte, "@4096" is an address and not a page.  A world begins
 * with threads t0, t1, t2 of one process and an empty arena.
 *
 *   tN mmap P N [PROT]	    map N pages at P (MAP_FIXED); PROT: rw (default), r, none
 *   tN file P N	    map pages of a file, behind its end (no userfaultfd can watch them)
 *   tN munmap P N
 *   tN mremap P N TO N2 F  F: letters m (MAYMOVE), f (FIXED), d (DONTUNMAP), or -
 *   tN adv P N ADVICE	    dontneed free dontfork dofork wipeonfork keeponfork remove
 *   tN prot P N PROT
 *   tN r P		    read the page's token
 *   tN w P V		    write it
 *   tN fork tK		    the child's only thread is tK
 *   tN exec | tN exit | tN kill
 *   tN wait		    what the thread is doing, or what its last call gave
 *   tN open [block]	    a userfaultfd, named u0, u1, ... in order of appearance
 *   tN uffd [FEATURES]	    the same with UFFDIO_API; letters f r d u: FORK REMAP REMOVE UNMAP
 *			    (the default), t: THREAD_ID, s: SIGBUS, -: none
 *   uN api API FEATURES    both numbers
 *   uN reg P N [MODE]	    MODE is a number, default MISSING
 *   uN unreg P N | uN wake P N
 *   uN copy P N V [MODE [SRC]]  page i gets V + i; SRC: so many of the source's pages can be read
 *   uN zero P N [MODE] | uN poison P N [MODE]
 *   uN read [NR]	    up to NR messages (default 1), without waiting
 *   uN poll | uN info | uN close
 *   limit fds N	    the reader has room for N more descriptors (-1: enough)
 *
 * "=> TEXT" behind a step says what it must give, in both worlds.
 */
#ifndef FI_TESTS_MODEL_SCRIPT_H
#define FI_TESTS_MODEL_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

enum s_cmd {
	S_MMAP,
	S_FILE,
	S_MUNMAP,
	S_MREMAP,
	S_ADV,
	S_PROT,
	S_R,
	S_W,
	S_FORK,
	S_EXEC,
	S_EXIT,
	S_KILL,
	S_WAIT,
	S_OPEN,
	S_UFFD,
	S_API,
	S_REG,
	S_UNREG,
	S_WAKE,
	S_COPY,
	S_ZERO,
	S_POISON,
	S_READ,
	S_POLL,
	S_INFO,
	S_CLOSE,
	S_LIMIT,
};

struct s_step {
	enum s_cmd cmd;
	int who; /* number of the thread or userfaultfd */
	uint64_t addr, len, to, new_len, value, mode;
	int prot, flags; /* flags: MREMAP_*, MADV_*, or the child's thread */
	int src;	 /* copy: readable source pages, -1: all */
	char text[96];	 /* the step as written, without the expectation */
	char want[96];	 /* "": nothing is said */
};

/* Reads the next step at *@at and moves *@at behind it.  Returns false at the end; a mistake in the
 * script ends the program. */
bool s_next(const char **at, struct s_step *step);

bool s_is_thread(enum s_cmd cmd); /* runs in a thread of the arena, and may sleep */

#endif
