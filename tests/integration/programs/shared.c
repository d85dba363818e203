/* tests/integration/programs/shared.c - memory that several processes share, and all ways to its bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes of a tree that is made before the dump are told of each other's steps by counters in the
 * shared memory itself.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenario.h"

static struct area area;

static void *map_shared(int fd, size_t len)
{
	const int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

static void fill_area(uint8_t *mem, size_t len, uint64_t seed)
{
	area = (struct area){ .mem = mem, .nr_pages = len / PAGE, .seed = seed };
	for (size_t i = 0; i < area.nr_pages; i++)
		fill_page(mem + i * PAGE, seed, i);
}

/* --- shared anonymous memory --------------------------------------------------------------- */

#define NR_SIBLINGS 3

/* The last page of the area's mapping. */
static struct {
	atomic_uint checked, step;
} * meeting;

static pid_t siblings[NR_SIBLINGS];
static uint8_t *twice, *moved;

/* Each sees what has been there, and when all have, what one of them writes. */
static void meet(void)
{
	pid_t grandchild;

	check_area(&area);
	grandchild = start_child();
	check_area(&area);
	if (grandchild == 0)
		end_child();
	wait_child(grandchild);
	atomic_fetch_add(&meeting->checked, 1);
	while (atomic_load(&meeting->step) == 0)
		nap_ms(1);
	check_pages(area.mem, area.seed + 1, 0, 16);
	check_pages(area.mem + 16 * PAGE, area.seed, 16, area.nr_pages - 16);
}

/* In one piece for the parent; a sibling may not write to some of it. */
static void prepare_siblings(void)
{
	const size_t len = 24 * MIB;
	uint8_t *mem = map_shared(-1, len + PAGE);

	fill_area(mem, len, 101);
	meeting = (void *)(mem + len);
	for (int i = 0; i < NR_SIBLINGS; i++) {
		siblings[i] = start_child();
		if (siblings[i] != 0)
			continue;
		if (i == 1)
			REQUIRE(mprotect(mem + 5 * MIB, MIB, PROT_READ) == 0);
		wait_for_go();
		meet();
		end_child();
	}
}

static void run_siblings(void)
{
	check_area(&area);
	while (atomic_load(&meeting->checked) < NR_SIBLINGS)
		nap_ms(1);
	for (size_t i = 0; i < 16; i++)
		fill_page(area.mem + i * PAGE, area.seed + 1, i);
	atomic_store(&meeting->step, 1);
	for (int i = 0; i < NR_SIBLINGS; i++)
		wait_child(siblings[i]);
}

/* Nobody has all of it mapped for writing: the first half of it two, the second one only. */
static void prepare_halves(void)
{
	const size_t len = 16 * MIB;
	uint8_t *mem = map_shared(-1, len);

	fill_area(mem, len, 102);
	siblings[0] = start_child();
	if (siblings[0] == 0) {
		REQUIRE(mprotect(mem + len / 2, len / 2, PROT_READ) == 0);
		wait_for_go();
		check_area(&area);
		end_child();
	}
	REQUIRE(munmap(mem + len / 2, len / 2) == 0);
}

static void run_halves(void)
{
	check_pages(area.mem, area.seed, 0, area.nr_pages / 2);
	wait_child(siblings[0]);
}

/* Out of the order of addresses, some of it twice, with a hole that was never written to, in memory that
 * is locked in part. */
static void prepare_pieces(void)
{
	const size_t len = 16 * MIB;
	uint8_t *mem = map_shared(-1, len);

	fill_area(mem, len, 103);
	REQUIRE(madvise(mem + 2 * MIB, MIB, MADV_REMOVE) == 0);
	twice = mremap(mem + 3 * MIB, 0, 4 * MIB, MREMAP_MAYMOVE);
	REQUIRE(twice != MAP_FAILED);
	moved = map_memory(8 * MIB);
	REQUIRE(mremap(mem + 8 * MIB, 8 * MIB, 8 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, moved) ==
		moved);
	REQUIRE(mlock(moved + MIB, MIB) == 0);
}

static void run_pieces(void)
{
	const uint8_t *mem = area.mem;

	check_pages(mem, area.seed, 0, 2 * MIB / PAGE);
	check_zero(mem + 2 * MIB, MIB / PAGE);
	check_pages(mem + 3 * MIB, area.seed, 3 * MIB / PAGE, 5 * MIB / PAGE);
	check_pages(twice, area.seed, 3 * MIB / PAGE, 4 * MIB / PAGE);
	check_pages(moved, area.seed, 8 * MIB / PAGE, 8 * MIB / PAGE);
}

/* --- memory files -------------------------------------------------------------------------- */

static int file;
static size_t file_len;

static int make_file(size_t len, unsigned flags, uint64_t seed)
{
	int fd = memfd_create("shared", flags);
	uint8_t *mem;

	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	mem = map_shared(fd, len / PAGE * PAGE);
	fill_area(mem, len / PAGE * PAGE, seed);
	REQUIRE(munmap(mem, len / PAGE * PAGE) == 0);
	file_len = len;
	return fd;
}

/* Reads it from the beginning with @fd, whose offset that is. */
static void check_read(int fd)
{
	static uint8_t buf[16 * 4096];

	for (size_t page = 0; page < area.nr_pages;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		REQUIRE(n > 0 && (size_t)n % PAGE < PAGE);
		for (size_t i = 0; i < (size_t)n / PAGE; i++)
			check_page(buf + i * PAGE, area.seed, page + i);
		page += (size_t)n / PAGE;
	}
}

static void check_sent(int fd)
{
	int pair[2];
	pid_t pid;
	off_t off = 0;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid = start_child();
	if (pid == 0) {
		(void)close(pair[1]);
		for (size_t i = 0; i < area.nr_pages; i++) {
			uint8_t page[4096];

			REQUIRE(recv(pair[0], page, PAGE, MSG_WAITALL) == (ssize_t)PAGE);
			check_page(page, area.seed, i);
		}
		end_child();
	}
	(void)close(pair[0]);
	while ((size_t)off < file_len)
		REQUIRE(sendfile(pair[1], fd, &off, file_len - (size_t)off) > 0);
	(void)close(pair[1]);
	wait_child(pid);
}

static void check_mapped(int fd)
{
	void *mem = mmap(NULL, area.nr_pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	REQUIRE(mem != MAP_FAILED);
	check_pages(mem, area.seed, 0, area.nr_pages);
	REQUIRE(munmap(mem, area.nr_pages * PAGE) == 0);
}

static int open_again(int fd, int flags)
{
	char path[64];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	REQUIRE(again >= 0);
	return again;
}

/* By everything that does not go through a mapping of before; and the rest, too. */
static void check_file(void)
{
	int again = open_again(file, O_RDONLY);
	struct stat st;
	char byte;

	REQUIRE(fstat(file, &st) == 0 && (size_t)st.st_size == file_len);
	REQUIRE(lseek(file, 0, SEEK_CUR) == 4711);
	REQUIRE(pread(file, &byte, 1, (off_t)file_len) == 0);
	check_read(again);
	check_mapped(file);
	check_mapped(again);
	check_sent(file);
	(void)close(again);
}

/* Mapped by nobody, and not a whole number of pages long. */
static void prepare_file(void)
{
	file = make_file(16 * MIB + 100, 0, 111);
	REQUIRE(pwrite(file, "the end", 7, (off_t)file_len - 7) == 7);
	REQUIRE(lseek(file, 4711, SEEK_SET) == 4711);
}

static void run_file(void)
{
	char end[7];

	REQUIRE(pread(file, end, 7, (off_t)file_len - 7) == 7 && memcmp(end, "the end", 7) == 0);
	check_file();
	/* Growing, shrinking and writing are as ever. */
	REQUIRE(ftruncate(file, 0) == 0 && ftruncate(file, (off_t)file_len) == 0);
	REQUIRE(pread(file, end, 7, (off_t)file_len - 7) == 7 &&
		memcmp(end, "\0\0\0\0\0\0\0", 7) == 0);
}

/* Mapped, some of it privately, by a child, which has the only descriptor. */
static void prepare_file_child(void)
{
	uint8_t *mem, *copy;
	int fd = make_file(16 * MIB, 0, 112);

	siblings[0] = start_child();
	if (siblings[0] != 0) {
		(void)close(fd);
		return;
	}
	file = fd;
	REQUIRE(lseek(file, 4711, SEEK_SET) == 4711);
	mem = map_shared(fd, 16 * MIB);
	copy = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(copy != MAP_FAILED);
	fill_page(copy, 999, 0);
	wait_for_go();
	check_page(copy, 999, 0);
	check_pages(copy + PAGE, area.seed, 1, 4 * MIB / PAGE - 1);
	check_pages(mem, area.seed, 0, area.nr_pages);
	check_file();
	end_child();
}

static void run_file_child(void)
{
	wait_child(siblings[0]);
}

/* Sealed: nobody can write to it any more. */
static void prepare_sealed(void)
{
	file = make_file(8 * MIB, MFD_ALLOW_SEALING, 113);
	REQUIRE(lseek(file, 4711, SEEK_SET) == 4711);
	REQUIRE(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
}

/* Only for reading. */
static void prepare_read_only(void)
{
	int fd = make_file(8 * MIB, 0, 114);

	file = open_again(fd, O_RDONLY);
	REQUIRE(lseek(file, 4711, SEEK_SET) == 4711);
	(void)close(fd);
}

/* --- without rights ------------------------------------------------------------------------ */

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	REQUIRE(syscall(SYS_capset, &header, data) == 0);
}

static void prepare_weak_mapped(void)
{
	fill_area(map_shared(-1, 16 * MIB), 16 * MIB, 115);
	drop_capabilities();
}

static void run_weak_mapped(void)
{
	check_area(&area);
}

static void prepare_weak_file(void)
{
	prepare_file();
	drop_capabilities();
}

/* --- System V ------------------------------------------------------------------------------ */

static int segments[2];

/* CRIU wants an IPC namespace of the tree's own.  The second is attached by nobody. */
static void prepare_sysv(void)
{
	const size_t len = 16 * MIB;

	REQUIRE(unshare(CLONE_NEWIPC) == 0);
	for (int i = 0; i < 2; i++) {
		void *mem;

		segments[i] = shmget(4711 + i, len, IPC_CREAT | 0600);
		REQUIRE(segments[i] >= 0);
		mem = shmat(segments[i], NULL, 0);
		REQUIRE(mem != (void *)-1);
		fill_area(mem, len, 121 + (uint64_t)i);
		if (i == 1)
			REQUIRE(shmdt(mem) == 0);
	}
	siblings[0] = start_child();
	if (siblings[0] == 0) {
		wait_for_go();
		for (int i = 0; i < 2; i++) {
			const void *mem = shmat(segments[i], NULL, SHM_RDONLY);

			REQUIRE(mem != (void *)-1);
			check_pages(mem, 121 + (uint64_t)i, 0, len / PAGE);
		}
		end_child();
	}
}

static void run_sysv(void)
{
	wait_child(siblings[0]);
	for (int i = 0; i < 2; i++) {
		const void *mem = shmat(shmget(4711 + i, 0, 0), NULL, SHM_RDONLY);

		REQUIRE(mem != (void *)-1);
		check_pages(mem, 121 + (uint64_t)i, 0, area.nr_pages);
	}
}

const struct scenario shared_scenarios[] = {
	{ "siblings", prepare_siblings, run_siblings },
	{ "halves", prepare_halves, run_halves },
	{ "pieces", prepare_pieces, run_pieces },
	{ "file", prepare_file, run_file },
	{ "file-child", prepare_file_child, run_file_child },
	{ "sealed", prepare_sealed, check_file },
	{ "read-only", prepare_read_only, check_file },
	{ "weak-mapped", prepare_weak_mapped, run_weak_mapped },
	{ "weak-file", prepare_weak_file, run_file },
	{ "sysv", prepare_sysv, run_sysv },
	{ NULL, NULL, NULL },
};
