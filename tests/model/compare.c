/* tests/model/compare.c - see conformance.h: steps in both worlds, and every difference in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/conformance.h"

struct c_run {
	struct w_model *model;
	struct w_kernel *kernel;
	FILE *trace;
	struct w_state ours, theirs;
	bool seen;
	char why[1024];
};

struct c_run *c_begin(void *trace, const char **why)
{
	struct c_run *run = calloc(1, sizeof(*run));

	run->kernel = wk_new(why);
	if (!run->kernel) {
		free(run);
		return NULL;
	}
	run->model = wm_new();
	run->trace = trace;
	return run;
}

void c_end(struct c_run *run)
{
	wk_free(run->kernel);
	wm_free(run->model);
	free(run);
}

const char *c_why(const struct c_run *run)
{
	return run->why;
}

const struct w_state *c_state(const struct c_run *run)
{
	return &run->ours;
}

struct m_model *c_machine(struct c_run *run)
{
	return wm_machine(run->model);
}

int c_thread(const struct c_run *run, int t)
{
	return wm_thread(run->model, t);
}

/* --- words ---------------------------------------------------------------------------------------- */

struct text {
	char at[512];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text->at + text->len, sizeof(text->at) - text->len, format, ap);
	va_end(ap);
	text->len += (size_t)n;
	if (text->len >= sizeof(text->at))
		text->len = sizeof(text->at) - 1;
}

static void say_err(struct text *text, int64_t err)
{
	if (err == 0)
		say(text, "ok");
	else if (err == M_SIGSEGV)
		say(text, "SEGV");
	else if (err == M_SIGBUS)
		say(text, "BUS");
	else if (err < 0 && strerrorname_np((int)-err))
		say(text, "%s", strerrorname_np((int)-err));
	else
		say(text, "%lld", (long long)err);
}

static long long page_of(uint64_t addr)
{
	return (long long)(addr / M_PAGE) - (long long)(M_BASE / M_PAGE);
}

static void say_msg(struct text *text, const struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		say(text, "fault %lld%s", page_of(msg->arg.pagefault.address),
		    msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE ? " w" : "");
		if (msg->arg.pagefault.flags & ~(uint64_t)UFFD_PAGEFAULT_FLAG_WRITE)
			say(text, " flags %llx", (unsigned long long)msg->arg.pagefault.flags);
		if (msg->arg.pagefault.feat.ptid)
			say(text, " t%d", (int)msg->arg.pagefault.feat.ptid - 1);
		break;
	case UFFD_EVENT_FORK:
		say(text, "fork u%u", msg->arg.fork.ufd);
		break;
	case UFFD_EVENT_REMAP:
		say(text, "remap %lld %lld %lld", page_of(msg->arg.remap.from),
		    page_of(msg->arg.remap.to), (long long)(msg->arg.remap.len / M_PAGE));
		break;
	default:
		say(text, "%s %lld %lld", msg->event == UFFD_EVENT_UNMAP ? "unmap" : "remove",
		    page_of(msg->arg.remove.start), page_of(msg->arg.remove.end));
		break;
	}
}

static void say_thread(struct text *text, const struct w_thread *thread, bool value)
{
	switch (thread->kind) {
	case W_NONE:
		say(text, "nowhere");
		break;
	case W_DONE:
		if (thread->result == 0 && value)
			say(text, "%llu", (unsigned long long)thread->value);
		else
			say_err(text, thread->result);
		break;
	case W_FAULT:
		say(text, "fault");
		break;
	case W_EVENT:
		say(text, "event");
		break;
	case W_DEAD:
		say(text, "dead");
		break;
	}
}

static void say_out(struct text *text, const struct s_step *step, const struct w_out *out,
		    const struct w_state *state)
{
	const struct w_thread *thread = &state->threads[step->who];

	switch (step->cmd) {
	case S_POLL:
		say(text, "%s", out->err == 0 ? "nothing" : out->err & POLLERR ? "err" : "in");
		return;
	case S_INFO:
		say(text, "%u %u", out->pending, out->total);
		return;
	case S_READ:
		if (out->err) {
			say_err(text, out->err);
			return;
		}
		for (int i = 0; i < out->nr_msgs; i++) {
			say(text, "%s", i ? ", " : "");
			say_msg(text, &out->msgs[i]);
		}
		return;
	default:
		break;
	}
	if (out->quiet) {
		say_thread(text, thread,
			   step->cmd == S_R || (step->cmd == S_WAIT && thread->value));
		return;
	}
	say_err(text, out->err);
	if (out->err && out->done)
		say(text, " %lld", (long long)out->done);
}

/* --- differences ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool differ(struct c_run *run, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(run->why, sizeof(run->why), format, ap);
	va_end(ap);
	return false;
}

static void say_vmas(struct text *text, const struct w_memory *memory)
{
	for (int i = 0; i < memory->nr_vmas; i++)
		say(text, " %lld-%lld:%d", page_of(memory->vmas[i].start),
		    page_of(memory->vmas[i].end), memory->vmas[i].prot);
}

static bool memory_agrees(struct c_run *run, int t)
{
	const struct w_memory *ours = &run->ours.memory[t], *theirs = &run->theirs.memory[t];

	if (ours->alive != theirs->alive)
		return differ(run, "t%d's memory: model %d, kernel %d", t, ours->alive,
			      theirs->alive);
	if (!ours->alive)
		return true;
	if (ours->nr_vmas != theirs->nr_vmas ||
	    memcmp(ours->vmas, theirs->vmas, (size_t)ours->nr_vmas * sizeof(ours->vmas[0]))) {
		struct text a = { .len = 0 }, b = { .len = 0 };

		say_vmas(&a, ours);
		say_vmas(&b, theirs);
		return differ(run, "t%d's VMAs: model%s, kernel%s", t, a.at, b.at);
	}
	for (int i = 0; i < M_PAGES; i++)
		if (ours->pages[i].kind != theirs->pages[i].kind ||
		    ours->pages[i].token != theirs->pages[i].token)
			return differ(run, "t%d's page %d: model %d %llu, kernel %d %llu", t, i,
				      ours->pages[i].kind, (unsigned long long)ours->pages[i].token,
				      theirs->pages[i].kind,
				      (unsigned long long)theirs->pages[i].token);
	return true;
}

static bool states_agree(struct c_run *run)
{
	const char *broken = m_check(wm_machine(run->model));

	if (broken)
		return differ(run, "the model is broken: %s", broken);
	for (int t = 0; t < W_THREADS; t++) {
		struct text a = { .len = 0 }, b = { .len = 0 };

		say_thread(&a, &run->ours.threads[t], run->ours.threads[t].value);
		say_thread(&b, &run->theirs.threads[t], run->theirs.threads[t].value);
		if (strcmp(a.at, b.at))
			return differ(run, "t%d: model %s, kernel %s", t, a.at, b.at);
	}
	for (int u = 0; u < W_UFFDS; u++) {
		const __typeof__(run->ours.uffds[0]) *a = &run->ours.uffds[u];
		const __typeof__(run->ours.uffds[0]) *b = &run->theirs.uffds[u];

		if (a->open != b->open || a->poll != b->poll || a->pending != b->pending ||
		    a->total != b->total)
			return differ(run, "u%d: model %d poll %d, %u %u, kernel %d poll %d, %u %u",
				      u, a->open, a->poll, a->pending, a->total, b->open, b->poll,
				      b->pending, b->total);
	}
	for (int t = 0; t < W_THREADS; t++)
		if (!memory_agrees(run, t))
			return false;
	return true;
}

bool c_step(struct c_run *run, const struct s_step *step)
{
	struct text ours = { .len = 0 }, theirs = { .len = 0 };
	struct w_out model, kernel;
	bool expect_msgs = false;
	bool agree;

	if (step->cmd == S_READ)
		expect_msgs = run->ours.uffds[step->who].poll & POLLIN;
	if (!run->seen)
		wm_state(run->model, &run->ours);
	run->seen = true;
	if ((s_is_thread(step->cmd) || step->cmd == S_OPEN || step->cmd == S_UFFD) &&
	    run->ours.threads[step->who].kind != W_DONE)
		return differ(run, "senseless: '%s': the thread is not there or busy", step->text);
	if (step->cmd == S_FORK && run->ours.threads[step->flags].kind != W_NONE)
		return differ(run, "senseless: '%s': the thread is there", step->text);
	if (step->cmd >= S_API && step->cmd <= S_CLOSE && !run->ours.uffds[step->who].open)
		return differ(run, "senseless: '%s': no such userfaultfd", step->text);
	wk_step(run->kernel, step, expect_msgs, &kernel);
	wm_step(run->model, step, &kernel, &model);
	wm_state(run->model, &run->ours);
	wk_state(run->kernel, &run->ours, &run->theirs);

	say_out(&ours, step, &model, &run->ours);
	say_out(&theirs, step, &kernel, &run->theirs);
	if (run->trace)
		fprintf(run->trace, "# %-32s => %s\n", step->text, theirs.at);
	agree = strcmp(ours.at, theirs.at) == 0;
	if (!agree)
		return differ(run, "'%s': model: %s, kernel: %s", step->text, ours.at, theirs.at);
	if (step->want[0] && strcmp(step->want, theirs.at))
		return differ(run, "'%s' must give: %s, but gives: %s", step->text, step->want,
			      theirs.at);
	if (!states_agree(run)) {
		char why[sizeof(run->why)];

		memcpy(why, run->why, sizeof(why));
		return differ(run, "after '%s': %.900s", step->text, why);
	}
	return true;
}
