/* tests/model/model.h - the kernel's half of userfaultfd(2), deterministic and in user space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A struct m_model is a small machine: address spaces with VMAs and page tables, tasks with threads
 * that touch and change them, and userfaultfd contexts with their queues.  Nothing happens by
 * itself: a thread that is inside the kernel moves one step at a time when it is told to, so a
 * scheduler decides every interleaving, and the same decisions always give the same history.  The
 * whole state is one block without pointers into itself: a copy of it is a snapshot.
 *
 * Behaviour is that of Linux 6.18 as tests/model/conformance compares it; doc/model.md says what is
 * modelled and what is not.  Addresses and lengths are bytes.  Only the arena, [M_BASE, M_BASE +
 * M_PAGES pages), can be mapped; a page holds one token of 64 bits.  All functions return 0 (or a
 * count) or a negative errno.
 */
#ifndef FI_TESTS_MODEL_MODEL_H
#define FI_TESTS_MODEL_MODEL_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define M_PAGE	    UINT64_C(4096)
#define M_PAGES	    64
#define M_BASE	    UINT64_C(0x10000000)
#define M_END	    (M_BASE + M_PAGES * M_PAGE)
#define M_MMAP_MIN  UINT64_C(0x10000)
#define M_TASK_SIZE UINT64_C(0x7ffffffff000)

enum {
	M_MMS = 24,
	M_TASKS = 24,
	M_THREADS = 32,
	M_CTXS = 32,
	M_FDS = 48,
	M_VMAS = 64,
	M_FRAMES = 2048,
	M_NOTES = 12,
};

/* What a touch may end with beside a value: the signal that the thread gets. */
enum { M_SIGSEGV = -1001, M_SIGBUS = -1002, M_KILLED = -1003 };

/* --- address spaces ------------------------------------------------------------------------- */

enum { M_PROT_READ = 1, M_PROT_WRITE = 2 };
enum { M_VM_DONTFORK = 1, M_VM_WIPEONFORK = 2, M_VM_MISSING = 4, M_VM_FILE = 8 };

struct m_vma {
	uint64_t start, end;
	uint64_t pgoff; /* pages; VMAs merge only where it goes on */
	uint16_t anon;	/* which anon_vma, 0: none yet */
	bool uncowed;	/* its anon_vma came from a parent */
	uint8_t prot, flags;
	int8_t ctx; /* -1: none */
};

/* A page table entry: none, the zero page, a poison marker, or M_PTE_FRAME + a frame. */
enum { M_PTE_NONE = 0, M_PTE_ZERO = 1, M_PTE_POISON = 2, M_PTE_FRAME = 3 };

struct m_mm {
	bool used;
	int users;   /* tasks, and calls that hold it; 0: the memory is gone */
	int refs;    /* contexts */
	int readers; /* the mmap lock, shared */
	uint16_t nr_vmas;
	struct m_vma vmas[M_VMAS];
	uint16_t pte[M_PAGES];
	/* What each page would hold if nobody ever had to be asked for it: the tester sets it, and
	 * the task's own actions change it.  The kernel knows nothing of this. */
	uint64_t want[M_PAGES];
	/* It was copied or moved while another thread discarded it: zero is as right. */
	bool or_zero[M_PAGES];
	/* It was moved here while another thread discarded what is here: the discard may have come
	 * first. */
	bool arrived[M_PAGES];
};

struct m_frame {
	uint64_t token;
	int refs; /* more than one: shared after fork, copied on write */
};

/* --- userfaultfd contexts --------------------------------------------------------------------- */

struct m_ctx {
	bool used, released, initialized;
	int refs;
	int mm;
	uint64_t features;
	int changing; /* mmap_changing: changes prepared whose threads have not gone on yet */
};

struct m_fd {
	int ctx; /* -1: free */
	bool nonblock;
};

/* --- tasks ------------------------------------------------------------------------------------ */

enum m_op {
	M_OP_NONE,
	M_OP_READ,     /* addr */
	M_OP_WRITE,    /* addr, token */
	M_OP_MMAP,     /* addr, len, prot: MAP_FIXED, private, anonymous (file: of a file) */
	M_OP_MUNMAP,   /* addr, len */
	M_OP_MREMAP,   /* addr, len, new_len, flags (MREMAP_*), to */
	M_OP_MADVISE,  /* addr, len, flags (MADV_*) */
	M_OP_MPROTECT, /* addr, len, prot */
	M_OP_FORK,     /* result: index of the child's thread */
	M_OP_EXEC,
	M_OP_EXIT, /* of the whole process */
};

enum m_thread_state {
	M_FREE,
	M_USER,	    /* in user mode: m_start may give it something to do */
	M_KERNEL,   /* inside a call: m_step moves it on */
	M_IN_FAULT, /* asleep until woken */
	M_IN_EVENT, /* asleep until its event is read */
	M_DEAD,
};

/* A change that a context is to be told of, once the locks are dropped. */
struct m_note {
	int8_t ctx, child; /* child: the context made for a FORK, or -1 */
	uint8_t event;
	uint64_t a, b, c;
};

struct m_call {
	enum m_op op;
	uint64_t addr, len, new_len, to, token;
	int prot, flags;
	bool file;

	int pc;
	uint64_t at; /* madvise: how far */
	int64_t result;
	int child_mm;
	int nr_notes, note;
	struct m_note notes[M_NOTES];
};

enum m_queue { M_Q_NONE, M_Q_PENDING, M_Q_READ, M_Q_EVENT };

struct m_thread {
	enum m_thread_state state;
	int task;
	bool killed;
	struct m_call call;
	int64_t result; /* of the last call that ended; for reads see value */
	uint64_t value;

	/* Waiting: */
	enum m_queue queue;
	int ctx;
	struct uffd_msg msg;
	uint64_t seq;	/* order of arrival */
	uint32_t epoch; /* see m_model */
};

struct m_task {
	bool used, alive;
	int mm;
};

struct m_model {
	struct m_mm mms[M_MMS];
	struct m_task tasks[M_TASKS];
	struct m_thread threads[M_THREADS];
	struct m_ctx ctxs[M_CTXS];
	struct m_fd fds[M_FDS];
	struct m_frame frames[M_FRAMES];
	uint64_t seq;
	uint16_t next_anon;
	uint64_t files;

	/* What arrives in one epoch is, to the outside, unordered: a tester raises it after each
	 * step that it can see from outside. */
	uint32_t epoch;
	/* The order that m_read is to choose where it may (see m_hint); 0: by arrival. */
	struct uffd_msg hint;
	bool hinted;

	/* The machine's limits and misfortunes. */
	unsigned max_map_count;
	unsigned max_fds;    /* open descriptors; beyond: EMFILE */
	int fail_fork_after; /* fork fails after copying this many VMAs; -1: never */
	int fail_pages;	     /* copies fail with ENOMEM after this many more pages; -1: never */

	/* Called where a door call holds no lock, or only shared ones: others may run.  May be
	 * NULL. */
	void (*yield)(void *arg, const char *where);
	void *yield_arg;
	/* Can the source page be read, and is it mapped so that the quick way works?  NULL: yes. */
	bool (*readable)(void *arg, const void *page);
	bool (*mapped)(void *arg, const void *page);
	void *source_arg;
};

void m_init(struct m_model *m);

/* A process with one thread and an empty address space.  Returns its thread. */
int m_spawn(struct m_model *m);
/* One more thread in the process of @thread.  Returns it. */
int m_clone(struct m_model *m, int thread);

/* Begins a call.  The thread must be in user mode. */
void m_start(struct m_model *m, int thread, const struct m_call *call);
/* True if m_step can do something now: the thread is in the kernel and the lock that it wants is
 * free. */
bool m_can_step(const struct m_model *m, int thread);
/* One step.  A thread that comes back to user mode has its result and value set. */
void m_step(struct m_model *m, int thread);
/* Steps until it sleeps, is back in user mode, or is dead.  False: a lock is in the way. */
bool m_run(struct m_model *m, int thread);

/* SIGKILL to the process of @thread: its threads die as soon as they are stepped. */
void m_kill(struct m_model *m, int thread);
/* The slot of a dead thread may be used again. */
void m_reap(struct m_model *m, int thread);

/* --- userfaultfd(2), ioctl_userfaultfd(2) ----------------------------------------------------- */

/* Made by a thread for its own address space. */
int m_userfaultfd(struct m_model *m, int thread, bool nonblock);
int m_api(struct m_model *m, int fd, uint64_t api, uint64_t features);
int m_register(struct m_model *m, int fd, uint64_t start, uint64_t len, uint64_t mode);
int m_unregister(struct m_model *m, int fd, uint64_t start, uint64_t len);
int m_wake(struct m_model *m, int fd, uint64_t start, uint64_t len);

/* Page i's token is the first word at @src + i * @stride.  *@done is the bytes filled, or what the
 * kernel writes there instead: its own negative errno. */
int m_copy(struct m_model *m, int fd, uint64_t dst, const void *src, size_t stride, uint64_t len,
	   uint64_t mode, int64_t *done);
int m_zeropage(struct m_model *m, int fd, uint64_t dst, uint64_t len, uint64_t mode, int64_t *done);
int m_poison(struct m_model *m, int fd, uint64_t dst, uint64_t len, uint64_t mode, int64_t *done);

/* Never sleeps: -EAGAIN when there is nothing. Returns how many messages.  THREAD_ID's ptid is the
 * thread's index + 1. */
int m_read(struct m_model *m, int fd, struct uffd_msg *msgs, size_t nr);
/* The next m_read is to take the message @msg first, if it is one of those whose order is open. */
void m_hint(struct m_model *m, const struct uffd_msg *msg);
/* POLLIN, POLLERR or 0. */
int m_poll(const struct m_model *m, int fd);
int m_close(struct m_model *m, int fd);
/* The counts of /proc/PID/fdinfo/FD. */
int m_fdinfo(const struct m_model *m, int fd, unsigned *pending, unsigned *total);

/* --- for testers ------------------------------------------------------------------------------ */

const struct m_vma *m_find_vma(const struct m_mm *mm, uint64_t addr); /* holds @addr, or NULL */
struct m_mm *m_mm_of(struct m_model *m, int thread);
uint16_t m_pte(const struct m_mm *mm, uint64_t addr);
/* The token that a read of a present page finds. */
uint64_t m_token(const struct m_model *m, uint16_t pte);
/* Some thread is discarding the page just now: it may be seen as it was, or as zero. */
bool m_discarding(const struct m_model *m, const struct m_mm *mm, uint64_t addr);
/* The page may be found to be @token. */
bool m_may_be(const struct m_model *m, const struct m_mm *mm, uint64_t addr, uint64_t token);
uint64_t *m_want(struct m_mm *mm, uint64_t addr);
/* How much is in use; 0 when everything has gone. */
unsigned m_in_use(const struct m_model *m);
/* The model's own invariants.  NULL, or what is wrong. */
const char *m_check(const struct m_model *m);

#endif
