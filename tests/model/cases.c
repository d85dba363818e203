/* tests/model/cases.c - named sequences: what the kernel promises, one promise a case.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "seed N" is a line of the kernel's first userfaultfd, "fork commit" the change that added fork
 * events; where today's kernel does otherwise, the name says so.
 */
#include "config.h"

#include "tests/model/conformance.h"

/* 16 pages, the first 12 watched by u0. */
/* clang-format off: one case a line */
#define HOUSE "t0 mmap 0 16; t0 uffd; u0 reg 0 12; "

#define ALL(what, source, before, where, mode, want, after)                                        \
	{ "copy: " what, source, before "u0 copy " where " 100 " mode "=> " want "; " after },     \
		{ "zero: " what, source, before "u0 zero " where " " mode "=> " want "; " after }, \
	{                                                                                          \
		"poison: " what, source, before "u0 poison " where " " mode "=> " want "; " after  \
	}

const struct c_case c_cases[] = {
	/* --- the handshake ---------------------------------------------------------------------- */
	{ "api: 0xAA and no features is fine", "seed 1004", "t0 open; u0 api 0xaa 0 => ok" },
	{ "api: another number is EINVAL", "seed 1004", "t0 open; u0 api 0xab 0 => EINVAL" },
	{ "api: an unknown feature is EINVAL", "seed 1004",
	  "t0 open; u0 api 0xaa 0x4000000000000000 => EINVAL" },
	{ "api: after EINVAL one may try again", "seed 1008",
	  "t0 open; u0 api 0xab 0 => EINVAL; u0 api 0xaa 0 => ok" },
	{ "api: only once", "seed 999", "t0 open; u0 api 0xaa 0 => ok; u0 api 0xaa 0 => EINVAL" },
	{ "api: all features of this kernel", NULL, "t0 open; u0 api 0xaa 0x1ffff => ok" },
	{ "api: fork events", NULL, "t0 open; u0 api 0xaa 2 => ok" },
	{ "before api: read is EINVAL", "seed 578", "t0 open; u0 read => EINVAL" },
	{ "before api: poll is POLLERR", "seed 477", "t0 open; u0 poll => err" },
	{ "before api: register is EINVAL", NULL, "t0 mmap 0 4; t0 open; u0 reg 0 4 => EINVAL" },
	{ "before api: unregister is EINVAL", NULL,
	  "t0 mmap 0 4; t0 open; u0 unreg 0 4 => EINVAL" },
	{ "before api: wake is EINVAL", NULL, "t0 mmap 0 4; t0 open; u0 wake 0 4 => EINVAL" },
	{ "before api: copy is EINVAL", NULL, "t0 mmap 0 4; t0 open; u0 copy 0 1 5 => EINVAL" },
	{ "before api: zero is EINVAL", NULL, "t0 mmap 0 4; t0 open; u0 zero 0 1 => EINVAL" },
	{ "before api: poison is EINVAL", NULL, "t0 mmap 0 4; t0 open; u0 poison 0 1 => EINVAL" },
	{ "before api: fdinfo counts nothing", "seed 1070", "t0 open; u0 info => 0 0" },
	{ "before api: close", NULL, "t0 open; u0 close => ok" },
	{ "poll: POLLERR without O_NONBLOCK", "seed 483",
	  "t0 open block; u0 api 0xaa 0; u0 poll => err" },
	{ "poll: nothing at first", "seed 495", "t0 uffd; u0 poll => nothing" },
	{ "read: EAGAIN when there is nothing", "seed 556", "t0 uffd; u0 read => EAGAIN" },
	{ "read: room for less than one message is EINVAL", "seed 584",
	  "t0 uffd; u0 read 0 => EINVAL" },

	/* --- registering ------------------------------------------------------------------------ */
	{ "register: mode 0 is EINVAL", "seed 682",
	  "t0 mmap 0 4; t0 uffd; u0 reg 0 4 0 => EINVAL" },
	{ "register: an unknown mode is EINVAL", "seed 684",
	  "t0 mmap 0 4; t0 uffd; u0 reg 0 4 0x100 => EINVAL" },
	{ "register: start off a page is EINVAL", "seed 647",
	  "t0 mmap 0 4; t0 uffd; u0 reg 0+1 1 => EINVAL" },
	{ "register: length off a page is EINVAL", "seed 649",
	  "t0 mmap 0 4; t0 uffd; u0 reg 0 1+1 => EINVAL" },
	{ "register: length 0 is EINVAL", "seed 651",
	  "t0 mmap 0 4; t0 uffd; u0 reg 0 0 => EINVAL" },
	{ "register: below mmap_min_addr is EINVAL", "seed 653", "t0 uffd; u0 reg @0 1 => EINVAL" },
	{ "register: beyond user space is EINVAL", "seed 655",
	  "t0 uffd; u0 reg @0x7ffffffff000 1 => EINVAL" },
	{ "register: over the end of user space is EINVAL", "seed 657",
	  "t0 mmap 0 1; t0 uffd; u0 reg 0 @0x7ffffffff000 => EINVAL" },
	{ "register: nothing mapped there is EINVAL", "seed 717",
	  "t0 mmap 8 1; t0 uffd; u0 reg 0 4 => EINVAL" },
	{ "register: a hole in the middle is fine", "seed 728",
	  "t0 mmap 0 2; t0 mmap 4 2; t0 uffd; u0 reg 0 6 => ok; t0 r 5 => fault" },
	{ "register: a hole at the start is fine", "seed 716",
	  "t0 mmap 2 2; t0 uffd; u0 reg 0 4 => ok; t0 r 3 => fault" },
	{ "register: more than is mapped is fine", "seed 809",
	  "t0 mmap 0 2; t0 uffd; u0 reg 0 9 => ok; t0 r 1 => fault" },
	{ "register: a file's pages are EINVAL", "seed 736",
	  "t0 file 0 4; t0 uffd; u0 reg 0 4 => EINVAL" },
	{ "register: a file's pages behind others are EINVAL", "seed 736",
	  "t0 mmap 0 2; t0 file 2 2; t0 uffd; u0 reg 0 4 => EINVAL; t0 r 0 => 0" },
	{ "register: another's pages are EBUSY", "seed 745",
	  "t0 mmap 0 4; t0 uffd; t0 uffd; u0 reg 0 4 => ok; u1 reg 0 4 => EBUSY" },
	{ "register: EBUSY changes nothing before it", "seed 728",
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 4 4 => ok; u1 reg 0 8 => EBUSY; t0 r 0 => 0" },
	{ "register: twice is fine", "seed 769", HOUSE "u0 reg 0 12 => ok" },
	{ "register: half splits the VMA", "seed 786",
	  "t0 mmap 0 8; t0 uffd; u0 reg 2 3 => ok; t0 r 1 => 0; t0 r 5 => 0; t0 r 2 => fault" },
	{ "register: the other half merges again", "seed 778",
	  "t0 mmap 0 8; t0 uffd; u0 reg 0 4; u0 reg 4 4 => ok; u0 copy 3 2 5 => ok" },
	{ "register: two contexts side by side do not merge", "seed 778",
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; u0 copy 3 2 5 => ENOENT" },
	{ "register: a read-only mapping is fine", NULL,
	  "t0 mmap 0 4 r; t0 uffd; u0 reg 0 4 => ok; t0 r 0 => fault" },
	{ "register: PROT_NONE is fine", NULL,
	  "t0 mmap 0 4 none; t0 uffd; u0 reg 0 4 => ok; t0 r 0 => SEGV" },
	{ "register: pages that are there stay", NULL,
	  "t0 mmap 0 4; t0 w 1 7; t0 uffd; u0 reg 0 4; t0 r 1 => 7" },
	{ "register: an exited process is ENOMEM", NULL,
	  "t0 mmap 0 4; t0 uffd; t0 exit; u0 reg 0 4 => ENOMEM" },
	{ "unregister: start off a page is EINVAL", "seed 842", HOUSE "u0 unreg 0+1 1 => EINVAL" },
	{ "unregister: length 0 is EINVAL", "seed 842", HOUSE "u0 unreg 0 0 => EINVAL" },
	{ "unregister: nothing mapped there is EINVAL", "seed 859",
	  "t0 mmap 8 1; t0 uffd; u0 unreg 0 4 => EINVAL" },
	{ "unregister: what was never registered is fine", "seed 904",
	  "t0 mmap 0 4; t0 uffd; u0 unreg 0 4 => ok" },
	{ "unregister: a file's pages are EINVAL", "seed 884",
	  "t0 file 0 2; t0 uffd; u0 unreg 0 2 => EINVAL" },
	{ "unregister: another's pages are EINVAL (the seed allowed it)", "seed 904",
	  "t0 mmap 0 4; t0 uffd; t0 uffd; u0 reg 0 4; u1 unreg 0 4 => EINVAL; t0 r 0 => fault" },
	{ "unregister: in the middle splits", "seed 920",
	  HOUSE "u0 unreg 4 2 => ok; t0 r 4 => 0; t0 r 6 => fault; u0 copy 3 1 9 => ok; u0 copy 3 "
		"2 9 => ENOENT" },
	{ "unregister: a copy over the hole is ENOENT", NULL,
	  HOUSE "u0 unreg 4 2; u0 copy 3 3 9 => ENOENT" },
	{ "unregister: missing pages are zero from then on", "seed 937",
	  HOUSE "u0 unreg 0 12; t0 r 5 => 0" },
	{ "unregister: who waits is woken and finds zero", NULL,
	  HOUSE "t0 r 5 => fault; u0 unreg 0 12 => ok; t0 wait => ok; t0 r 5 => 0" },
	{ "unregister: a writer who waits is woken and writes", NULL,
	  HOUSE "t0 w 5 3 => fault; u0 unreg 4 2 => ok; t0 wait => ok; t0 r 5 => 3" },
	{ "unregister: who waits elsewhere sleeps on", NULL,
	  HOUSE "t0 r 5 => fault; u0 unreg 0 4; t0 wait => fault" },
	{ "unregister: an exited process is ENOMEM", NULL,
	  HOUSE "t0 exit; u0 unreg 0 12 => ENOMEM" },
	{ "unregister: does not look at unread events", NULL,
	  HOUSE "t0 munmap 0 1 => event; u0 unreg 4 4 => ok" },

	/* --- faults ----------------------------------------------------------------------------- */
	{ "fault: a read waits and says so", "seed 159",
	  HOUSE "t0 r 3 => fault; u0 read => fault 3" },
	{ "fault: a write has its flag", "seed 169",
	  HOUSE "t0 w 3 1 => fault; u0 read => fault 3 w" },
	{ "fault: poll says POLLIN", "seed 498", HOUSE "t0 r 3 => fault; u0 poll => in" },
	{ "fault: once read, poll says nothing", "seed 541",
	  HOUSE "t0 r 3 => fault; u0 read; u0 poll => nothing" },
	{ "fault: once read, read says EAGAIN", "seed 541",
	  HOUSE "t0 r 3 => fault; u0 read; u0 read => EAGAIN" },
	{ "fault: fdinfo counts it as pending", "seed 1054",
	  HOUSE "t0 r 3 => fault; u0 info => 1 1" },
	{ "fault: fdinfo counts it as read", "seed 1059",
	  HOUSE "t0 r 3 => fault; u0 read; u0 info => 0 1" },
	{ "fault: fdinfo forgets it when it is woken", "seed 103",
	  HOUSE "t0 r 3 => fault; u0 read; u0 zero 3 1; u0 info => 0 0" },
	{ "fault: oldest first", "seed 460",
	  HOUSE
	  "t0 r 7; t1 r 3; t2 r 5; u0 read => fault 7; u0 read => fault 3; u0 read => fault 5" },
	{ "fault: many in one read", "seed 594",
	  HOUSE "t0 r 7; t1 r 3; t2 r 5; u0 read 16 => fault 7, fault 3, fault 5" },
	{ "fault: as many as there is room for", "seed 583",
	  HOUSE "t0 r 7; t1 r 3; t2 r 5; u0 read 2 => fault 7, fault 3; u0 info => 1 3" },
	{ "fault: two on one page are two messages", "seed 335",
	  HOUSE "t0 r 7; t1 w 7 5; u0 read 16 => fault 7, fault 7 w" },
	{ "fault: two on one page are woken together", "seed 611",
	  HOUSE "t0 r 7; t1 r 7; u0 copy 7 1 9 => ok; t0 wait => 9; t1 wait => 9" },
	{ "fault: one read, one pending, both woken", "seed 615",
	  HOUSE "t0 r 7; u0 read; t1 r 7; u0 copy 7 1 9 => ok; t0 wait => 9; t1 wait => 9; u0 read "
		"=> EAGAIN" },
	{ "fault: no permission is SIGSEGV, not a fault", NULL,
	  HOUSE "t0 prot 3 1 none; t0 r 3 => SEGV; u0 read => EAGAIN" },
	{ "fault: a write without permission is SIGSEGV", NULL,
	  HOUSE "t0 prot 3 1 r; t0 w 3 1 => SEGV; t0 r 3 => fault" },
	{ "fault: nothing mapped is SIGSEGV", NULL, HOUSE "t0 r 18 => SEGV" },
	{ "fault: THREAD_ID says who", NULL,
	  "t0 mmap 0 4; t0 uffd t; u0 reg 0 4; t1 r 2 => fault; u0 read => fault 2 t1" },
	{ "fault: SIGBUS instead of a message", NULL,
	  "t0 mmap 0 4; t0 uffd s; u0 reg 0 4; t1 r 2 => BUS; u0 read => EAGAIN; u0 zero 2 1; t1 r "
	  "2 => 0" },
	{ "fault: a present page is none", "seed 235",
	  HOUSE "u0 copy 3 1 9; t0 r 3 => 9; t0 w 3 8 => ok; u0 read => EAGAIN" },
	{ "fault: the zero page can be written", NULL,
	  HOUSE "u0 zero 3 1; t0 w 3 8 => ok; t0 r 3 => 8" },
	{ "fault: a write behind a read copy keeps the copy's neighbours", NULL,
	  HOUSE "u0 copy 3 2 9; t0 w 3 1; t0 r 4 => 10" },
	{ "fault: the waiter's VMA unmapped, it sleeps on until woken", NULL,
	  HOUSE "t0 r 3 => fault; t1 munmap 3 1 => event; u0 read => fault 3; u0 read => unmap 3 "
		"4; t0 wait => fault; u0 wake 3 1; t0 wait => SEGV" },
	{ "fault: the waiter's VMA moved, the wake makes it look", NULL,
	  HOUSE "t0 r 3 => fault; t1 mremap 3 1 20 1 mf => event; u0 read => fault 3; u0 read => "
		"remap 3 20 1; u0 read => unmap 3 4; t1 wait => ok; t0 wait => fault; u0 zero 20 1 "
		"=> ok; t0 wait => fault; u0 wake 3 1; t0 wait => SEGV" },
	{ "fault: the waiter's VMA protected, the wake makes it look", NULL,
	  HOUSE "t0 r 3 => fault; t1 prot 3 1 none; u0 wake 3 1; t0 wait => SEGV" },

	/* --- waking ----------------------------------------------------------------------------- */
	{ "wake: a missing page is faulted again", "seed 954",
	  HOUSE "t0 r 3 => fault; u0 read => fault 3; u0 wake 3 1 => ok; t0 wait => fault; u0 read "
		"=> fault 3" },
	{ "wake: a pending fault is taken back and comes again", "seed 611",
	  HOUSE "t0 r 3 => fault; u0 wake 3 1; u0 info => 1 1; u0 read => fault 3" },
	{ "wake: only in the range", "seed 84",
	  HOUSE "t0 r 3; u0 read; t1 r 4; u0 read; u0 copy 3 2 9 1; u0 wake 4 1; t0 wait => fault; "
		"t1 wait => 10" },
	{ "wake: the range's end is not in it", "seed 85",
	  HOUSE
	  "t0 r 4; u0 copy 3 2 9 1; u0 wake 3 1; t0 wait => fault; u0 wake 3 2; t0 wait => 10" },
	{ "wake: the range's start is in it", "seed 84",
	  HOUSE "t0 r 4; u0 copy 4 1 9 1; u0 wake 4 1; t0 wait => 9" },
	{ "wake: nobody there is fine", "seed 980", HOUSE "u0 wake 0 12 => ok" },
	{ "wake: where nothing is mapped is fine", "seed 966", HOUSE "u0 wake 30 2 => ok" },
	{ "wake: off a page is EINVAL", "seed 966", HOUSE "u0 wake 0+8 1 => EINVAL" },
	{ "wake: length 0 is EINVAL", "seed 977", HOUSE "u0 wake 0 0 => EINVAL" },
	{ "wake: another context's waiters sleep on", NULL,
	  HOUSE "t0 uffd; u1 reg 12 2; t0 r 12 => fault; u0 wake 12 1 => ok; u1 info => 1 1" },
	{ "wake: an exited process is fine", NULL, HOUSE "t0 exit; u0 wake 0 1 => ok" },
	{ "wake: an unread event does not matter", NULL,
	  HOUSE "t1 r 5; t0 munmap 0 1 => event; u0 wake 5 1 => ok" },

	/* --- filling: copy, zero, poison ------------------------------------------------------------ */
	ALL("fills a missing page", NULL, HOUSE, "3 1", "", "ok", ""),
	ALL("fills several", NULL, HOUSE, "3 4", "", "ok", ""),
	ALL("wakes who waits", "seed 951", HOUSE "t0 w 3 1 => fault; ", "3 1", "", "ok",
	    "u0 info => 0 0"),
	ALL("wakes who waits on any of its pages", "seed 951", HOUSE "t0 w 5 1 => fault; ", "3 4",
	    "", "ok", "u0 info => 0 0"),
	ALL("wakes nobody behind its range", "seed 85", HOUSE "t0 w 7 1 => fault; ", "3 4", "",
	    "ok", "t0 wait => fault"),
	ALL("DONTWAKE wakes nobody", "seed 951", HOUSE "t0 w 3 1 => fault; ", "3 1", "1", "ok",
	    "t0 wait => fault; u0 wake 3 1; u0 info => 0 0"),
	ALL("a page that is there is EEXIST", NULL, HOUSE "u0 copy 3 1 50; ", "3 1", "", "EEXIST",
	    "t0 r 3 => 50"),
	ALL("a zero page that is there is EEXIST", NULL, HOUSE "u0 zero 3 1; ", "3 1", "", "EEXIST",
	    "t0 r 3 => 0"),
	ALL("EEXIST does not wake", NULL, HOUSE "t0 r 3; u0 copy 3 1 50 1; ", "3 1", "", "EEXIST",
	    "t0 wait => fault"),
	ALL("a later page that is there is EAGAIN and a count", NULL, HOUSE "u0 copy 5 1 50; ",
	    "3 4", "", "EAGAIN 2", ""),
	ALL("a partial fill wakes for what it filled", NULL, HOUSE "u0 copy 5 1 50; t0 w 4 1; ",
	    "3 4", "", "EAGAIN 2", "u0 info => 0 0"),
	ALL("a partial fill wakes nobody behind", NULL, HOUSE "u0 copy 5 1 50; t0 w 6 1; ", "3 4",
	    "", "EAGAIN 2", "t0 wait => fault"),
	ALL("nothing mapped is ENOENT", NULL, HOUSE, "30 1", "", "ENOENT", ""),
	ALL("not registered is ENOENT", NULL, HOUSE, "13 1", "", "ENOENT", ""),
	ALL("half registered is ENOENT, nothing filled", NULL, HOUSE, "10 4", "", "ENOENT", ""),
	ALL("over an mprotect boundary is ENOENT", NULL, HOUSE "t0 prot 4 2 r; ", "3 2", "",
	    "ENOENT", ""),
	ALL("over a madvise boundary is ENOENT", NULL, HOUSE "t0 adv 4 2 dontfork; ", "3 2", "",
	    "ENOENT", ""),
	ALL("over a boundary that is gone again is fine", NULL,
	    HOUSE "t0 prot 4 2 r; t0 prot 4 2 rw; ", "3 2", "", "ok", ""),
	ALL("PROT_NONE does not matter", NULL, HOUSE "t0 prot 3 1 none; ", "3 1", "", "ok", ""),
	ALL("PROT_READ does not matter", NULL, HOUSE "t0 prot 3 1 r; ", "3 1", "", "ok", ""),
	ALL("off a page is EINVAL", NULL, HOUSE, "3+1 1", "", "EINVAL", ""),
	ALL("length off a page is EINVAL", NULL, HOUSE, "3 1+1", "", "EINVAL", ""),
	ALL("length 0 is EINVAL", NULL, HOUSE, "3 0", "", "EINVAL", ""),
	ALL("an unknown mode is EINVAL", NULL, HOUSE, "3 1", "0x80", "EINVAL", ""),
	ALL("an unread unmap is EAGAIN and nothing", NULL, HOUSE "t0 munmap 0 1 => event; ", "3 1",
	    "", "EAGAIN", ""),
	ALL("an unread remove is EAGAIN and nothing", NULL, HOUSE "t0 adv 0 1 dontneed => event; ",
	    "3 1", "", "EAGAIN", ""),
	ALL("an unread fork is EAGAIN and nothing", NULL, HOUSE "t0 fork t3 => event; ", "3 1", "",
	    "EAGAIN", ""),
	ALL("an unread remap is EAGAIN and nothing", NULL, HOUSE "t0 mremap 0 1 20 1 mf => event; ",
	    "3 1", "", "EAGAIN", ""),
	ALL("an unread event comes before EINVAL", NULL, HOUSE "t0 munmap 0 1 => event; ", "3+1 1",
	    "", "EAGAIN", ""),
	ALL("an unread event comes before ENOENT", NULL, HOUSE "t0 munmap 0 1 => event; ", "30 1",
	    "", "EAGAIN", ""),
	ALL("an unread event comes before EEXIST", NULL,
	    HOUSE "u0 copy 3 1 5; t0 munmap 0 1 => event; ", "3 1", "", "EAGAIN", ""),
	ALL("an unread fault does not matter", NULL, HOUSE "t0 r 5; ", "3 1", "", "ok", ""),
	ALL("once the event is read it goes on", NULL,
	    HOUSE "t0 munmap 0 1 => event; u0 read => unmap 0 1; ", "3 1", "", "ok",
	    "t0 wait => ok"),
	ALL("an exited process is ESRCH", NULL, HOUSE "t0 exit; ", "3 1", "", "ESRCH", ""),
	ALL("a process that became another is ESRCH", NULL, HOUSE "t0 exec; ", "3 1", "", "ESRCH",
	    ""),
	ALL("a killed process is ESRCH", NULL, HOUSE "t0 kill; ", "3 1", "", "ESRCH", ""),
	ALL("a killed process with a fault is ESRCH", NULL, HOUSE "t0 r 3; t1 kill; ", "3 1", "",
	    "ESRCH", "u0 info => 0 0"),
	ALL("a killed process with an event is ESRCH", NULL,
	    HOUSE "t0 munmap 3 1 => event; t1 kill; ", "3 1", "", "ESRCH", "u0 poll => nothing"),
	ALL("EINVAL comes before ESRCH", NULL, HOUSE "t0 exit; ", "3+1 1", "", "EINVAL", ""),
	ALL("another context of the same memory may fill, and wakes nobody", NULL,
	    "t0 mmap 0 16; t0 uffd; t0 uffd; u1 reg 0 12; t0 r 3 => fault; ", "3 1", "", "ok",
	    "t0 wait => fault"),
	{ "copy: an unreadable source is EFAULT", NULL, HOUSE "u0 copy 3 1 100 0 0 => EFAULT" },
	{ "copy: an unreadable source comes before EEXIST", NULL,
	  HOUSE "u0 copy 3 1 5; u0 copy 3 1 100 0 0 => EFAULT" },
	{ "copy: ENOENT comes before an unreadable source", NULL,
	  HOUSE "u0 copy 30 1 100 0 0 => ENOENT" },
	{ "copy: an unread event comes before an unreadable source", NULL,
	  HOUSE "t0 munmap 0 1 => event; u0 copy 3 1 100 0 0 => EAGAIN" },
	{ "copy: ESRCH comes before an unreadable source", NULL,
	  HOUSE "t0 exit; u0 copy 3 1 100 0 0 => ESRCH" },
	{ "copy: a source that ends is EAGAIN and a count", NULL,
	  HOUSE "u0 copy 3 4 100 0 2 => EAGAIN 2; t0 r 4 => 101" },
	{ "copy: what was filled before the source ended wakes", NULL,
	  HOUSE
	  "t0 r 4; t1 r 5; u0 copy 3 4 100 0 2 => EAGAIN 2; t0 wait => 101; t1 wait => fault" },
	{ "copy: replaces poison (zero does not)", NULL,
	  HOUSE "u0 poison 3 1; u0 zero 3 1 => EEXIST; u0 poison 3 1 => EEXIST; u0 copy 3 1 7 => "
		"ok; t0 r 3 => 7" },
	{ "copy: each page has its bytes", NULL,
	  HOUSE "u0 copy 3 3 100; t0 r 3 => 100; t0 r 4 => 101; t0 r 5 => 102" },
	{ "poison: a touch is SIGBUS", NULL,
	  HOUSE "u0 poison 3 1; t0 r 3 => BUS; t0 w 3 1 => BUS; u0 read => EAGAIN" },
	{ "poison: who waits gets SIGBUS", NULL,
	  HOUSE "t0 r 3 => fault; u0 poison 3 1 => ok; t0 wait => BUS" },
	{ "poison: discarded by DONTNEED", NULL,
	  HOUSE
	  "u0 poison 3 1; t0 adv 3 1 dontneed => event; u0 read => remove 3 4; t0 r 3 => fault" },
	{ "poison: discarded by FREE too", NULL,
	  HOUSE "u0 poison 3 1; t0 adv 3 1 free => event; u0 read => remove 3 4; t0 r 3 => fault" },
	{ "poison: the child has it too", NULL,
	  HOUSE "u0 poison 3 1; t0 fork t3 => event; u0 read => fork u1; t3 r 3 => BUS" },
	{ "poison: moves along", NULL,
	  HOUSE "u0 poison 3 1; t0 mremap 3 1 20 1 mf => event; u0 read => remap 3 20 1; u0 read "
		"=> unmap 3 4; t0 r 20 => BUS" },
	{ "poison: stays when nobody watches any more", NULL,
	  HOUSE "u0 poison 3 1; u0 close; t0 r 3 => BUS" },

	/* --- unmap -------------------------------------------------------------------------------- */
	{ "unmap: waits until its event is read", NULL,
	  HOUSE "t0 munmap 3 2 => event; u0 poll => in; u0 read => unmap 3 5; t0 wait => ok" },
	{ "unmap: the memory is gone before the event is read", NULL,
	  HOUSE "u0 copy 3 1 5; t0 munmap 3 2 => event; t1 r 3 => SEGV; u0 read" },
	{ "unmap: the event names the whole call's range", NULL,
	  HOUSE "t0 munmap 10 8 => event; u0 read => unmap 10 18" },
	{ "unmap: one event for two VMAs of a context", NULL,
	  HOUSE "t0 prot 4 2 r; t0 munmap 3 6 => event; u0 read => unmap 3 9; u0 read => EAGAIN; "
		"t0 wait => ok" },
	{ "unmap: two contexts are told one after the other", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 munmap 2 4 => event; u1 read "
	  "=> EAGAIN; u0 read => unmap 2 6; t0 wait => event; u1 read => unmap 2 6; t0 wait => "
	  "ok" },
	{ "unmap: two contexts, both raise their count at once", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 munmap 2 4 => event; u1 zero "
	  "6 1 => EAGAIN; u0 zero 0 1 => EAGAIN; u0 read; u0 zero 0 1 => ok; u1 zero 6 1 => "
	  "EAGAIN; u1 read; u1 zero 6 1 => ok" },
	{ "unmap: nothing watched there, nothing told", NULL,
	  HOUSE "t0 munmap 12 4 => ok; u0 read => EAGAIN" },
	{ "unmap: without the feature, nothing told", NULL,
	  "t0 mmap 0 8; t0 uffd frd; u0 reg 0 8; t0 munmap 2 2 => ok; u0 read => EAGAIN" },
	{ "unmap: mmap over it tells too", NULL,
	  HOUSE "t0 mmap 3 2 => event; u0 read => unmap 3 5; t0 wait => ok; t0 r 3 => 0; t0 r 5 => "
		"fault" },
	{ "unmap: mmap's new pages can be touched before the event is read", NULL,
	  HOUSE "t0 mmap 3 2 => event; t1 r 3 => 0; t1 w 4 6 => ok; u0 read => unmap 3 5" },
	{ "unmap: two threads' events in the order of the calls", NULL,
	  HOUSE "t0 munmap 3 1 => event; t1 munmap 5 1 => event; u0 read => unmap 3 4; u0 zero 0 1 "
		"=> EAGAIN; u0 read => unmap 5 6; u0 zero 0 1 => ok" },
	{ "unmap: two events in one read", NULL,
	  HOUSE
	  "t0 munmap 3 1 => event; t1 munmap 5 1 => event; u0 read 16 => unmap 3 4, unmap 5 6" },
	{ "unmap: faults come before events that are older", NULL,
	  HOUSE "t0 munmap 3 1 => event; t1 r 5 => fault; u0 read 16 => fault 5, unmap 3 4" },
	{ "unmap: events are not in fdinfo", NULL, HOUSE "t0 munmap 3 1 => event; u0 info => 0 0" },

	/* --- remove ------------------------------------------------------------------------------- */
	{ "remove: told before anything is discarded", NULL,
	  HOUSE "u0 copy 3 1 5; t0 adv 3 1 dontneed => event; t1 r 3 => 5; u0 read => remove 3 4; "
		"t0 wait => ok; t1 r 3 => fault" },
	{ "remove: what is written meanwhile is discarded", NULL,
	  HOUSE
	  "u0 copy 3 1 5; t0 adv 3 1 dontneed => event; t1 w 3 6 => ok; u0 read; t1 r 3 => fault" },
	{ "remove: the event names the part in each VMA", NULL,
	  HOUSE "t0 adv 10 4 dontneed => event; u0 read => remove 10 12; t0 wait => ok" },
	{ "remove: one event for each VMA, one after the other", NULL,
	  HOUSE "t0 prot 4 2 r; t0 adv 3 4 dontneed => event; u0 read => remove 3 4; u0 read => "
		"remove 4 6; u0 read => remove 6 7; t0 wait => ok" },
	{ "remove: MADV_FREE is told too", NULL,
	  HOUSE "u0 copy 3 1 5; t0 adv 3 1 free => event; u0 read => remove 3 4; t0 wait => ok; t0 "
		"r 3 => 5" },
	{ "remove: pages that are missing are told of as well", NULL,
	  HOUSE "t0 adv 3 1 dontneed => event; u0 read => remove 3 4; t0 r 3 => fault" },
	{ "remove: without the feature, nothing told", NULL,
	  "t0 mmap 0 8; t0 uffd fru; u0 reg 0 8; u0 copy 3 1 5; t0 adv 3 1 dontneed => ok; t0 r 3 "
	  "=> fault" },
	{ "remove: a hole is ENOMEM, the rest discarded", NULL,
	  HOUSE "t0 adv 14 6 dontneed => ENOMEM" },
	{ "remove: unmapped meanwhile is ENOMEM", NULL,
	  HOUSE "t0 adv 3 1 dontneed => event; t1 munmap 3 1 => event; u0 read => remove 3 4; u0 "
		"read => unmap 3 4; t0 wait => ENOMEM" },
	{ "remove: what was mapped meanwhile is discarded too", NULL,
	  HOUSE "t0 adv 3 1 dontneed => event; t1 mmap 3 1 => event; t2 w 3 9 => ok; u0 read => "
		"remove 3 4; t0 wait => ok; t2 r 3 => 0; u0 read => unmap 3 4" },
	{ "remove: MADV_REMOVE of private memory is EINVAL, untold", NULL,
	  HOUSE "t0 adv 3 1 remove => EINVAL; u0 read => EAGAIN" },

	/* --- remap -------------------------------------------------------------------------------- */
	{ "remap: the move, then the old range's unmap", NULL,
	  HOUSE "t0 mremap 3 2 20 2 mf => event; u0 read => remap 3 20 2; t0 wait => event; u0 "
		"read => unmap 3 5; t0 wait => ok; t0 r 20 => fault" },
	{ "remap: pages move along", NULL,
	  HOUSE "u0 copy 3 1 5; t0 mremap 3 2 20 2 mf => event; t1 r 20 => 5; t1 r 21 => fault; u0 "
		"read => fault 21; u0 read => remap 3 20 2; u0 read => unmap 3 5" },
	{ "remap: without the feature the moved range is watched no more", NULL,
	  "t0 mmap 0 8; t0 uffd fdu; u0 reg 0 8; t0 mremap 3 2 20 2 mf => event; u0 read => unmap "
	  "3 5; t0 wait => ok; t0 r 20 => 0" },
	{ "remap: shrinking in place is an unmap", NULL,
	  HOUSE "t0 mremap 8 4 0 2 - => event; u0 read => unmap 10 12; t0 wait => ok" },
	{ "remap: the same size in place is nothing", NULL,
	  HOUSE "t0 mremap 8 4 0 4 - => ok; u0 read => EAGAIN" },
	{ "remap: growing in place is not told; the new pages are watched", NULL,
	  "t0 mmap 0 4; t0 uffd; u0 reg 0 4; t0 mremap 0 4 0 6 - => ok; u0 read => EAGAIN; t0 r 5 "
	  "=> fault" },
	{ "remap: growing in place merges with what follows", NULL,
	  "t0 mmap 0 4; t0 mmap 6 2; t0 uffd; u0 reg 0 8; t0 mremap 0 4 0 6 - => ok; u0 zero 0 8 "
	  "=> ok" },
	{ "remap: shrinking while moving carries the new length, then two unmaps", NULL,
	  HOUSE "t0 mremap 2 4 20 2 mf => event; u0 read => remap 2 20 2; u0 read => unmap 4 6; u0 "
		"read => unmap 2 4; t0 wait => ok" },
	{ "remap: growing while moving carries the old length", NULL,
	  HOUSE "t0 mremap 2 2 20 4 mf => event; u0 read => remap 2 20 2; u0 read => unmap 2 4; t0 "
		"r 23 => fault" },
	{ "remap: what was at the new place is told of first", NULL,
	  HOUSE "t0 mremap 2 2 8 2 mf => event; u0 read => unmap 8 10; u0 read => remap 2 8 2; u0 "
		"read => unmap 2 4; t0 wait => ok" },
	{ "remap: onto unwatched memory tells only of the move", NULL,
	  HOUSE "t0 mremap 2 2 14 2 mf => event; u0 read => remap 2 14 2; u0 read => unmap 2 4; t0 "
		"wait => ok" },
	{ "remap: unwatched memory onto watched tells only of the unmap", NULL,
	  HOUSE "t0 w 13 5; t0 mremap 13 1 3 1 mf => event; u0 read => unmap 3 4; t0 wait => ok; "
		"t0 r 3 => 5" },
	{ "remap: DONTUNMAP leaves the old range watched and empty, no unmap", NULL,
	  HOUSE "u0 copy 3 1 5; t0 mremap 3 2 20 2 mfd => event; u0 read => remap 3 20 2; t0 wait "
		"=> ok; u0 read => EAGAIN; t0 r 20 => 5; t0 r 3 => fault" },
	{ "remap: overlapping ranges are EINVAL", NULL, HOUSE "t0 mremap 3 4 5 4 mf => EINVAL" },
	{ "remap: FIXED without MAYMOVE is EINVAL", NULL, HOUSE "t0 mremap 3 1 20 1 f => EINVAL" },
	{ "remap: over a VMA boundary is EFAULT where watched", NULL,
	  HOUSE "t0 mremap 10 4 20 4 mf => EFAULT; u0 read => EAGAIN" },
	{ "remap: unwatched memory in several VMAs moves", NULL,
	  "t0 mmap 0 4; t0 prot 2 1 r; t0 w 0 7; t0 mremap 0 4 20 4 mf => ok; t0 r 20 => 7" },
	{ "remap: back again", NULL,
	  HOUSE "u0 copy 3 1 5; t0 mremap 3 2 20 2 mf => event; u0 read 1; u0 read 1; t0 wait => "
		"ok; t0 mremap 20 2 3 2 mf => event; u0 read => remap 20 3 2; u0 read => unmap 20 "
		"22; t0 r 3 => 5" },
	{ "remap: moved memory may merge with what it lies beside", NULL,
	  HOUSE "t0 mremap 4 2 20 2 mf => event; u0 read; u0 read; t0 mremap 6 2 22 2 mf => event; "
		"u0 read; u0 read; u0 zero 20 4 => ok" },

	/* --- fork --------------------------------------------------------------------------------- */
	{ "fork: the event carries a new userfaultfd", "fork commit",
	  HOUSE
	  "t0 fork t3 => event; u0 poll => in; u0 read => fork u1; t0 wait => ok; t3 wait => ok" },
	{ "fork: the child's faults come by the new one", "fork commit",
	  HOUSE "t0 fork t3 => event; u0 read => fork u1; t3 r 3 => fault; u0 read => EAGAIN; u1 "
		"read => fault 3; u1 copy 3 1 9 => ok; t3 wait => 9" },
	{ "fork: the parent's faults still come by the old one", "fork commit",
	  HOUSE
	  "t0 fork t3 => event; u0 read; t0 r 3 => fault; u1 read => EAGAIN; u0 read => fault 3" },
	{ "fork: the new one needs no api call", "fork commit",
	  HOUSE
	  "t0 fork t3 => event; u0 read => fork u1; u1 api 0xaa 0 => EINVAL; u1 poll => nothing" },
	{ "fork: two contexts are each told, once, one after the other", "fork commit",
	  "t0 mmap 0 9; t0 uffd; t0 uffd; u0 reg 0 3; u1 reg 3 3; u0 reg 6 3; t0 fork t3 => event; "
	  "u1 read => EAGAIN; u0 read => fork u2; u0 read => EAGAIN; t0 wait => event; u1 read => "
	  "fork u3; t0 wait => ok; t3 r 7 => fault; u2 read => fault 7; u3 read => EAGAIN" },
	{ "fork: the forking thread waits without the mmap lock", "fork commit",
	  HOUSE "t0 fork t3 => event; t1 mmap 20 2 => ok; t1 w 20 5 => ok; t1 r 3 => fault; u0 "
		"read => fault 3; u0 read => fork u1" },
	{ "fork: the child does not run before the event is read", "fork commit",
	  HOUSE "t0 fork t3 => event; t3 wait => nowhere; u0 read; t3 wait => ok" },
	{ "fork: without the feature the child is not watched", "fork commit",
	  "t0 mmap 0 8; t0 uffd rdu; u0 reg 0 8; t0 fork t3 => ok; t3 r 3 => 0; t0 r 3 => fault" },
	{ "fork: pages are shared until written", NULL,
	  HOUSE "u0 copy 3 1 5; t0 fork t3 => event; u0 read; t3 r 3 => 5; t3 w 3 6; t0 r 3 => 5; "
		"t0 w 3 7; t3 r 3 => 6" },
	{ "fork: what the parent is given later the child is not", NULL,
	  HOUSE "t0 fork t3 => event; u0 read; u0 copy 3 1 5 => ok; t3 r 3 => fault" },
	{ "fork: what was written while it waits is the parent's alone", NULL,
	  HOUSE "u0 copy 3 1 5; t0 fork t3 => event; t1 w 3 6 => ok; u0 read; t3 r 3 => 5" },
	{ "fork: the child's registration is the parent's", NULL,
	  HOUSE "t0 fork t3 => event; u0 read; t3 r 13 => 0; t3 r 11 => fault" },
	{ "fork: a child of a child", "fork commit",
	  HOUSE "t0 fork t3 => event; u0 read => fork u1; t3 fork t4 => event; u1 read => fork u2; "
		"t4 r 3 => fault; u2 zero 3 1 => ok; t4 wait => ok" },
	{ "fork: the child's changes are told to the child's", NULL,
	  HOUSE "t0 fork t3 => event; u0 read; t3 munmap 3 1 => event; u0 read => EAGAIN; u1 read "
		"=> unmap 3 4; t0 r 3 => fault" },
	{ "fork: two forks at once are two events", NULL,
	  HOUSE "t0 fork t3 => event; t1 fork t4 => event; u0 read 16 => fork u1, fork u2; t3 r 3 "
		"=> fault; u1 info => 1 1" },
	{ "fork: nothing watched, nothing told", NULL,
	  "t0 mmap 0 4; t0 uffd; t0 fork t3 => ok; u0 read => EAGAIN" },
	{ "fork: DONTFORK memory alone is not told of", NULL,
	  HOUSE "t0 adv 0 12 dontfork; t0 fork t3 => ok; u0 read => EAGAIN; t3 r 3 => SEGV" },
	{ "fork: DONTFORK memory is missing from the child, DOFORK brings it back", NULL,
	  HOUSE "t0 adv 0 4 dontfork; t0 fork t3 => event; u0 read; t3 r 3 => SEGV; t3 r 4 => "
		"fault; t0 adv 0 4 dofork => ok; t0 fork t4 => event; u0 read; t4 r 3 => fault" },
	{ "fork: WIPEONFORK memory is watched and empty in the child", NULL,
	  HOUSE "u0 copy 3 1 5; t0 adv 0 12 wipeonfork; t0 fork t3 => event; u0 read => fork u1; "
		"t0 r 3 => 5; t3 r 3 => fault; u1 read => fault 3; u1 zero 3 1; t3 wait => ok" },
	{ "fork: KEEPONFORK takes it back", NULL,
	  HOUSE "u0 copy 3 1 5; t0 adv 0 12 wipeonfork; t0 adv 0 12 keeponfork; t0 fork t3 => "
		"event; u0 read; t3 r 3 => 5" },
	{ "fork: zero pages of memory never written are missing in the child", NULL,
	  "t0 mmap 0 4; t0 r 1 => 0; t0 uffd; u0 reg 0 4; t0 r 1 => 0; t0 fork t3 => event; u0 "
	  "read; t3 r 1 => fault" },
	{ "fork: zero pages that were given are there in the child", NULL,
	  HOUSE "u0 zero 1 1; t0 fork t3 => event; u0 read; t3 r 1 => 0" },
	{ "fork: no room for a descriptor is EMFILE, and the event stays", NULL,
	  HOUSE "t0 fork t3 => event; limit fds 0; u0 read => EMFILE; u0 poll => in; t0 wait => "
		"event; limit fds -1; u0 read => fork u1; t0 wait => ok" },
	{ "fork: after EMFILE the event is behind the others", NULL,
	  HOUSE "t0 fork t3 => event; t1 munmap 3 1 => event; limit fds 0; u0 read => EMFILE; u0 "
		"read => unmap 3 4; limit fds -1; u0 read => fork u1" },
	{ "fork: killed while waiting, nothing is left to read", NULL,
	  HOUSE "t0 fork t3 => event; t0 kill => dead; u0 poll => nothing; u0 read => EAGAIN; t3 "
		"wait => nowhere" },
	{ "fork: the parent gone, the child is served on", NULL,
	  HOUSE "t0 fork t3 => event; u0 read; t0 exit => dead; t3 r 3 => fault; u1 copy 3 1 9 => "
		"ok; t3 wait => 9; u0 zero 3 1 => ESRCH" },
	{ "fork: the child gone, the parent is served on", NULL,
	  HOUSE "t0 fork t3 => event; u0 read; t3 exit => dead; u1 zero 3 1 => ESRCH; t0 r 3 => "
		"fault; u0 zero 3 1 => ok; t0 wait => ok" },
	{ "fork: a thread's fault is the parent's alone", NULL,
	  HOUSE "t1 r 3 => fault; t0 fork t3 => event; u0 read => fault 3; u0 read => fork u1; u1 "
		"info => 0 0; u0 info => 0 1" },

	/* --- closing ------------------------------------------------------------------------------ */
	{ "close: who waits is woken and finds zero", "seed 439",
	  HOUSE "t0 r 3 => fault; u0 close => ok; t0 wait => ok" },
	{ "close: who waits with its fault read is woken", "seed 440",
	  HOUSE "t0 r 3 => fault; u0 read; u0 close => ok; t0 wait => ok; t0 r 3 => 0" },
	{ "close: missing pages read as zero", "seed 429",
	  HOUSE "u0 close; t0 r 3 => 0; t0 w 4 5 => ok" },
	{ "close: present pages stay", NULL, HOUSE "u0 copy 3 1 5; u0 close; t0 r 3 => 5" },
	{ "close: the VMAs merge again", "seed 419",
	  HOUSE "u0 close; t0 uffd; u1 reg 0 16 => ok; u1 zero 10 4 => ok" },
	{ "close: another may register then", "seed 429",
	  HOUSE "t0 uffd; u1 reg 0 4 => EBUSY; u0 close; u1 reg 0 4 => ok; t0 r 3 => fault" },
	{ "close: an unmap that waits goes on", NULL,
	  HOUSE "t0 munmap 3 1 => event; u0 close; t0 wait => ok" },
	{ "close: a remove that waits goes on and discards", NULL,
	  HOUSE
	  "u0 copy 3 1 5; t0 adv 3 1 dontneed => event; u0 close; t0 wait => ok; t0 r 3 => 0" },
	{ "close: a remap that waits goes on", NULL,
	  HOUSE
	  "u0 copy 3 1 5; t0 mremap 3 1 20 1 mf => event; u0 close; t0 wait => ok; t0 r 20 => 5" },
	{ "close: a fork that waits goes on, its child is not watched", NULL,
	  HOUSE "t0 fork t3 => event; u0 close; t0 wait => ok; t3 r 3 => 0" },
	{ "close: the child's own stays", NULL,
	  HOUSE "t0 fork t3 => event; u0 read => fork u1; u0 close; t0 r 3 => 0; t3 r 3 => fault; "
		"u1 zero 3 1 => ok; t3 wait => ok" },
	{ "close: of the child's, the parent is watched on", NULL,
	  HOUSE "t0 fork t3 => event; u0 read => fork u1; u1 close; t3 r 3 => 0; t0 r 3 => fault" },
	{ "close: one context of two", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 r 1; t1 r 5; u0 close; t0 "
	  "wait => ok; t1 wait => fault" },
	{ "close: two contexts wait for one call, the first closed", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 munmap 2 4 => event; u0 "
	  "close; t0 wait => event; u1 read => unmap 2 6; t0 wait => ok" },
	{ "close: two contexts wait for one call, the second closed", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 munmap 2 4 => event; u1 "
	  "close; t0 wait => event; u0 read => unmap 2 6; t0 wait => ok" },
	{ "close: after the process is gone", NULL, HOUSE "t0 exit; u0 close => ok" },

	/* --- the order of two threads' events ---------------------------------------------------------- */
	{ "order: a fork overtakes the REMAP of an earlier move onto watched memory; the child has "
	  "it moved",
	  NULL,
	  HOUSE "u0 copy 0 1 7; t1 mremap 0 2 5 2 mf => event; t2 fork t3 => event; u0 read 2 => "
		"unmap 5 7, fork u1; u0 read => remap 0 5 2; u0 read => unmap 0 2; t3 r 5 => 7; t3 "
		"r 6 => fault; u1 read => fault 6" },
	{ "order: a fork that met EMFILE comes after a later unmap; the child still has the memory",
	  NULL,
	  HOUSE
	  "t0 fork t3 => event; t1 munmap 3 1 => event; limit fds 0; u0 read => EMFILE; limit fds "
	  "-1; u0 read => unmap 3 4; u0 read => fork u1; t3 r 3 => fault; u1 read => fault 3" },
	{ "order: a later move's REMAP comes before an earlier one's", NULL,
	  HOUSE "u0 copy 9 1 7; t1 mremap 9 1 2 1 mf => event; t0 mremap 2 1 20 1 mf => event; u0 "
		"read => unmap 2 3; u0 read => remap 2 20 1; t2 r 20 => 7; u0 read => remap 9 2 1; "
		"u0 read => unmap 2 3; u0 read => unmap 9 10" },
	{ "order: a later move's REMAP comes before an earlier unmap's second context", NULL,
	  "t0 mmap 0 8; t0 uffd; t0 uffd; u0 reg 0 4; u1 reg 4 4; t0 munmap 3 2 => event; t1 "
	  "mremap 6 1 3 1 mf => event; u1 read => remap 6 3 1; u1 read => unmap 6 7; t1 wait => "
	  "ok; u1 poll => nothing; u0 read => unmap 3 5; u1 read => unmap 3 5; t2 r 3 => fault; u1 "
	  "info => 1 1" },

	/* --- the end of a process ------------------------------------------------------------------- */
	{ "exit: with a fault of another thread", NULL,
	  HOUSE "t0 r 3 => fault; t1 exit => dead; u0 info => 0 0; u0 read => EAGAIN" },
	{ "exit: with an event of another thread", NULL,
	  HOUSE "t0 munmap 3 1 => event; t1 exit => dead; u0 read => EAGAIN" },
	{ "exit: no event for the memory that goes", NULL,
	  HOUSE "t0 exit => dead; u0 read => EAGAIN; u0 poll => nothing" },
	{ "exec: with a fault of another thread", NULL,
	  HOUSE "t0 r 3 => fault; t1 exec => dead; u0 info => 0 0; u0 poll => nothing" },
	{ "exec: no event for the memory that goes", NULL,
	  HOUSE "t0 exec => dead; u0 read => EAGAIN" },
	{ "kill: a read fault is forgotten", NULL,
	  HOUSE "t0 r 3 => fault; u0 read; t0 kill => dead; u0 info => 0 0" },
};

const size_t c_nr_cases = sizeof(c_cases) / sizeof(c_cases[0]);
