/* tests/model/world-kernel.c - see world.h: a process of our own whose threads do as they are told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Orders and answers go through shared memory.  That a thread sleeps in a fault or for an event is
 * seen in its wchan, so nothing here has to guess with delays.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/world.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

uint64_t wk_patience_ns = UINT64_C(20000000000);
#define SETTLE_NS wk_patience_ns
#define SRC_PAGES 16

enum { OWN_CLOSE = 1000 }; /* an order that no script has */

struct slot {
	_Atomic int ordered, done; /* counts */
	struct s_step step;
	int cmd; /* step.cmd or an order of our own */
	int arg;
	int64_t result;
	uint64_t value;
	_Atomic pid_t pid, tid;
	pid_t master;
};

struct w_kernel {
	struct slot *slots; /* shared with the arena's processes */
	int uffds[W_UFFDS];
	int nr_uffds;
	int64_t fd_room;
	pid_t group;	 /* all of the arena's processes */
	uint8_t *source; /* SRC_PAGES that can be read, then as many that cannot */
	struct {
		int wchan, maps, pagemap, mem;
		pid_t pid, tid;
	} seen[W_THREADS];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* False: in vain. */
static bool futex_wait(_Atomic int *at, int seen, uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	return syscall(SYS_futex, at, FUTEX_WAIT, seen, &ts, NULL, 0) == 0 || errno == EAGAIN;
}

static void futex_wake(_Atomic int *at)
{
	(void)syscall(SYS_futex, at, FUTEX_WAKE, 8, NULL, NULL, 0);
}

/* --- in the arena -------------------------------------------------------------------------------- */

static __thread sigjmp_buf touching;

static void on_signal(int signal)
{
	siglongjmp(touching, signal);
}

__attribute__((no_sanitize("address"))) static void touch(struct slot *slot)
{
	volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)slot->step.addr;
	int signal = sigsetjmp(touching, 1);

	if (signal) {
		slot->result = signal == SIGBUS ? M_SIGBUS : M_SIGSEGV;
		return;
	}
	if (slot->step.cmd == S_R)
		slot->value = *word;
	else
		*word = slot->step.value;
	slot->result = 0;
}

static int prot_of(int prot)
{
	return (prot & M_PROT_READ ? PROT_READ : 0) | (prot & M_PROT_WRITE ? PROT_WRITE : 0);
}

static int64_t map(const struct s_step *step, int fd)
{
	int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
	void *at = mmap((void *)(uintptr_t)step->addr, step->len, prot_of(step->prot), flags, fd,
			fd < 0 ? 0 : (off_t)1 << 30);

	return at == MAP_FAILED ? -errno : 0;
}

static int64_t map_file(const struct s_step *step)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int64_t r = map(step, fd);

	(void)close(fd);
	return r;
}

static void serve(struct slot *slots, int t);

static int64_t do_fork(struct slot *slots, int t, int child)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return 0;
	(void)t;
	serve(slots, child);
	_exit(0);
}

static void obey(struct slot *slots, int t)
{
	struct slot *slot = &slots[t];
	const struct s_step *step = &slot->step;
	void *addr = (void *)(uintptr_t)step->addr, *to = (void *)(uintptr_t)step->to;
	long r = 0;

	switch (slot->cmd) {
	case S_R:
	case S_W:
		touch(slot);
		return;
	case S_MMAP:
		slot->result = map(step, -1);
		return;
	case S_FILE:
		slot->result = map_file(step);
		return;
	case S_FORK:
		slot->result = do_fork(slots, t, step->flags);
		return;
	case S_MUNMAP:
		r = munmap(addr, step->len);
		break;
	case S_MREMAP:
		r = syscall(SYS_mremap, addr, step->len, step->new_len, step->flags, to);
		if (r != -1)
			r = 0;
		break;
	case S_ADV:
		r = madvise(addr, step->len, step->flags);
		break;
	case S_PROT:
		r = mprotect(addr, step->len, prot_of(step->prot));
		break;
	case S_EXEC:
		r = execl("/bin/true", "true", NULL);
		break;
	case S_EXIT:
		_exit(0);
	case S_OPEN:
	case S_UFFD:
		r = syscall(SYS_userfaultfd, O_CLOEXEC | (step->flags ? 0 : O_NONBLOCK));
		break;
	case OWN_CLOSE:
		r = close(slot->arg);
		break;
	default:
		r = -1;
		errno = ENOSYS;
		break;
	}
	slot->result = r < 0 ? -errno : r;
}

static void serve(struct slot *slots, int t)
{
	struct slot *slot = &slots[t];

	slot->tid = (pid_t)syscall(SYS_gettid);
	slot->pid = getpid();
	futex_wake(&slot->ordered);
	for (int seen = 0;; seen++) {
		while (slot->ordered == seen)
			if (!futex_wait(&slot->ordered, seen, 1000000000) &&
			    kill(slots[0].master, 0) < 0)
				_exit(1); /* whoever gives the orders has died */
		slot->value = 0;
		obey(slots, t);
		slot->done = seen + 1;
		futex_wake(&slot->done);
	}
}

struct helper {
	struct slot *slots;
	int t;
};

static void *helper_main(void *arg)
{
	struct helper *helper = arg;

	serve(helper->slots, helper->t);
	return NULL;
}

static _Noreturn void arena_main(struct slot *slots)
{
	static struct helper helpers[3];
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	pthread_t thread;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
	for (int t = 1; t < 3; t++) {
		helpers[t] = (struct helper){ slots, t };
		if (pthread_create(&thread, NULL, helper_main, &helpers[t]))
			_exit(1);
	}
	serve(slots, 0);
	_exit(0);
}

/* --- outside -------------------------------------------------------------------------------------- */

static bool wait_born(struct slot *slot)
{
	uint64_t until = now_ns() + SETTLE_NS;

	while (!slot->pid && now_ns() < until)
		(void)sched_yield();
	return slot->pid;
}

static void order(struct slot *slot)
{
	slot->ordered++;
	futex_wake(&slot->ordered);
}

/* An order that cannot sleep in the kernel for long. */
static int64_t ask(struct slot *slot, int cmd, int arg)
{
	uint64_t until = now_ns() + SETTLE_NS;
	int seen;

	slot->cmd = cmd;
	slot->arg = arg;
	order(slot);
	while ((seen = slot->done) != slot->ordered && now_ns() < until)
		(void)futex_wait(&slot->done, seen, 1000000);
	return slot->done == slot->ordered ? slot->result : -ETIMEDOUT;
}

void wk_free(struct w_kernel *w)
{
	if (w->group > 0)
		(void)kill(-w->group, SIGKILL);
	for (int u = 0; u < W_UFFDS; u++)
		if (w->uffds[u] >= 0)
			(void)close(w->uffds[u]);
	for (int t = 0; t < W_THREADS; t++) {
		if (w->seen[t].wchan >= 0)
			(void)close(w->seen[t].wchan);
		if (w->seen[t].maps >= 0)
			(void)close(w->seen[t].maps);
		if (w->seen[t].pagemap >= 0)
			(void)close(w->seen[t].pagemap);
		if (w->seen[t].mem >= 0)
			(void)close(w->seen[t].mem);
	}
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) >= 0;) {
		if (pid == 0) {
			if (w->group > 0)
				(void)kill(-w->group,
					   SIGKILL); /* one may have been born meanwhile */
			(void)usleep(100);
		}
	}
	(void)munmap(w->slots, W_THREADS * sizeof(w->slots[0]));
	(void)munmap(w->source, 2 * SRC_PAGES * M_PAGE);
	free(w);
}

struct w_kernel *wk_new(const char **why)
{
	struct w_kernel *w = calloc(1, sizeof(*w));
	size_t size = W_THREADS * sizeof(w->slots[0]);
	pid_t pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	w->fd_room = -1;
	for (int t = 0; t < W_THREADS; t++)
		w->seen[t].wchan = w->seen[t].maps = w->seen[t].pagemap = w->seen[t].mem = -1;
	for (int u = 0; u < W_UFFDS; u++)
		w->uffds[u] = -1;
	w->slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	w->source = mmap(NULL, 2 * SRC_PAGES * M_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->slots == MAP_FAILED || w->source == MAP_FAILED) {
		*why = "out of memory";
		free(w);
		return NULL;
	}
	(void)mprotect(w->source + SRC_PAGES * M_PAGE, SRC_PAGES * M_PAGE, PROT_NONE);
	w->slots[0].master = getpid();
	pid = fork();
	if (pid == 0)
		arena_main(w->slots);
	(void)setpgid(pid, pid);
	w->group = pid;
	for (int t = 0; t < 3; t++) {
		if (pid > 0 && wait_born(&w->slots[t]))
			continue;
		*why = "cannot start a process with three threads";
		wk_free(w);
		return NULL;
	}
	return w;
}

static int open_uffd(struct w_kernel *w, const struct s_step *step)
{
	struct slot *slot = &w->slots[step->who];
	int64_t result = slot->result, theirs, ours;
	uint64_t value = slot->value;
	int pidfd;

	slot->step = *step;
	theirs = ask(slot, (int)step->cmd, 0);
	slot->result = result; /* what the script's last call gave stays to be asked for */
	slot->value = value;
	if (theirs < 0)
		return (int)theirs;
	pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
	ours = syscall(SYS_pidfd_getfd, pidfd, (int)theirs, 0);
	if (ours < 0)
		ours = -errno;
	(void)close(pidfd);
	(void)ask(slot, OWN_CLOSE, (int)theirs);
	slot->result = result;
	slot->value = value;
	if (ours >= 0)
		w->uffds[w->nr_uffds++] = (int)ours;
	return (int)ours;
}

static int api(int fd, uint64_t number, uint64_t features)
{
	struct uffdio_api arg = { .api = number, .features = features };

	return ioctl(fd, UFFDIO_API, &arg) < 0 ? -errno : 0;
}

static int fill(struct w_kernel *w, const struct s_step *step, int fd, int64_t *done)
{
	uint64_t readable = step->src < 0 ? SRC_PAGES : (uint64_t)step->src;
	uint8_t *src = w->source + (SRC_PAGES - readable) * M_PAGE;
	struct uffdio_copy copy = {
		.dst = step->addr,
		.src = (uintptr_t)src,
		.len = step->len,
		.mode = step->mode,
	};
	struct uffdio_zeropage zero = { { step->addr, step->len }, step->mode, 0 };
	struct uffdio_poison poison = { { step->addr, step->len }, step->mode, 0 };
	int r;

	switch (step->cmd) {
	case S_COPY:
		for (uint64_t i = 0; i < readable; i++)
			*(uint64_t *)(void *)(src + i * M_PAGE) = step->value + i;
		r = ioctl(fd, UFFDIO_COPY, &copy) < 0 ? -errno : 0;
		*done = copy.copy;
		break;
	case S_ZERO:
		r = ioctl(fd, UFFDIO_ZEROPAGE, &zero) < 0 ? -errno : 0;
		*done = zero.zeropage;
		break;
	default:
		r = ioctl(fd, UFFDIO_POISON, &poison) < 0 ? -errno : 0;
		*done = poison.updated;
		break;
	}
	return r;
}

static int range(const struct s_step *step, int fd)
{
	struct uffdio_register reg = { { step->addr, step->len }, step->mode, 0 };
	struct uffdio_range plain = { step->addr, step->len };
	int r;

	switch (step->cmd) {
	case S_REG:
		r = ioctl(fd, UFFDIO_REGISTER, &reg);
		break;
	case S_UNREG:
		r = ioctl(fd, UFFDIO_UNREGISTER, &plain);
		break;
	default:
		r = ioctl(fd, UFFDIO_WAKE, &plain);
		break;
	}
	return r < 0 ? -errno : 0;
}

static ssize_t limited_read(struct w_kernel *w, int fd, void *buf, size_t len)
{
	struct rlimit limit, tight;
	ssize_t r;
	int err, free;

	if (w->fd_room < 0)
		return read(fd, buf, len);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	tight = limit;
	free = dup(fd);
	(void)close(free);
	tight.rlim_cur = (rlim_t)free + (rlim_t)w->fd_room;
	(void)setrlimit(RLIMIT_NOFILE, &tight);
	r = read(fd, buf, len);
	err = errno;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	errno = err;
	return r;
}

static void read_msgs(struct w_kernel *w, const struct s_step *step, int fd, bool expect_msgs,
		      struct w_out *out)
{
	uint64_t until = now_ns() + SETTLE_NS;
	ssize_t len;

	do {
		len = limited_read(w, fd, out->msgs, step->len * sizeof(out->msgs[0]));
	} while (len < 0 && errno == EAGAIN && expect_msgs && now_ns() < until);
	out->err = len < 0 ? -errno : 0;
	out->nr_msgs = len < 0 ? 0 : (int)((size_t)len / sizeof(out->msgs[0]));
	for (int i = 0; i < out->nr_msgs; i++) {
		struct uffd_msg *msg = &out->msgs[i];

		if (msg->event == UFFD_EVENT_FORK) {
			w->uffds[w->nr_uffds++] = (int)msg->arg.fork.ufd;
			msg->arg.fork.ufd = (uint32_t)w->nr_uffds - 1;
		}
		if (msg->event == UFFD_EVENT_PAGEFAULT && msg->arg.pagefault.feat.ptid)
			for (int t = 0; t < W_THREADS; t++)
				if ((pid_t)msg->arg.pagefault.feat.ptid == w->slots[t].tid) {
					msg->arg.pagefault.feat.ptid = (uint32_t)t + 1;
					break;
				}
	}
}

static void fd_counts(int fd, unsigned *pending, unsigned *total)
{
	char name[64], text[1024];
	const char *at;
	ssize_t len;
	int info;

	(void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = open(name, O_RDONLY | O_CLOEXEC);
	len = read(info, text, sizeof(text) - 1);
	(void)close(info);
	text[len > 0 ? len : 0] = '\0';
	at = strstr(text, "pending:");
	*pending = at ? (unsigned)strtoul(at + 8, NULL, 10) : 999;
	at = strstr(text, "total:");
	*total = at ? (unsigned)strtoul(at + 6, NULL, 10) : 999;
}

static short fd_poll(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	(void)poll(&pfd, 1, 0);
	return pfd.revents;
}

void wk_step(struct w_kernel *w, const struct s_step *step, bool expect_msgs, struct w_out *out)
{
	int fd = step->cmd >= S_API && step->cmd <= S_CLOSE ? w->uffds[step->who] : -1;
	int64_t done = 0;
	int r;

	memset(out, 0, sizeof(*out));
	switch (step->cmd) {
	case S_KILL:
		(void)kill(w->slots[step->who].pid, SIGKILL);
		out->quiet = true;
		break;
	case S_WAIT:
		out->quiet = true;
		break;
	case S_OPEN:
	case S_UFFD:
		r = open_uffd(w, step);
		if (r >= 0 && step->cmd == S_UFFD)
			r = api(r, UFFD_API, step->mode);
		out->err = r < 0 ? r : 0;
		break;
	case S_API:
		out->err = api(fd, step->value, step->mode);
		break;
	case S_REG:
	case S_UNREG:
	case S_WAKE:
		out->err = range(step, fd);
		break;
	case S_COPY:
	case S_ZERO:
	case S_POISON:
		out->err = fill(w, step, fd, &done);
		break;
	case S_READ:
		read_msgs(w, step, fd, expect_msgs, out);
		break;
	case S_POLL:
		out->err = fd_poll(fd);
		break;
	case S_INFO:
		fd_counts(fd, &out->pending, &out->total);
		break;
	case S_CLOSE:
		out->err = close(fd) < 0 ? -errno : 0;
		w->uffds[step->who] = -1;
		break;
	case S_LIMIT:
		w->fd_room = (int64_t)step->len;
		break;
	default:
		w->slots[step->who].step = *step;
		w->slots[step->who].cmd = (int)step->cmd;
		order(&w->slots[step->who]);
		out->quiet = true;
		break;
	}
	out->done = done > 0 ? done / (int64_t)M_PAGE : 0;
}

/* --- looking -------------------------------------------------------------------------------------- */

static int open_of(pid_t pid, pid_t tid, const char *what)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "/proc/%d/task/%d/%s", pid, tid, what);
	return open(name, O_RDONLY | O_CLOEXEC);
}

/* The files of /proc that show the thread, opened once. */
static void see(struct w_kernel *w, int t)
{
	struct slot *slot = &w->slots[t];

	if (w->seen[t].pid)
		return;
	w->seen[t].pid = slot->pid;
	w->seen[t].tid = slot->tid;
	w->seen[t].wchan = open_of(slot->pid, slot->tid, "wchan");
	if (t != 0 && t < 3)
		return; /* t0's process */
	w->seen[t].maps = open_of(slot->pid, slot->tid, "maps");
	w->seen[t].mem = open_of(slot->pid, slot->tid, "mem");
	w->seen[t].pagemap = open_of(slot->pid, slot->tid, "pagemap");
}

static bool is_dead(pid_t pid)
{
	(void)waitpid(pid, NULL, WNOHANG); /* ours, or inherited: else it is reaped elsewhere */
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void thread_state(struct w_kernel *w, int t, enum w_kind want, struct w_thread *ret)
{
	struct slot *slot = &w->slots[t];
	char text[128];
	ssize_t len;

	memset(ret, 0, sizeof(*ret));
	if (!slot->pid)
		return;
	see(w, t);
	if (want == W_DEAD || slot->cmd == S_EXIT || slot->cmd == S_EXEC) {
		if (is_dead(slot->pid)) {
			ret->kind = W_DEAD;
			return;
		}
	}
	if (slot->done == slot->ordered) {
		ret->kind = W_DONE;
		ret->result = slot->result;
		ret->value = slot->value;
		return;
	}
	len = pread(w->seen[t].wchan, text, sizeof(text) - 1, 0);
	if (len <= 0) {
		if (is_dead(slot->pid))
			ret->kind = W_DEAD;
		return;
	}
	text[len] = '\0';
	if (strstr(text, "handle_userfault"))
		ret->kind = W_FAULT;
	else if (strstr(text, "userfaultfd_event_wait"))
		ret->kind = W_EVENT;
}

static void memory_state(struct w_kernel *w, int t, struct w_memory *memory)
{
	static char text[65536];
	uint64_t entries[M_PAGES] = { 0 };
	size_t have = 0;
	ssize_t len;

	memory->alive = !is_dead(w->slots[t].pid);
	if (!memory->alive)
		return;
	(void)lseek(w->seen[t].maps, 0, SEEK_SET);
	while (have < sizeof(text) - 1 &&
	       (len = read(w->seen[t].maps, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)len;
		/* the arena is below everything else */
		text[have] = '\0';
		if (strstr(text, "\n5") || strstr(text, "\n7"))
			break;
	}
	text[have] = '\0';
	for (char *line = text; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		char *end;
		uint64_t from = strtoull(line, &end, 16), to;

		to = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
		if (from < M_BASE || from >= M_END || memory->nr_vmas == M_VMAS)
			continue;
		memory->vmas[memory->nr_vmas++] = (struct w_vma){
			from,
			to,
			(end[1] == 'r' ? M_PROT_READ : 0) | (end[2] == 'w' ? M_PROT_WRITE : 0),
		};
	}
	(void)!pread(w->seen[t].pagemap, entries, sizeof(entries),
		     (off_t)(M_BASE / M_PAGE * sizeof(entries[0])));
	for (int i = 0; i < M_PAGES; i++) {
		struct w_page *page = &memory->pages[i];

		if (entries[i] >> 63) {
			page->kind = 1;
			(void)!pread(w->seen[t].mem, &page->token, sizeof(page->token),
				     (off_t)(M_BASE + (uint64_t)i * M_PAGE));
		} else if (entries[i] >> 62 & 1) {
			page->kind = 2;
		}
	}
}

static bool looks_as_wanted(struct w_kernel *w, const struct w_state *want, struct w_state *state)
{
	bool alike = true;

	for (int t = 0; t < W_THREADS; t++) {
		thread_state(w, t, want->threads[t].kind, &state->threads[t]);
		alike = alike && state->threads[t].kind == want->threads[t].kind;
	}
	for (int u = 0; u < W_UFFDS && alike; u++) {
		state->uffds[u].open = w->uffds[u] >= 0;
		if (!state->uffds[u].open)
			continue;
		state->uffds[u].poll = fd_poll(w->uffds[u]);
		fd_counts(w->uffds[u], &state->uffds[u].pending, &state->uffds[u].total);
		alike = alike && state->uffds[u].poll == want->uffds[u].poll &&
			state->uffds[u].pending == want->uffds[u].pending &&
			state->uffds[u].total == want->uffds[u].total;
	}
	return alike;
}

void wk_state(struct w_kernel *w, const struct w_state *want, struct w_state *state)
{
	uint64_t until = now_ns() + SETTLE_NS;

	memset(state, 0, sizeof(*state));
	for (unsigned tries = 0; !looks_as_wanted(w, want, state) && now_ns() < until; tries++) {
		if (tries < 20)
			(void)sched_yield();
		else
			(void)usleep(50);
	}
	for (int t = 0; t < W_THREADS; t++)
		if (w->slots[t].pid && (t == 0 || t >= 3))
			memory_state(w, t, &state->memory[t]);
}
