/* tests/unit/test-inject.c - what is done to a stopped task: calls in its name, its userfaultfd, its
 * memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The task is a child in a loop of system calls, traced and stopped at the end of one, as CRIU has
 * its tasks.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "images/pages.h"
#include "plugin/inject.h"
#include "plugin/task_call.h"
#include "plugin/task_memory.h"
#include "plugin/task_uffd.h"
#include "restore/uffd.h"

#define NR_PAGES 8

/* In memory that parent and child share. */
static struct {
	volatile sig_atomic_t signals, stop, ready;
} * shared;

static uint8_t *memory; /* private to each */
static pid_t child;

static void on_signal(int sig)
{
	(void)sig;
	shared->signals = shared->signals + 1;
}

static void __attribute__((noreturn)) be_child(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	(void)sigaction(SIGUSR1, &act, NULL);
	(void)signal(SIGTRAP, SIG_IGN);
	shared->ready = 1;
	while (!shared->stop)
		(void)syscall(SYS_getppid);
	_exit(0);
}

static void wait_stop(void)
{
	int status;

	assert_int_equal(waitpid(child, &status, __WALL), child);
	assert_true(WIFSTOPPED(status));
}

static int start_child(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	memory = mmap(NULL, NR_PAGES * FI_PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_ptr_not_equal(memory, MAP_FAILED);
	*(volatile uint8_t *)memory = 0; /* present in the child */
	child = fork();
	if (child == 0)
		be_child();
	assert_true(child > 0);
	while (!shared->ready)
		(void)poll(NULL, 0, 1);
	assert_int_equal(ptrace(PTRACE_SEIZE, child, NULL, (void *)PTRACE_O_TRACESYSGOOD), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, child, NULL, NULL), 0);
	wait_stop();
	for (int i = 0; i < 2; i++) { /* in, and out */
		assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		wait_stop();
	}
	return 0;
}

static int end_child(void **state)
{
	int status;

	(void)state;
	shared->stop = 1;
	(void)ptrace(PTRACE_DETACH, child, NULL, NULL);
	(void)kill(child, SIGCONT);
	assert_int_equal(waitpid(child, &status, __WALL), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	(void)munmap(memory, NR_PAGES * FI_PAGE_SIZE);
	(void)munmap(shared, sizeof(*shared));
	return 0;
}

static bool injectable(struct fi_injection *in)
{
	struct fi_error err = { "" };
	int r = fi_inject_begin(child, in, &err);

	if (r == -ENOEXEC) {
		print_message("%s\n", err.text);
		return false;
	}
	if (r < 0)
		fail_msg("%s", err.text);
	return true;
}

static uint64_t mask_of(pid_t pid)
{
	uint64_t mask = 0;

	assert_int_equal(ptrace(PTRACE_GETSIGMASK, pid, (void *)sizeof(mask), &mask), 0);
	return mask;
}

static void test_calls(void **state)
{
	const uint64_t bad[6] = { UINT64_MAX }, none[6] = { 0 };
	struct fi_registers before, after;
	struct fi_injection in;
	uint64_t mask;
	int64_t result;

	(void)state;
	assert_int_equal(fi_arch_get(child, &before), 0);
	mask = mask_of(child);
	if (!injectable(&in))
		skip();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fi_inject_call(&in, SYS_getpid, none, &result), 0);
		assert_int_equal(result, child);
	}
	assert_int_equal(fi_inject_call(&in, SYS_close, bad, &result), 0);
	assert_int_equal(result, -EBADF);
	assert_int_equal(fi_inject_end(&in), 0);

	assert_int_equal(fi_arch_get(child, &after), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(&before.general, &after.general, before.len);
	assert_true(mask_of(child) == mask);
}

/* One signal that has a handler, and one that nobody can block, come while calls are made. */
static void test_signals(void **state)
{
	const uint64_t none[6] = { 0 };
	struct fi_injection in;
	int64_t result;
	int status;

	(void)state;
	assert_int_equal(kill(child, SIGUSR1), 0);
	if (!injectable(&in))
		skip();
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(fi_inject_call(&in, SYS_getpid, none, &result), 0);
	assert_int_equal(result, child);
	assert_int_equal(fi_inject_end(&in), 0);
	assert_int_equal(shared->signals, 0);

	assert_int_equal(ptrace(PTRACE_DETACH, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	assert_int_equal(kill(child, SIGCONT), 0);
	while (!shared->signals)
		(void)poll(NULL, 0, 1);
	assert_int_equal(shared->signals, 1);
}

static void read_child(const void *addr, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)(uintptr_t)addr, len };

	assert_int_equal(process_vm_readv(child, &local, 1, &remote, 1, 0), (ssize_t)len);
}

/* All but the first page are missing: they are watched, the first one has to be mended. */
static void test_userfaultfd(void **state)
{
	uint8_t *bytes = malloc(NR_PAGES * FI_PAGE_SIZE), *got = malloc(FI_PAGE_SIZE);
	struct fi_pieces all = { 0 }, present = { 0 };
	struct fi_error err = { "" };
	struct fi_injection in;
	uint64_t done;
	bool intact;
	int device, fd;

	(void)state;
	if (!injectable(&in))
		skip();
	assert_int_equal(fi_inject_end(&in), 0);
	assert_non_null(bytes);
	assert_non_null(got);
	memset(bytes, 0x5a, NR_PAGES * FI_PAGE_SIZE);
	device = open(FI_TASK_UFFD_DEVICE, O_RDWR | O_CLOEXEC);
	fd = fi_task_uffd(child, device < 0 ? -errno : device, &intact, &err);
	fi_close(&device);
	assert_true(intact);
	if (fd < 0) {
		print_message("%s\n", err.text);
		free(bytes);
		free(got);
		skip();
	}
	assert_int_equal(fi_uffd_register(fd, (uintptr_t)memory, NR_PAGES * FI_PAGE_SIZE), 0);
	assert_int_equal(fi_pieces_add(&all, (struct fi_piece){ (uintptr_t)memory,
								NR_PAGES * FI_PAGE_SIZE, bytes }),
			 0);
	assert_int_equal(fi_pieces_present(child, &all, &present, &err), 0);
	assert_int_equal(present.nr, 1);
	assert_true(present.at[0].addr == (uintptr_t)memory);
	assert_int_equal(present.at[0].len, FI_PAGE_SIZE);
	assert_int_equal(fi_pieces_write(child, &present, &err), 0);
	read_child(memory, got, FI_PAGE_SIZE);
	assert_memory_equal(got, bytes, FI_PAGE_SIZE);
	assert_int_equal(memory[0], 0); /* ours is another one by now */

	assert_int_equal(
		fi_uffd_copy(fd, (uintptr_t)memory + FI_PAGE_SIZE, bytes, FI_PAGE_SIZE, &done), 0);
	read_child(memory + FI_PAGE_SIZE, got, FI_PAGE_SIZE);
	assert_memory_equal(got, bytes, FI_PAGE_SIZE);
	assert_int_equal(fi_uffd_unregister(fd, (uintptr_t)memory, NR_PAGES * FI_PAGE_SIZE), 0);
	(void)close(fd);
	fi_pieces_done(&all);
	fi_pieces_done(&present);
	free(bytes);
	free(got);
}

/* What is present of pieces short and long, close together and far apart, and not all in order. */
static void test_present(void **state)
{
	enum { NR = 20000, FAR = 15000 };
	static const struct {
		uint32_t from, to;
	} more[] = {
		{ 3000, 3001 }, { 3001, 8100 }, { 8100, 8101 }, { FAR, FAR + 3 }, { 20, 4600 }
	};
	uint8_t *mem = mmap(NULL, NR * FI_PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *asked = calloc(NR, 1), *found = calloc(NR, 1), *touched = calloc(NR, 1);
	struct fi_pieces pieces = { 0 }, present = { 0 };
	struct fi_error err = { "" };

	(void)state;
	assert_true(mem != MAP_FAILED && asked && found && touched);
	assert_int_equal(madvise(mem, NR * FI_PAGE_SIZE, MADV_NOHUGEPAGE), 0);
	for (uint32_t i = 0; i < NR; i++) {
		touched[i] = i * 2654435761U >> 30 == 0 || (i >= 4000 && i < 4300);
		if (touched[i])
			mem[i * FI_PAGE_SIZE] = 1;
	}
	for (uint32_t from = 0; from < 3000; from += 4)
		assert_int_equal(fi_pieces_add(&pieces,
					       (struct fi_piece){
						       (uintptr_t)mem + from * FI_PAGE_SIZE,
						       (from % 3 + 1) * FI_PAGE_SIZE,
						       mem + from * FI_PAGE_SIZE,
					       }),
				 0);
	for (size_t i = 0; i < FI_ARRAY_SIZE(more); i++)
		assert_int_equal(fi_pieces_add(&pieces,
					       (struct fi_piece){
						       (uintptr_t)mem + more[i].from * FI_PAGE_SIZE,
						       (more[i].to - more[i].from) * FI_PAGE_SIZE,
						       mem + more[i].from * FI_PAGE_SIZE,
					       }),
				 0);
	for (size_t i = 0; i < pieces.nr; i++)
		for (uint64_t at = 0; at < pieces.at[i].len; at += FI_PAGE_SIZE)
			asked[(pieces.at[i].addr - (uintptr_t)mem + at) / FI_PAGE_SIZE]++;

	assert_int_equal(fi_pieces_present(getpid(), &pieces, &present, &err), 0);
	for (size_t i = 0; i < present.nr; i++) {
		const struct fi_piece *piece = &present.at[i];

		assert_true(piece->len > 0);
		assert_ptr_equal(piece->bytes, (const uint8_t *)(uintptr_t)piece->addr);
		for (uint64_t at = 0; at < piece->len; at += FI_PAGE_SIZE)
			found[(piece->addr - (uintptr_t)mem + at) / FI_PAGE_SIZE]++;
	}
	for (uint32_t i = 0; i < NR; i++)
		assert_int_equal(found[i], touched[i] ? asked[i] : 0);
	fi_pieces_done(&pieces);
	fi_pieces_done(&present);
	free(asked);
	free(found);
	free(touched);
	assert_int_equal(munmap(mem, NR * FI_PAGE_SIZE), 0);
}

/* By several threads, to where the task itself may only read. */
static void test_filling(void **state)
{
	const size_t len = 32 << 20;
	uint8_t *bytes = malloc(len), *got = malloc(len);
	struct fi_pieces pieces = { 0 };
	struct fi_error err = { "" };
	struct fi_injection in;
	const uint64_t arg[6] = { 0, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0 };
	int64_t at;

	(void)state;
	if (!injectable(&in))
		skip();
	assert_int_equal(fi_inject_call(&in, SYS_mmap, arg, &at), 0);
	assert_int_equal(fi_inject_end(&in), 0);
	assert_true(at > 0);
	assert_non_null(bytes);
	assert_non_null(got);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i >> 12 ^ i);
	/* a hole of a page in between */
	assert_int_equal(fi_pieces_add(&pieces, (struct fi_piece){ (uint64_t)at, len / 2, bytes }),
			 0);
	assert_int_equal(
		fi_pieces_add(&pieces, (struct fi_piece){ (uint64_t)at + len / 2 + FI_PAGE_SIZE,
							  len / 2 - FI_PAGE_SIZE,
							  bytes + len / 2 + FI_PAGE_SIZE }),
		0);
	memset(bytes + len / 2, 0, FI_PAGE_SIZE);
	assert_int_equal(fi_pieces_write(child, &pieces, &err), 0);
	read_child((const void *)(uintptr_t)at, got, len);
	assert_memory_equal(got, bytes, len);
	fi_pieces_done(&pieces);
	free(bytes);
	free(got);
}

static size_t nr_descriptors(void)
{
	char path[64];
	size_t nr = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)child);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	(void)closedir(dir);
	return nr;
}

/* A file goes there, and the same one comes back. */
static void test_given(void **state)
{
	const int file = memfd_create("given", MFD_CLOEXEC);
	const size_t before = nr_descriptors();
	struct stat ours, back;
	struct fi_error err = { "" };
	struct fi_task_call tc;
	struct fi_injection in;
	int there, copy;

	(void)state;
	if (!injectable(&in))
		skip();
	assert_int_equal(fi_inject_end(&in), 0);
	assert_return_code(file, errno);
	assert_int_equal(fi_task_call_begin(child, &tc, &err), 0);
	there = fi_task_call_give(&tc, file, &err);
	assert_true(there >= 0);
	assert_int_equal(nr_descriptors(), before + 1);
	copy = fi_task_call_fetch(&tc, there);
	assert_return_code(copy, errno);
	assert_int_equal(fstat(file, &ours), 0);
	assert_int_equal(fstat(copy, &back), 0);
	assert_true(ours.st_ino == back.st_ino && ours.st_dev == back.st_dev);
	fi_task_call_close(&tc, there);
	assert_int_equal(fi_task_call_fetch(&tc, there), -EBADF);
	assert_true(fi_task_call_end(&tc));
	assert_int_equal(nr_descriptors(), before);
	(void)close(copy);
	(void)close(file);
}

/* Into memory that the task shares, of which some is there. */
static void test_copying(void **state)
{
	const size_t len = 16 << 20;
	uint8_t *bytes =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int file = memfd_create("shared", MFD_CLOEXEC);
	struct fi_pieces pieces = { 0 };
	struct fi_error err = { "" };
	struct fi_task_call tc;
	struct fi_injection in;
	int64_t at;
	uint8_t *mem;
	bool intact;
	int fd, there;

	(void)state;
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_int_equal(ftruncate(file, (off_t)len), 0);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	if (!injectable(&in))
		skip();
	assert_int_equal(fi_inject_end(&in), 0);
	fd = fi_task_uffd(child, -ENOENT, &intact, &err);
	assert_true(intact);
	if (fd < 0) {
		print_message("%s\n", err.text);
		skip();
	}
	assert_int_equal(fi_task_call_begin(child, &tc, &err), 0);
	there = fi_task_call_give(&tc, file, &err);
	assert_true(there >= 0);
	at = fi_task_call(&tc, SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  (uint64_t)there, 0);
	assert_true(at > 0);
	fi_task_call_close(&tc, there);
	assert_true(fi_task_call_end(&tc));

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i >> 12 ^ i);
	mem[0] = 1;
	mem[7 * FI_PAGE_SIZE] = 1;
	mem[len - 1] = 1;
	assert_int_equal(fi_uffd_register(fd, (uint64_t)at, len), 0);
	assert_int_equal(fi_pieces_add(&pieces, (struct fi_piece){ (uint64_t)at, len, bytes }), 0);
	assert_int_equal(fi_pieces_copy(child, fd, &pieces, &err), 0);
	assert_int_equal(fi_uffd_unregister(fd, (uint64_t)at, len), 0);
	assert_memory_equal(mem, bytes, len);
	(void)close(fd);
	(void)close(file);
	(void)munmap(mem, len);
	(void)munmap(bytes, len);
	fi_pieces_done(&pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, start_child, end_child),
		cmocka_unit_test_setup_teardown(test_signals, start_child, end_child),
		cmocka_unit_test_setup_teardown(test_userfaultfd, start_child, end_child),
		cmocka_unit_test(test_present),
		cmocka_unit_test_setup_teardown(test_filling, start_child, end_child),
		cmocka_unit_test_setup_teardown(test_given, start_child, end_child),
		cmocka_unit_test_setup_teardown(test_copying, start_child, end_child),
	};

	return cmocka_run_group_tests_name("plugin/inject", tests, NULL, NULL);
}
