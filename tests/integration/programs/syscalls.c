/* tests/integration/programs/syscalls.c - faults that the kernel takes on a program's behalf.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The buffer of a system call is owed like any other page: what the call reads must be the image's
 * bytes, and what it writes must land beside the image's bytes of the same page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

#define NR ((size_t)256) /* pages that one part of a scenario uses */

static struct area area;

static void prepare(void)
{
	area = make_area(16 * MIB, 71);
}

static uint8_t *page_at(size_t nr)
{
	return area.mem + nr * PAGE;
}

static int scratch_file(void)
{
	int fd = open(run_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0);
	return fd;
}

/* What the kernel handed over as pages [first, first + NR) is what they hold. */
static void check_copy(int fd, size_t first)
{
	uint8_t *copy = map_memory(NR * PAGE);

	REQUIRE(pread(fd, copy, NR * PAGE, 0) == (ssize_t)(NR * PAGE));
	check_pages(copy, area.seed, first, NR);
}

static void write_from(size_t first)
{
	int fd = scratch_file();

	REQUIRE(write(fd, page_at(first), NR * PAGE) == (ssize_t)(NR * PAGE));
	check_copy(fd, first);
	(void)close(fd);
}

static void writev_from(size_t first)
{
	struct iovec iov[16];
	int fd = scratch_file();

	for (size_t i = 0; i < 16; i++)
		iov[i] = (struct iovec){ page_at(first + i * 16), 16 * PAGE };
	REQUIRE(writev(fd, iov, 16) == (ssize_t)(NR * PAGE));
	check_copy(fd, first);
	(void)close(fd);
}

/* Reads into the middle of each page; its edges must come from the image. */
static void read_into(size_t first)
{
	uint8_t mark[2048];
	struct iovec iov[NR];
	int fd = scratch_file();

	memset(mark, 0xa5, sizeof(mark));
	for (size_t i = 0; i < NR; i++) {
		REQUIRE(write(fd, mark, sizeof(mark)) == (ssize_t)sizeof(mark));
		iov[i] = (struct iovec){ page_at(first + i) + 1024, sizeof(mark) };
	}
	REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
	for (size_t i = 0; i < NR / 2; i++)
		REQUIRE(read(fd, iov[i].iov_base, iov[i].iov_len) == (ssize_t)sizeof(mark));
	REQUIRE(readv(fd, iov + NR / 2, NR / 2) == (ssize_t)(NR / 2 * sizeof(mark)));
	(void)close(fd);

	for (size_t i = 0; i < NR; i++) {
		uint64_t *word = (uint64_t *)page_at(first + i);

		if (memcmp(iov[i].iov_base, mark, sizeof(mark)) != 0)
			fail("read into page %zu left other bytes", first + i);
		for (unsigned w = 128; w < 384; w++)
			word[w] = pattern_word(area.seed, first + i, w);
	}
	check_pages(page_at(first), area.seed, first, NR);
}

static void files(void)
{
	write_from(0);
	writev_from(NR);
	read_into(2 * NR);
	check_area(&area);
}

/* Receives NR pages and compares. */
static void drain_into_check(int fd, size_t first)
{
	uint8_t *copy = map_memory(NR * PAGE);

	for (size_t got = 0; got < NR * PAGE;) {
		ssize_t n = read(fd, copy + got, NR * PAGE - got);

		REQUIRE(n > 0);
		got += (size_t)n;
	}
	check_pages(copy, area.seed, first, NR);
}

static void send_all(int fd, size_t first)
{
	for (size_t sent = 0; sent < NR * PAGE;) {
		ssize_t n = write(fd, page_at(first) + sent, NR * PAGE - sent);

		REQUIRE(n > 0);
		sent += (size_t)n;
	}
}

static void through_pipe(size_t first)
{
	int ends[2];
	pid_t pid;

	REQUIRE(pipe(ends) == 0);
	pid = start_child();
	if (pid == 0) {
		(void)close(ends[1]);
		drain_into_check(ends[0], first);
		end_child();
	}
	send_all(ends[1], first);
	(void)close(ends[0]);
	(void)close(ends[1]);
	wait_child(pid);
}

/* The pipe holds references to the pages themselves. */
static void through_vmsplice(size_t first)
{
	int ends[2];
	pid_t pid;

	REQUIRE(pipe(ends) == 0);
	pid = start_child();
	if (pid == 0) {
		(void)close(ends[1]);
		drain_into_check(ends[0], first);
		end_child();
	}
	(void)close(ends[0]);
	for (size_t sent = 0; sent < NR * PAGE;) {
		struct iovec iov = { page_at(first) + sent, NR * PAGE - sent };
		ssize_t n = vmsplice(ends[1], &iov, 1, 0);

		REQUIRE(n > 0);
		sent += (size_t)n;
	}
	(void)close(ends[1]);
	wait_child(pid);
}

/* From one owed page into another, over a socket. */
static void through_socket(size_t first, size_t into)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	for (size_t i = 0; i < NR; i++) {
		struct iovec out = { page_at(first + i), PAGE };
		struct iovec in[2] = { { page_at(into + i), 1000 },
				       { page_at(into + i) + 1000, PAGE - 1000 } };
		struct msghdr out_msg = { .msg_iov = &out, .msg_iovlen = 1 };
		struct msghdr in_msg = { .msg_iov = in, .msg_iovlen = 2 };

		REQUIRE(sendmsg(ends[0], &out_msg, 0) == (ssize_t)PAGE);
		REQUIRE(recvmsg(ends[1], &in_msg, MSG_WAITALL) == (ssize_t)PAGE);
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	check_pages(page_at(into), area.seed, first, NR);
	for (size_t i = 0; i < NR; i++)
		fill_page(page_at(into + i), area.seed, into + i);
}

static void streams(void)
{
	through_pipe(0);
	through_vmsplice(NR);
	through_socket(2 * NR, 3 * NR);
	check_area(&area);
}

static long futex_wait(uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, FUTEX_WAIT, value, timeout, NULL, 0);
}

/* The kernel compares a word of an owed page. */
static void futex_words(size_t first)
{
	struct timespec soon = { .tv_nsec = 1000000 };

	for (size_t nr = first; nr < first + 16; nr++) {
		uint32_t *word = (uint32_t *)page_at(nr);
		uint32_t value = (uint32_t)pattern_word(area.seed, nr, 0);

		if (nr % 2) {
			REQUIRE(futex_wait(word, value + 1, &soon) < 0 && errno == EAGAIN);
		} else {
			REQUIRE(futex_wait(word, value, &soon) < 0 && errno == ETIMEDOUT);
		}
	}
}

/* Restores what a small result has overwritten at the start of a page, and checks the page. */
static void check_around(size_t nr, size_t len)
{
	uint64_t *word = (uint64_t *)page_at(nr);

	for (unsigned w = 0; w <= len / sizeof(*word); w++)
		word[w] = pattern_word(area.seed, nr, w);
	check_page(word, area.seed, nr);
}

static void small_results(void)
{
	struct stat *st = (struct stat *)page_at(100);
	struct pollfd *pfd = (struct pollfd *)page_at(101);
	struct timespec *now = (struct timespec *)page_at(103);
	char *cwd = (char *)page_at(102);

	REQUIRE(getcwd(cwd, PAGE) != NULL);
	REQUIRE(strcmp(cwd, "/") == 0);
	check_around(102, 2);
	REQUIRE(syscall(SYS_fstat, 0, st) == 0);
	check_around(100, sizeof(*st));
	REQUIRE(syscall(SYS_poll, pfd, 0, 0) == 0);
	REQUIRE(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now) == 0);
	REQUIRE(now->tv_nsec < 1000000000);
	check_around(103, sizeof(*now));
	futex_words(200);
	check_area(&area);
}

/* Somebody else reads the memory: a child reads its parent's. */
static void read_by_child(size_t first)
{
	pid_t parent = getpid(), pid = start_child();

	if (pid == 0) {
		uint8_t *copy = map_memory(NR * PAGE);
		struct iovec local = { copy, NR * PAGE }, remote = { page_at(first), NR * PAGE };

		REQUIRE(process_vm_readv(parent, &local, 1, &remote, 1, 0) == (ssize_t)(NR * PAGE));
		check_pages(copy, area.seed, first, NR);
		end_child();
	}
	wait_child(pid);
}

/* And writes it: one word in each page. */
static void written_by_child(size_t first)
{
	pid_t parent = getpid(), pid = start_child();

	if (pid == 0) {
		for (size_t nr = first; nr < first + NR; nr++) {
			uint64_t mark = ~pattern_word(area.seed, nr, 7);
			struct iovec local = { &mark, 8 }, remote = { page_at(nr) + 56, 8 };

			REQUIRE(process_vm_writev(parent, &local, 1, &remote, 1, 0) == 8);
		}
		end_child();
	}
	wait_child(pid);
	for (size_t nr = first; nr < first + NR; nr++) {
		uint64_t *word = (uint64_t *)page_at(nr);

		if (word[7] != ~pattern_word(area.seed, nr, 7))
			fail("page %zu did not take the word that a child wrote", nr);
		word[7] = ~word[7];
	}
	check_pages(page_at(first), area.seed, first, NR);
}

/* Reads through a mem file or ptrace may be refused for a page that is still owed (the kernel
 * takes such a fault without the right to wait), but they never give wrong bytes. */
static void read_by_mem_file(pid_t of, size_t first)
{
	uint8_t *copy = map_memory(PAGE);
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", of);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	for (size_t nr = first; nr < first + NR; nr++) {
		ssize_t n = pread(fd, copy, PAGE, (off_t)(uintptr_t)page_at(nr));

		if (n < 0)
			REQUIRE(errno == EIO || errno == EFAULT);
		else if (n == (ssize_t)PAGE)
			check_page(copy, area.seed, nr);
	}
	(void)close(fd);
}

static void read_by_ptrace(pid_t of, size_t first)
{
	int status;

	REQUIRE(ptrace(PTRACE_SEIZE, of, NULL, NULL) == 0);
	REQUIRE(ptrace(PTRACE_INTERRUPT, of, NULL, NULL) == 0);
	REQUIRE(waitpid(of, &status, __WALL) == of && WIFSTOPPED(status));
	for (size_t nr = first; nr < first + NR; nr++) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, of, page_at(nr) + 64, NULL);
		if (errno)
			REQUIRE(errno == EIO || errno == EFAULT);
		else if ((uint64_t)word != pattern_word(area.seed, nr, 8))
			fail("ptrace reads %#lx in page %zu", (unsigned long)word, nr);
	}
	REQUIRE(ptrace(PTRACE_DETACH, of, NULL, NULL) == 0);
}

static void foreign_reads(void)
{
	pid_t pid;

	read_by_child(0);
	written_by_child(NR);
	read_by_mem_file(getpid(), 2 * NR);

	pid = start_child();
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	read_by_mem_file(pid, 3 * NR);
	read_by_ptrace(pid, 4 * NR);
	REQUIRE(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	check_area(&area);
}

const struct scenario syscall_scenarios[] = {
	{ "syscall-files", prepare, files },
	{ "syscall-streams", prepare, streams },
	{ "syscall-small", prepare, small_results },
	{ "syscall-foreign", prepare, foreign_reads },
	{ NULL, NULL, NULL },
};
