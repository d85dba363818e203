/* tests/integration/programs/shapes.c - memory of unusual shapes, and memory beside the lazy kind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenario.h"

static struct area area;

/* Every other page, pages written with zeros, and a hole of 32 MiB that was never touched. */
#define SPARSE_PAGES ((size_t)8192)
#define HOLE_PAGES   ((size_t)8192)

static uint8_t *sparse;

static uint8_t *sparse_page(size_t nr)
{
	return sparse + (nr < SPARSE_PAGES / 2 ? nr : nr + HOLE_PAGES) * PAGE;
}

static void prepare_sparse(void)
{
	sparse = map_memory((SPARSE_PAGES + HOLE_PAGES) * PAGE);
	REQUIRE(madvise(sparse, (SPARSE_PAGES + HOLE_PAGES) * PAGE, MADV_NOHUGEPAGE) == 0);
	for (size_t nr = 0; nr < SPARSE_PAGES; nr += 2)
		fill_page(sparse_page(nr), 91, nr);
	for (size_t nr = 1; nr < SPARSE_PAGES; nr += 8)
		memset(sparse_page(nr), 0, PAGE);
}

static void check_sparse(void)
{
	for (size_t nr = 0; nr < SPARSE_PAGES; nr++) {
		if (nr % 2)
			check_zero(sparse_page(nr), 1);
		else
			check_page(sparse_page(nr), 91, nr);
	}
	check_zero(sparse + SPARSE_PAGES / 2 * PAGE, HOLE_PAGES);
}

static void run_sparse(void)
{
	pid_t pid = start_child();

	check_sparse();
	if (pid == 0)
		end_child();
	wait_child(pid);
	/* Holes can be written and keep it. */
	for (size_t nr = 0; nr < HOLE_PAGES; nr += 3)
		fill_page(sparse + (SPARSE_PAGES / 2 + nr) * PAGE, 92, nr);
	for (size_t nr = 0; nr < HOLE_PAGES; nr++) {
		if (nr % 3)
			check_zero(sparse + (SPARSE_PAGES / 2 + nr) * PAGE, 1);
		else
			check_page(sparse + (SPARSE_PAGES / 2 + nr) * PAGE, 92, nr);
	}
}

/* The heap grows and shrinks after the restore. */
#define HEAP_PAGES ((size_t)2048)

static uint8_t *heap;

static void prepare_heap(void)
{
	uintptr_t end = (uintptr_t)sbrk(0);

	REQUIRE(sbrk((intptr_t)(PAGE - end % PAGE)) != (void *)-1);
	heap = sbrk((intptr_t)(HEAP_PAGES * PAGE));
	REQUIRE(heap != (void *)-1);
	for (size_t nr = 0; nr < HEAP_PAGES; nr++)
		fill_page(heap + nr * PAGE, 93, nr);
}

static void run_heap(void)
{
	intptr_t len = (intptr_t)(HEAP_PAGES * PAGE);

	REQUIRE(sbrk(len) == heap + len);
	check_zero(heap + len, HEAP_PAGES);
	check_pages(heap, 93, 0, HEAP_PAGES / 2);
	REQUIRE(sbrk(-len - len / 2) != (void *)-1); /* to the middle of what was filled */
	REQUIRE(sbrk(len) == heap + len / 2);
	check_pages(heap, 93, 0, HEAP_PAGES / 2);
	check_zero(heap + len / 2, HEAP_PAGES);
}

/* Locked before the dump: not lazy.  Locked after the restore: the kernel fetches all of it. */
static struct area locked;

static void prepare_locked(void)
{
	area = make_area(16 * MIB, 94);
	locked = make_area(4 * MIB, 95);
	REQUIRE(mlock(locked.mem, locked.nr_pages * PAGE) == 0);
}

static void run_locked(void)
{
	REQUIRE(mlock(area.mem, area.nr_pages * PAGE / 2) == 0);
	REQUIRE(munlock(locked.mem, locked.nr_pages * PAGE) == 0);
	REQUIRE(mlock2(area.mem + area.nr_pages * PAGE / 2, area.nr_pages * PAGE / 2,
		       MLOCK_ONFAULT) == 0);
	check_area(&locked);
	check_area(&area);
	REQUIRE(munlockall() == 0);
	check_area(&area);
}

/* The stack was deep before the dump, and is deeper after the restore.  A second one,
 * MAP_GROWSDOWN. */
#define DEPTH	   200
#define DOWN_PAGES ((size_t)64)

static uint8_t *down; /* the end of the area that grows downwards */

static void use_stack(unsigned depth)
{
	uint8_t frame[2 * PAGE];
	uint8_t *page = frame + (-(uintptr_t)frame) % PAGE;

	fill_page(page, 96, depth);
	if (depth > 0)
		use_stack(depth - 1);
	check_page(page, 96, depth);
}

static void prepare_stack(void)
{
	uint8_t *mem = mmap(NULL, DOWN_PAGES * PAGE + 512 * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	REQUIRE(munmap(mem, DOWN_PAGES * PAGE + 512 * PAGE) == 0);
	down = mem + DOWN_PAGES * PAGE + 512 * PAGE;
	REQUIRE(mmap(down - DOWN_PAGES * PAGE, DOWN_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1,
		     0) != MAP_FAILED);
	/* Nobody else may settle where it is going to grow. */
	REQUIRE(mmap(mem, 512 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		     -1, 0) != MAP_FAILED);
	for (size_t nr = 1; nr <= DOWN_PAGES; nr++)
		fill_page(down - nr * PAGE, 97, nr);
	area = make_area(8 * MIB, 98);
	use_stack(DEPTH);
}

static void run_stack(void)
{
	use_stack(2 * DEPTH);
	check_area(&area);
	for (size_t nr = DOWN_PAGES; nr > 0; nr--)
		check_page(down - nr * PAGE, 97, nr);
	REQUIRE(munmap(down - (DOWN_PAGES + 512) * PAGE, 512 * PAGE) == 0);
	for (size_t nr = DOWN_PAGES + 1; nr <= DOWN_PAGES + 100; nr++) {
		check_zero(down - nr * PAGE, 1);
		fill_page(down - nr * PAGE, 97, nr);
	}
	for (size_t nr = DOWN_PAGES + 100; nr > 0; nr--)
		check_page(down - nr * PAGE, 97, nr);
}

/* Memory that is not lazy beside memory that is. */
#define BESIDE_PAGES ((size_t)512)

static uint8_t *shared, *file_private, *file_shared, *mem_file;

static int make_file(const char *name)
{
	uint8_t page[PAGE];
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", run_dir(), name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	for (size_t nr = 0; nr < BESIDE_PAGES; nr++) {
		fill_page(page, 99, nr);
		REQUIRE(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	return fd;
}

static uint8_t *map_file(int fd, int flags)
{
	uint8_t *mem = mmap(NULL, BESIDE_PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

static void prepare_beside(void)
{
	int fd = make_file("private"), shared_fd = make_file("shared");
	int mem_fd = memfd_create("beside", MFD_CLOEXEC);

	REQUIRE(mem_fd >= 0 && ftruncate(mem_fd, BESIDE_PAGES * PAGE) == 0);
	file_private = map_file(fd, MAP_PRIVATE);
	file_shared = map_file(shared_fd, MAP_SHARED);
	mem_file = map_file(mem_fd, MAP_SHARED);
	shared = map_file(-1, MAP_SHARED | MAP_ANONYMOUS);
	area = make_area(16 * MIB, 100);
	for (size_t nr = 0; nr < BESIDE_PAGES; nr++) {
		fill_page(shared + nr * PAGE, 101, nr);
		fill_page(mem_file + nr * PAGE, 102, nr);
		if (nr % 3 == 0)
			fill_page(file_private + nr * PAGE, 103, nr);
	}
	(void)close(fd);
	(void)close(shared_fd);
	(void)close(mem_fd);
}

static void check_beside(void)
{
	check_pages(shared, 101, 0, BESIDE_PAGES);
	check_pages(mem_file, 102, 0, BESIDE_PAGES);
	check_pages(file_shared, 99, 0, BESIDE_PAGES);
	for (size_t nr = 0; nr < BESIDE_PAGES; nr++)
		check_page(file_private + nr * PAGE, nr % 3 ? 99 : 103, nr);
	check_area(&area);
}

static void run_beside(void)
{
	pid_t pid = start_child();

	check_beside();
	if (pid == 0)
		end_child();
	wait_child(pid);
}

/* Huge pages at the dump, and asked for after the restore. */
static void prepare_huge_pages(void)
{
	uint8_t *mem = map_memory(34 * MIB);

	mem += (-(uintptr_t)mem) % (2 * MIB);
	REQUIRE(madvise(mem, 32 * MIB, MADV_HUGEPAGE) == 0);
	area = (struct area){ .mem = mem, .nr_pages = 32 * MIB / PAGE, .seed = 104 };
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		fill_page(mem + nr * PAGE, area.seed, nr);
}

static void run_huge_pages(void)
{
	pid_t pid = start_child();

	if (pid == 0) {
		check_area(&area);
		end_child();
	}
	for (size_t nr = 0; nr < area.nr_pages; nr += 512)
		check_page(area.mem + nr * PAGE, area.seed, nr);
	/* Collapsing may be refused while pages are owed, but it changes nothing. */
	(void)madvise(area.mem, 16 * MIB, 25 /* MADV_COLLAPSE */);
	REQUIRE(madvise(area.mem + 20 * MIB, 3 * MIB, MADV_DONTNEED) == 0);
	check_zero(area.mem + 20 * MIB, 3 * MIB / PAGE);
	check_pages(area.mem, area.seed, 0, 20 * MIB / PAGE);
	check_pages(area.mem + 23 * MIB, area.seed, 23 * MIB / PAGE, 9 * MIB / PAGE);
	wait_child(pid);
}

/* A big process; the harness may ask for another size. */
static void prepare_large(void)
{
	const char *mib = getenv("FI_LARGE_MIB");

	area = make_area((mib ? (size_t)atol(mib) : 4096) * MIB, 105);
}

static void run_large(void)
{
	uint64_t random = 106;

	for (unsigned i = 0; i < 20000; i++) {
		size_t nr = next_random(&random) % area.nr_pages;

		check_page(area.mem + nr * PAGE, area.seed, nr);
	}
	check_area(&area);
}

/* A thread whose stack pointer is at the beginning of a page: CRIU (4.2.1) then marks nothing as lazy. */
static void sleep_with_stack(uint8_t *top)
{
#if defined(__x86_64__)
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n"
			 "1:\n\t"
			 "xor %%edi, %%edi\n\t"
			 "xor %%esi, %%esi\n\t"
			 "xor %%edx, %%edx\n\t"
			 "xor %%r10d, %%r10d\n\t"
			 "mov %1, %%eax\n\t"
			 "syscall\n\t"
			 "jmp 1b"
			 :
			 : "r"(top), "i"(SYS_ppoll)
			 : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("mov sp, %0\n"
			 "1:\n\t"
			 "mov x0, #0\n\t"
			 "mov x1, #0\n\t"
			 "mov x2, #0\n\t"
			 "mov x3, #0\n\t"
			 "mov x8, %1\n\t"
			 "svc #0\n\t"
			 "b 1b"
			 :
			 : "r"(top), "i"(SYS_ppoll)
			 : "memory");
#else
	(void)top;
	(void)pause();
#endif
}

static _Atomic pid_t sleeper;

static void *sleep_for_ever(void *arg)
{
	sleeper = (pid_t)syscall(SYS_gettid);
	sleep_with_stack((uint8_t *)map_memory(16 * PAGE) + 8 * PAGE);
	return arg;
}

static bool is_asleep(pid_t tid)
{
	char path[64];
	long nr = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%ld", &nr) != 1)
		nr = -1;
	(void)fclose(file);
	return nr == SYS_ppoll;
}

static void prepare_even_stack(void)
{
	pthread_t thread;

	area = make_area(32 * MIB, 97);
	REQUIRE(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0);
	while (!is_asleep(sleeper))
		nap_ms(1);
}

static void run_even_stack(void)
{
	pid_t pid = start_child();

	check_area(&area);
	if (pid == 0)
		end_child();
	wait_child(pid);
}

/* Memory of the pool of huge pages, private and shared, beside lazy memory: CRIU restores it.  The pool has
 * HUGE_NR pages twice, and some to spare (test-huge.sh). */
#define HUGE_SIZE ((size_t)2 * MIB)
#define HUGE_NR	  6U

static uint8_t *pooled[2]; /* private, shared */

static uint8_t *map_pooled(int flags)
{
	uint8_t *mem = mmap(NULL, HUGE_NR * HUGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

/* All but the last one, which stays untouched. */
static void prepare_pool(void)
{
	area = make_area(32 * MIB, 98);
	pooled[0] = map_pooled(MAP_PRIVATE);
	pooled[1] = map_pooled(MAP_SHARED);
	for (size_t k = 0; k < 2; k++)
		for (size_t nr = 0; nr < (HUGE_NR - 1) * (HUGE_SIZE / PAGE); nr++)
			fill_page(pooled[k] + nr * PAGE, 99 + k, nr);
}

static void check_pooled(size_t from)
{
	const size_t each = HUGE_SIZE / PAGE;

	for (size_t k = 0; k < 2; k++) {
		check_pages(pooled[k] + from * HUGE_SIZE, 99 + k, from * each,
			    (HUGE_NR - 1 - from) * each);
		check_zero(pooled[k] + (HUGE_NR - 1) * HUGE_SIZE, each);
	}
}

/* The child takes a page of its own, and the shared one is its parent's, too. */
static void run_pool(void)
{
	pid_t pid = start_child();

	check_pooled(1);
	check_area(&area);
	if (pid == 0) {
		memset(pooled[0], 1, HUGE_SIZE);
		memset(pooled[1], 2, PAGE);
		end_child();
	}
	wait_child(pid);
	check_pages(pooled[0], 99, 0, HUGE_SIZE / PAGE);
	REQUIRE(pooled[1][0] == 2 && pooled[1][PAGE - 1] == 2);
	check_pages(pooled[1] + PAGE, 100, 1, HUGE_SIZE / PAGE - 1);
	REQUIRE(madvise(pooled[0], HUGE_SIZE, MADV_DONTNEED) == 0);
	check_zero(pooled[0], HUGE_SIZE / PAGE);
	REQUIRE(munmap(pooled[0], HUGE_SIZE) == 0);
	check_pooled(1);
}

const struct scenario shape_scenarios[] = {
	{ "sparse", prepare_sparse, run_sparse },
	{ "heap", prepare_heap, run_heap },
	{ "locked", prepare_locked, run_locked },
	{ "stack", prepare_stack, run_stack },
	{ "beside", prepare_beside, run_beside },
	{ "huge-pages", prepare_huge_pages, run_huge_pages },
	{ "pool", prepare_pool, run_pool },
	{ "even-stack", prepare_even_stack, run_even_stack },
	{ "large", prepare_large, run_large },
	{ NULL, NULL, NULL },
};
