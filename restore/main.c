/* restore/main.c - faultin: one program, a verb for each job.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "restore/effective.h"
#include "restore/hook.h"
#include "restore/renew.h"
#include "restore/scrape.h"
#include "restore/serve.h"
#include "restore/setup.h"
#include "restore/show.h"
#include "restore/steer.h"
#include "restore/tools.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv); /* NULL: in the other program, tools.h */
	const char *says;
};

static const struct verb verbs[] = {
	{ "complete", fi_steer_main, "bring in all that a restore owes, and wait for it" },
	{ "config", fi_effective_main, "show the settings that hold" },
	{ "hook", fi_hook_main, "for container runtimes: tie a container to its restore" },
	{ "inspect", NULL, "show what a checkpoint holds" },
	{ "metrics", fi_scrape_main, "say how running restores do, for Prometheus" },
	{ "pause", fi_steer_main, "bring in only what somebody waits for" },
	{ "rate", fi_steer_main, "limit what is brought in while nobody waits" },
	{ "resume", fi_steer_main, "undo pause" },
	{ "serve", fi_serve_main, "serve a checkpoint's pages to 'criu restore --lazy-pages'" },
	{ "setup", fi_setup_main, "have a container runtime's CRIU load the plugin" },
	{ "status", fi_show_main, "show running restores" },
	{ "top", NULL, "watch running restores, and steer them" },
	{ "upgrade", fi_renew_main,
	  "have the program as it is installed by now take sessions over" },
	{ "verify", NULL, "check whether a checkpoint is whole" },
	{ "wait", fi_steer_main, "wait until a restore is complete" },
};

static void print_usage(FILE *to)
{
	(void)fputs("Usage: faultin VERB [OPTION]...\n"
		    "Lazy restore of checkpointed process trees.\n\n",
		    to);
	for (size_t i = 0; i < FI_ARRAY_SIZE(verbs); i++)
		(void)fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].says);
	(void)fputs("\n'faultin VERB --help' says more.  See faultin(1).\n", to);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < FI_ARRAY_SIZE(verbs); i++)
		if (strcmp(word, verbs[i].name) == 0)
			return verbs[i].run ? verbs[i].run(argc - 1, argv + 1)
					    : fi_tools_become(argv);

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		print_usage(stdout);
		return 0;
	}
	if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
		(void)printf("Version: %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (word[0])
		(void)fprintf(stderr, "faultin: unknown verb '%s'\n", word);
	print_usage(stderr);
	return 1;
}
