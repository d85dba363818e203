/* restore/share.c - see share.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/share.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Between two looks: less than a scheduler's slice tells nothing. */
#define LOOK_NS UINT64_C(4000000)

#define NAP_MIN_NS UINT64_C(1000000)

/* So many threads for each CPU are too many. */
#define CROWD 3

/* A square of more would be no number; naps have long reached their limit there. */
#define RUNNING_MAX UINT64_C(100000)

static uint64_t ns_of(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000;
}

int fi_share_open(void)
{
	return open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

/* How many threads want a CPU, those that have one included; 0: not known. */
static uint64_t running(int fd)
{
	char text[128];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	const char *slash;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* After three averages: this many/there are. */
	slash = strchr(text, '/');
	while (slash && slash > text && slash[-1] != ' ')
		slash--;
	return slash ? strtoull(slash, NULL, 10) : 0;
}

static uint64_t nr_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : (uint64_t)cpus;
}

bool fi_share_is_room(int fd)
{
	uint64_t nr = running(fd);

	return nr && nr <= nr_cpus() + 1;
}

uint64_t fi_share_nap(uint64_t running, uint64_t cpus, bool lost, uint64_t max_ns)
{
	uint64_t nap = 0;

	if (!lost && running <= CROWD * cpus)
		return 0;
	if (running > RUNNING_MAX)
		running = RUNNING_MAX;
	if (running > cpus)
		nap = LOOK_NS * (running * running - cpus * cpus) / (cpus * cpus);
	if (nap < NAP_MIN_NS)
		return NAP_MIN_NS;
	return nap < max_ns ? nap : max_ns;
}

uint64_t fi_share_excess(struct fi_share *share, int fd, uint64_t now)
{
	struct rusage usage;
	uint64_t ran, nap;
	bool lost;

	if (now < share->looked + LOOK_NS || getrusage(RUSAGE_THREAD, &usage) < 0)
		return 0;
	ran = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
	lost = share->looked && usage.ru_nivcsw > share->switches &&
	       now - share->looked > 2 * (ran - share->ran);
	if (!share->since) {
		share->since = now;
		share->cpus = nr_cpus();
	}
	nap = fi_share_nap(running(fd), share->cpus, lost,
			   now - share->since < FI_SHARE_LATE_NS ? FI_SHARE_NAP_MAX_NS
								 : FI_SHARE_NAP_LATE_MAX_NS);
	share->ran = ran;
	share->switches = usage.ru_nivcsw;
	share->looked = now + nap;
	return nap;
}
