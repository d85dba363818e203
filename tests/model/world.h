/* tests/model/world.h - a sequence's step in the model, and the same step in the real kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_MODEL_WORLD_H
#define FI_TESTS_MODEL_WORLD_H

#include "tests/model/model.h"
#include "tests/model/script.h"

#define W_THREADS 10
#define W_UFFDS	  24

/* What a step gave at once. */
struct w_out {
	int err;      /* 0 or a negative errno */
	int64_t done; /* pages filled; what a thread's own call gave is in w_state */
	unsigned pending, total;
	int nr_msgs;
	struct uffd_msg
		msgs[16]; /* model's words: FORK's descriptor is a number uN, ptid a tN + 1 */
	bool quiet;	  /* the step itself says nothing: the thread's state does */
};

enum w_kind { W_NONE, W_DONE, W_FAULT, W_EVENT, W_DEAD };

struct w_thread {
	enum w_kind kind;
	int64_t result; /* DONE: errno, signal or 0 */
	uint64_t value; /* DONE: the token read */
};

struct w_page {
	uint8_t kind; /* 0 none, 1 present, 2 marker */
	uint64_t token;
};

struct w_vma {
	uint64_t start, end;
	int prot;
};

struct w_memory {
	bool alive;
	int nr_vmas;
	struct w_vma vmas[M_VMAS];
	struct w_page pages[M_PAGES];
};

/* All that can be seen from outside once nothing moves any more. */
struct w_state {
	struct w_thread threads[W_THREADS];
	struct {
		bool open;
		short poll;
		unsigned pending, total;
	} uffds[W_UFFDS];
	struct w_memory memory[W_THREADS]; /* of the processes whose first thread tN is */
};

struct w_model; /* the model's world */
struct w_model *wm_new(void);
void wm_free(struct w_model *w);
/* @real: what the kernel gave for the step (NULL: not known); where the order is open, the model
 * chooses alike. */
void wm_step(struct w_model *w, const struct s_step *step, const struct w_out *real,
	     struct w_out *out);
void wm_state(struct w_model *w, struct w_state *state);
struct m_model *wm_machine(struct w_model *w);
int wm_thread(const struct w_model *w, int t); /* the model's index of tN, -1: none */

struct w_kernel; /* a real process */
/* NULL: not possible here, and *@why says why. */
struct w_kernel *wk_new(const char **why);
void wk_free(struct w_kernel *w);
void wk_step(struct w_kernel *w, const struct s_step *step, bool expect_msgs, struct w_out *out);
/* How long the kernel may take to do what the model did. */
extern uint64_t wk_patience_ns;
/* Waits until threads, counts and poll are as in @want, or patience is over, then looks. */
void wk_state(struct w_kernel *w, const struct w_state *want, struct w_state *state);

#endif
