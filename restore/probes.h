/* restore/probes.h - static probes for tracers: bpftrace, perf, SystemTap (faultin-probes(7)).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where sys/sdt.h was there at the build, FI_PROBE(name, ...) leaves a nop in the code and a note in the
 * ELF file of where it and its arguments are; a tracer puts a breakpoint over the nop while it looks.
 * Without that header, nothing is left.  Arguments are registers and memory at hand, no calls.
 */
#ifndef FI_RESTORE_PROBES_H
#define FI_RESTORE_PROBES_H

#ifdef HAVE_SYS_SDT_H
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define FI_PROBE(name, ...) STAP_PROBEV(faultin, name, __VA_ARGS__)
#else
/* Never called: it keeps the arguments used. */
static inline void fi_probe_of_none(int none, ...)
{
	(void)none;
}
#define FI_PROBE(name, ...)                                                                        \
	do {                                                                                       \
		if (0)                                                                             \
			fi_probe_of_none(0, __VA_ARGS__);                                          \
	} while (0)
#endif

#endif
