/* tests/sim/door.h - restore/uffd.h and restore/gate.h on the model, with faults to plant.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_SIM_DOOR_H
#define FI_TESTS_SIM_DOOR_H

#include "tests/model/model.h"

enum plant {
	PLANT_NONE,
	PLANT_NO_GATE,	      /* copies go on while events are read */
	PLANT_READ_EARLY,     /* the gate is closed, but not waited for */
	PLANT_ZERO_EAGAIN,    /* EAGAIN on a zero page is taken for done */
	PLANT_EEXIST_NO_WAKE, /* a page that is there: nobody is woken */
	PLANT_SHORT_LENGTH,   /* an event's length is cut, as an int would */
	PLANT_NO_INHERITANCE, /* a child's space begins with fewer owed pages */
	PLANT_REMOVE_UNHEARD, /* drain after REMOVE */
	PLANT_UNMAP_UNHEARD,
	PLANT_REMAP_UNHEARD,
	PLANT_FORK_LOST,	/* the child's descriptor is closed */
	PLANT_FORK_FORGOTTEN,	/* the child's descriptor is open, nobody serves it */
	PLANT_CLOSE_OWING,	/* closed when the restore is finished, not when nothing is owed */
	PLANT_ENOENT_FOREVER,	/* ENOENT is retried for ever */
	PLANT_ESRCH_WRONGLY,	/* another error is taken for exit */
	PLANT_FAULT_DROPPED,	/* a message in a batch is overlooked */
	PLANT_PARKED_DROPPED,	/* parked faults are forgotten */
	PLANT_PROBE_NOWHERE,	/* a probe says that nothing is watched at its address */
	PLANT_TAKEOVER_NO_WAKE, /* a new engine lets those sleep who wait for the old one */
	PLANT_NR,
};

extern const char *const plant_names[PLANT_NR];

struct door {
	struct m_model *m;
	enum plant plant;
	int copying[M_FDS]; /* fills in flight */
	unsigned calls;
	unsigned progress; /* messages, pages and closes there were */
	bool taking_over;  /* a new engine has not begun yet */
	void (*yield)(const char *where);
	/* Around what the kernel does.  An engine that is killed is so once it has left. */
	void (*enter)(void);
	void (*leave)(void);
	void (*violation)(const char *what);
	void (*trace)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

extern struct door door;

#endif
