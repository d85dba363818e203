/* tests/model/conformance.h - one sequence in both worlds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_MODEL_CONFORMANCE_H
#define FI_TESTS_MODEL_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/world.h"

struct c_case {
	const char *name;
	const char *source; /* where the promise was made: "seed LINES", "fork commit", or NULL */
	const char *script;
};

extern const struct c_case c_cases[];
extern const size_t c_nr_cases;

struct c_run;

/* NULL: not possible here, and *@why says why.  @trace: where each step and what it gave is written
 * (NULL: nowhere). */
struct c_run *c_begin(void *trace, const char **why);
/* One step; false if the worlds disagree, or with what the step wants.  Then c_why says how. */
bool c_step(struct c_run *run, const struct s_step *step);
const char *c_why(const struct c_run *run);
const struct w_state *c_state(const struct c_run *run); /* as of the last step */
struct m_model *c_machine(struct c_run *run);
int c_thread(const struct c_run *run, int t); /* the model's index of tN; -1: none */
void c_end(struct c_run *run);

/* One random sequence.  Writes the next step for the present state. */
struct c_random {
	uint64_t seed;
	int nr_opened, nr_uffds, nr_children;
	uint64_t token;
};
void c_random_step(struct c_random *random, struct c_run *run, char *text, size_t room);

#endif
