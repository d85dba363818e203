/* restore/sandbox.c - see sandbox.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The lists are made when faultin is built: sandbox_lists.c.
 */
#include "config.h"

#include "restore/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/log.h"
#include "restore/sandbox_lists.h"

/* What each role may keep, of what it has. */
static const unsigned reader_capabilities[] = {
	CAP_DAC_READ_SEARCH, /* the image may be somebody else's */
};
static const unsigned engine_capabilities[] = {
	CAP_KILL,	/* tasks that cannot be served */
	CAP_SYS_PTRACE, /* smaps and stacks of tasks in /proc */
	CAP_SYS_NICE, /* to return from the idle class (placement.c), where RLIMIT_NICE forbids it */
};
static const unsigned keeper_capabilities[] = {
	CAP_KILL,	  CAP_SYS_PTRACE,
	CAP_SYS_NICE,	  CAP_DAC_READ_SEARCH, /* for those that it starts */
	CAP_NET_ADMIN,	  /* process events: an engine's, before it enters its role */
	CAP_IPC_LOCK,	  /* locks the ledger: the same */
	CAP_SYS_RESOURCE, /* out of the OOM killer's reach */
	CAP_DAC_OVERRIDE, /* socket and summary in a work directory of somebody else's */
	CAP_FOWNER,	  /* the same, where it is sticky */
};

static bool wanted;

void fi_sandbox_enable(void)
{
	wanted = true;
}

/* By hand, since libcap-ng reads /proc twice before, a tenth of a millisecond each time. */
static void limit_capabilities(const char *name, const unsigned *keep, size_t nr)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	uint32_t kept[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, sets) < 0) {
		fi_log(FI_LOG_INFO, "sandbox: %s keeps its capabilities: cannot read them", name);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		kept[CAP_TO_INDEX(keep[i])] |= CAP_TO_MASK(keep[i]);
	/* The bounding set is for what is executed, and nothing is. */
	for (size_t i = 0; i < FI_ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= kept[i];
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, sets) < 0)
		fi_log(FI_LOG_INFO, "sandbox: %s keeps its capabilities: %s", name,
		       strerror(errno));
}

bool fi_sandbox_enter(enum fi_sandbox_role role)
{
	static const struct {
		const char *name;
		const unsigned *capabilities;
		size_t nr;
		struct sock_fprog list; /* of system calls */
	} roles[] = {
		[FI_SANDBOX_KEEPER] = { "the keeper",
					keeper_capabilities,
					FI_ARRAY_SIZE(keeper_capabilities),
					{ FI_ARRAY_SIZE(fi_keeper_list), fi_keeper_list } },
		[FI_SANDBOX_READER] = { "the reader",
					reader_capabilities,
					FI_ARRAY_SIZE(reader_capabilities),
					{ FI_ARRAY_SIZE(fi_engine_list), fi_engine_list } },
		[FI_SANDBOX_ENGINE] = { "the engine",
					engine_capabilities,
					FI_ARRAY_SIZE(engine_capabilities),
					{ FI_ARRAY_SIZE(fi_engine_list), fi_engine_list } },
	};
	const char *name = roles[role].name;

	if (!wanted)
		return false;
	limit_capabilities(name, roles[role].capabilities, roles[role].nr);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fi_log(FI_LOG_INFO, "sandbox: no_new_privs: %s", strerror(errno));
#ifndef FI_SANITIZED /* whose search for leaks is a ptrace(2) of oneself */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &roles[role].list) < 0) {
		fi_log(FI_LOG_INFO, "sandbox: system calls of %s are not filtered: %s", name,
		       strerror(errno));
		return false;
	}
	fi_log(FI_LOG_DEBUG, "sandbox: system calls of %s are filtered", name);
	return true;
}
