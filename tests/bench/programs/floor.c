/* tests/bench/programs/floor.c - what the machine itself takes for the parts of a lazy restore.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     floor RUN_DIR PAGES_FILE
 *
 * No engine can be faster than these: the copies alone, the round trip of one fault to a handler
 * that knows the answer, a first touch without any handler, and the kernel's own way of filling
 * memory from a file when it is touched.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define BULK_PAGES   65536u /* 256 MiB */
#define CHUNK_PAGES  256u
#define FAULTS	     2000u
#define FILE_TOUCHES 20000u

static unsigned char *map_empty(uint64_t nr_pages)
{
	unsigned char *mem = mmap(NULL, nr_pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		fail("cannot map memory");
	(void)madvise(mem, nr_pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	return mem;
}

static int watch(const unsigned char *mem, uint64_t nr_pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)mem, nr_pages * PAGE_BYTES },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 ||
	    ioctl(uffd, UFFDIO_REGISTER, &range) < 0)
		fail("userfaultfd");
	return uffd;
}

static void copy(int uffd, uintptr_t to, const unsigned char *from, uint64_t nr_pages)
{
	struct uffdio_copy arg = {
		.dst = to,
		.src = (uintptr_t)from,
		.len = nr_pages * PAGE_BYTES,
	};

	if (ioctl(uffd, UFFDIO_COPY, &arg) < 0)
		fail("UFFDIO_COPY");
}

static uint64_t bulk_copy_ns(const struct area *source)
{
	struct area area = *source;
	uint64_t start, took;
	int uffd;

	area.mem = map_empty(area.nr_pages);
	uffd = watch(area.mem, area.nr_pages);
	start = now_ns();
	for (uint64_t nr = 0; nr < area.nr_pages; nr += CHUNK_PAGES)
		copy(uffd, (uintptr_t)area_page(&area, nr), area_page(source, nr), CHUNK_PAGES);
	took = now_ns() - start;
	if (area_verify_all(&area))
		fail("the copies differ");
	(void)close(uffd);
	(void)munmap(area.mem, area.nr_pages * PAGE_BYTES);
	return took;
}

static uint64_t first_touch_ns(void)
{
	volatile unsigned char *mem = map_empty(BULK_PAGES);
	uint64_t start = now_ns(), took;

	for (uint64_t nr = 0; nr < BULK_PAGES; nr++)
		mem[nr * PAGE_BYTES] = 1;
	took = now_ns() - start;
	(void)munmap((void *)(uintptr_t)mem, BULK_PAGES * (uint64_t)PAGE_BYTES);
	return took;
}

struct handler {
	const struct area *area, *source;
	int uffd, cpu;
};

/* Pins the calling thread to the @nr-th CPU that we may use.  False when there is none. */
static bool pin(unsigned nr, const cpu_set_t *allowed)
{
	cpu_set_t one;

	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && nr-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			return sched_setaffinity(0, sizeof(one), &one) == 0;
		}
	return false;
}

static cpu_set_t allowed;

static void *handle(void *data)
{
	const struct handler *handler = data;
	struct pollfd pfd = { .fd = handler->uffd, .events = POLLIN };
	struct uffd_msg msg;
	uintptr_t addr;

	(void)pin((unsigned)handler->cpu, &allowed);
	for (unsigned i = 0; i < FAULTS;) {
		if (poll(&pfd, 1, -1) < 0 || read(pfd.fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		addr = (uintptr_t)msg.arg.pagefault.address & ~(uintptr_t)(PAGE_BYTES - 1);
		copy(pfd.fd, addr, handler->source->mem + (addr - (uintptr_t)handler->area->mem),
		     1);
		i++;
	}
	return NULL;
}

/* The median of single faults with the handler on the same CPU or on another; 0 without one. */
static uint32_t fault_ns(const struct area *source, bool other)
{
	struct samples samples = samples_make(FAULTS, false);
	struct order order = order_make(source->nr_pages, 1);
	struct area area = *source;
	struct handler handler = { .area = &area, .source = source, .cpu = other };
	pthread_t thread;

	if (other && CPU_COUNT(&allowed) < 2)
		return 0;
	area.mem = map_empty(area.nr_pages);
	handler.uffd = watch(area.mem, area.nr_pages);
	if (!pin(0, &allowed) || pthread_create(&thread, NULL, handle, &handler) != 0)
		fail("cannot start the handler");
	if (touch_some(&area, &order, FAULTS, &samples))
		fail("a fault brought something else");
	(void)pthread_join(thread, NULL);
	(void)sched_setaffinity(0, sizeof(allowed), &allowed);
	(void)close(handler.uffd);
	(void)munmap(area.mem, area.nr_pages * PAGE_BYTES);
	return samples_quantile(&samples, 500);
}

/* Random touches of a private mapping, the kernel's own lazy restore. */
static uint64_t map_file(const char *path, struct samples *samples)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	volatile unsigned char *mem;
	struct order order;
	struct stat st;
	uint64_t start, took;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < PAGE_BYTES)
		fail("cannot open the pages file");
	mem = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		fail("cannot map the pages file");
	order = order_make((uint64_t)st.st_size / PAGE_BYTES, 1);
	start = now_ns();
	for (unsigned i = 0; i < FILE_TOUCHES; i++) {
		uint64_t nr = order_next(&order), before = now_ns();

		(void)mem[nr * PAGE_BYTES];
		samples_add(samples, now_ns() - before);
	}
	took = now_ns() - start;
	(void)munmap((void *)(uintptr_t)mem, (size_t)st.st_size);
	(void)close(fd);
	return took;
}

int main(int argc, char **argv)
{
	struct samples samples = samples_make(FILE_TOUCHES, false);
	struct area source;
	uint64_t file_ns;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: floor RUN_DIR PAGES_FILE\n");
		return 2;
	}
	talk_in(argv[1]);
	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	file_ns = map_file(argv[2], &samples); /* first, while it is as cold as it was made */
	source = area_make(BULK_PAGES, 1);
	say("\"job\": \"floor\", \"bulk_pages\": %u, \"bulk_copy_ns\": %llu, "
	    "\"first_touch_ns\": %llu, \"fault_same_ns\": %u, \"fault_other_ns\": %u, "
	    "\"file_touches\": %u, \"file_ns\": %llu, \"file_p50_ns\": %u, \"file_p99_ns\": %u",
	    BULK_PAGES, (unsigned long long)bulk_copy_ns(&source),
	    (unsigned long long)first_touch_ns(), fault_ns(&source, false), fault_ns(&source, true),
	    FILE_TOUCHES, (unsigned long long)file_ns, samples_quantile(&samples, 500),
	    samples_quantile(&samples, 990));
	return 0;
}
