/* plugin/criu_abi.h - what CRIU and its plugins agree on, as far as this plugin uses it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU installs a criu-plugin.h, but distributions do not package it, and one that is newer than
 * the CRIU at hand would promise too much.  These are the facts of descriptor version 0.2.0, which
 * every CRIU since 1.6 takes; the hooks differ between releases, their number and names only
 * growing: 10 in 3.17, 12 in 4.1, 13 in 4.2.
 *
 * CRIU loads each *.so of its plugin directory at every dump, pre-dump and restore, looks up
 * CR_PLUGIN_DESC, and refuses a newer version or more hooks than it knows.  It calls init right
 * away, and exit at the end with the result (0 or negative); not after an init that failed.
 */
#ifndef FI_PLUGIN_CRIU_ABI_H
#define FI_PLUGIN_CRIU_ABI_H

enum {
	FI_CRIU_STAGE_DUMP = 0,
	FI_CRIU_STAGE_PRE_DUMP = 1,
	FI_CRIU_STAGE_RESTORE = 2,
};

/* Those that are used here; each gets a pid, in CRIU's pid namespace.  0 or -ENOTSUP and CRIU goes on (0:
 * it asks no other plugin), else it gives up. */
enum {
	/* At restore, each task that lives, by the thread that traces it, when it is stopped as it will
	 * run on.  CRIU goes on whatever is said. */
	FI_CRIU_HOOK_RESUME_DEVICES_LATE = 9,
	FI_CRIU_NR_HOOKS_3_17 = 10,
	FI_CRIU_HOOK_PAUSE_DEVICES = 10, /* before a task is frozen; the root's may be already */
	FI_CRIU_HOOK_CHECKPOINT_DEVICES = 11, /* at dump, when all are frozen: each task */
	FI_CRIU_NR_HOOKS = 12,
};

/* A function that a CRIU exports which knows these hooks, 4.1 and later. */
#define FI_CRIU_KNOWS_HOOKS "add_inventory_plugin"

#define FI_CRIU_PLUGIN_VERSION ((0u << 16) + (2u << 8) + 0u)

struct fi_criu_plugin {
	const char *name;
	int (*init)(int stage);		  /* 0, or CRIU gives up */
	void (*exit)(int stage, int ret); /* before dlclose */
	unsigned int version;
	unsigned int max_hooks; /* entries in hooks, as far as CRIU knows them */
	int (*hooks[FI_CRIU_NR_HOOKS])(int pid);
};

/* The name that CRIU looks up. */
extern struct fi_criu_plugin CR_PLUGIN_DESC;

/* In CRIU itself: the descriptor of the image directory, which stays CRIU's; negative if none. */
int criu_get_image_dir(void);

/* In CRIU itself, though it promises it to nobody: its log (3.17 to 4.2 have it). */
typedef void (*fi_criu_print_on_level)(unsigned int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
#define FI_CRIU_PRINT_ON_LEVEL "print_on_level"

#endif
