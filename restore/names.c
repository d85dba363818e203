/* restore/names.c - see names.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A person has a pid, a space, or both.  A person with only one of them waits in its parent's list
 * for the other half; matching merges the two.  `births` and `pids` of a person are its children
 * that wait.  Persons with a pid are in a tree (tsearch) by pid.
 */
#include "config.h"

#include "restore/names.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* A birth is told of within moments of its process event, or never. */
#define STALE_NS UINT64_C(10000000000)

struct person {
	pid_t pid;		/* 0: not known yet */
	struct fi_space *space; /* NULL: not known yet; a user */
	uint64_t time;		/* birth: reading began; pid: the kernel's event */
	struct person *parent;	/* whose list it waits in, or NULL */
	struct person *next;	/* in that list */
	struct person *births;	/* have a space, wait for a pid; oldest first */
	struct person *pids;	/* have a pid, wait for a space; oldest first */
	struct person *all;	/* every person */
};

struct fi_names {
	pthread_mutex_t lock;
	void *by_pid;
	struct person *all;
	bool unavailable;
};

int fi_names_new(struct fi_names **ret)
{
	struct fi_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	(void)pthread_mutex_init(&names->lock, NULL);
	*ret = names;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct person *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct person *find_pid(struct fi_names *names, pid_t pid)
{
	struct person key = { .pid = pid };
	struct person **found = tfind(&key, &names->by_pid, by_pid);

	return found ? *found : NULL;
}

static struct person *find_space(struct fi_names *names, const struct fi_space *space)
{
	for (struct person *p = names->all; p; p = p->all)
		if (p->space == space)
			return p;
	return NULL;
}

static struct person *person_new(struct fi_names *names, pid_t pid, struct fi_space *space,
				 uint64_t time)
{
	struct person *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pid = pid;
	p->space = space ? fi_space_get(space) : NULL;
	p->time = time;
	if (pid && !tsearch(p, &names->by_pid, by_pid)) {
		if (space)
			fi_space_put(space);
		free(p);
		return NULL;
	}
	p->all = names->all;
	names->all = p;
	return p;
}

static void append(struct person **list, struct person *p, struct person *parent)
{
	while (*list)
		list = &(*list)->next;
	*list = p;
	p->next = NULL;
	p->parent = parent;
}

static void unlink_from(struct person **list, struct person *p)
{
	while (*list && *list != p)
		list = &(*list)->next;
	if (*list)
		*list = p->next;
	p->next = NULL;
	p->parent = NULL;
}

static void person_free(struct fi_names *names, struct person *p);

static void drop_waiting(struct fi_names *names, struct person *p)
{
	/* A birth without a parent to ask will never learn its pid; it lives on nameless. */
	while (p->births)
		unlink_from(&p->births, p->births);
	while (p->pids)
		person_free(names, p->pids);
}

static void person_free(struct fi_names *names, struct person *p)
{
	drop_waiting(names, p);
	if (p->parent) {
		struct person *parent = p->parent;

		unlink_from(p->space ? &parent->births : &parent->pids, p);
	}
	if (p->pid)
		(void)tdelete(p, &names->by_pid, by_pid);
	for (struct person **at = &names->all; *at; at = &(*at)->all)
		if (*at == p) {
			*at = p->all;
			break;
		}
	if (p->space)
		fi_space_put(p->space);
	free(p);
}

void fi_names_free(struct fi_names *names)
{
	if (!names)
		return;
	while (names->all)
		person_free(names, names->all);
	(void)pthread_mutex_destroy(&names->lock);
	free(names);
}

/* The innermost pid of a process, as its own namespace knows it; 0 when it is gone. */
static uint32_t vpid_of(pid_t pid)
{
	char path[64], line[256];
	uint32_t vpid = 0;
	FILE *status;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		const char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		vpid = last ? (uint32_t)strtoul(last + 1, NULL, 10) : 0;
		break;
	}
	if (status)
		(void)fclose(status);
	return vpid;
}

static void open_pidfd(struct fi_space *space, pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		space->pidfd = (int)fd;
	else
		fi_space_log(space, FI_LOG_DEBUG, "no pidfd: %s", strerror(errno));
}

static void match(struct fi_names *names, struct person *parent);

/* @pid turns out to be the pid of the person @birth, which has a space. */
static void marry(struct fi_names *names, struct person *birth, struct person *pid, bool certain)
{
	struct fi_space *space = birth->space;
	pid_t number = pid->pid;

	unlink_from(&birth->parent->births, birth);
	while (pid->pids) { /* what it has forked already */
		struct person *child = pid->pids;

		unlink_from(&pid->pids, child);
		append(&birth->pids, child, birth);
	}
	person_free(names, pid);
	birth->pid = number;
	if (!tsearch(birth, &names->by_pid, by_pid)) {
		birth->pid = 0;
		return;
	}
	space->pid = number;
	space->vpid = vpid_of(number);
	if (certain)
		open_pidfd(space, number);
	fi_space_show_names(space);
	fi_space_log(space, FI_LOG_DEBUG, "forked by space %u%s", space->parent,
		     certain ? "" : " (or a sibling: several forked at once)");
	match(names, birth);
}

static void match(struct fi_names *names, struct person *parent)
{
	while (parent->births && parent->pids) {
		struct person *birth = parent->births, *pid = parent->pids;

		if (pid->time < birth->time)
			person_free(names, pid); /* older than the message: a vfork */
		else
			marry(names, birth, pid, !birth->next && !pid->next);
	}
}

void fi_names_unavailable(struct fi_names *names)
{
	(void)pthread_mutex_lock(&names->lock);
	names->unavailable = true;
	(void)pthread_mutex_unlock(&names->lock);
}

void fi_names_root(struct fi_names *names, struct fi_space *space, pid_t pid)
{
	space->pid = pid;
	if (pid)
		open_pidfd(space, pid);
	fi_space_show_names(space);
	fi_names_again(names, space);
}

void fi_names_again(struct fi_names *names, struct fi_space *space)
{
	pid_t pid = space->pid;

	(void)pthread_mutex_lock(&names->lock);
	if (pid && !find_pid(names, pid) && !person_new(names, pid, space, 0))
		fi_space_log(space, FI_LOG_WARN, "out of memory, its children will have no names");
	(void)pthread_mutex_unlock(&names->lock);
}

void fi_names_born(struct fi_names *names, struct fi_space *parent, struct fi_space *child,
		   uint64_t before)
{
	struct person *p, *birth;

	(void)pthread_mutex_lock(&names->lock);
	p = names->unavailable ? NULL : find_space(names, parent);
	birth = p ? person_new(names, 0, child, before) : NULL;
	if (birth) {
		append(&p->births, birth, p);
		match(names, p);
	}
	(void)pthread_mutex_unlock(&names->lock);
}

void fi_names_ended(struct fi_names *names, struct fi_space *space)
{
	struct person *p;

	(void)pthread_mutex_lock(&names->lock);
	p = find_space(names, space);
	if (p && p->pid && p->births) { /* the process events of these forks are still to come */
		fi_space_put(p->space);
		p->space = NULL;
	} else if (p) {
		person_free(names, p);
	}
	(void)pthread_mutex_unlock(&names->lock);
}

static void on_fork(struct fi_names *names, const struct fi_proc_event *event)
{
	struct person *parent = find_pid(names, event->parent), *old, *p;

	if (!parent)
		return; /* none of ours */
	old = find_pid(names, event->pid);
	if (old) {
		person_free(names, old); /* the number is in use again */
		parent = find_pid(names, event->parent);
		if (!parent)
			return; /* it waited for a match of the old one, which is gone */
	}
	/* A vfork has no birth; a parent that never does anything else has many of them. */
	while (parent->pids && parent->pids->time + STALE_NS < event->time)
		person_free(names, parent->pids);
	p = person_new(names, event->pid, NULL, event->time);
	if (!p)
		return;
	append(&parent->pids, p, parent);
	match(names, parent);
	if (!parent->space && !parent->births && !parent->parent)
		person_free(names, parent); /* its space has ended, and these were the last */
}

/* Process events are missing: who still waits would be given somebody else's other half. */
static void on_lost(struct fi_names *names)
{
	struct person *p;

	for (p = names->all; p; p = p->all)
		while (p->births)
			unlink_from(&p->births, p->births);
	do {
		for (p = names->all; p && p->space; p = p->all)
			;
		if (p)
			person_free(names, p);
	} while (p);
}

struct fi_space *fi_names_event(struct fi_names *names, const struct fi_proc_event *event)
{
	struct fi_space *space = NULL;
	struct person *p;

	(void)pthread_mutex_lock(&names->lock);
	switch (event->kind) {
	case FI_PROC_FORK:
		on_fork(names, event);
		break;
	case FI_PROC_EXEC:
	case FI_PROC_EXIT:
		p = find_pid(names, event->pid);
		if (p && p->space)
			space = fi_space_get(p->space);
		else if (p && event->kind == FI_PROC_EXIT && !p->parent)
			person_free(names, p);
		break;
	case FI_PROC_LOST:
		on_lost(names);
		break;
	}
	(void)pthread_mutex_unlock(&names->lock);
	return space;
}
