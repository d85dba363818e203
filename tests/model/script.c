/* tests/model/script.c - see script.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/model/script.h"

#include <ctype.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/model/model.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static const struct word {
	const char *word;
	int number;
} commands[] = {
	{ "mmap", S_MMAP },   { "file", S_FILE },     { "munmap", S_MUNMAP }, { "mremap", S_MREMAP },
	{ "adv", S_ADV },     { "prot", S_PROT },     { "r", S_R },	      { "w", S_W },
	{ "fork", S_FORK },   { "exec", S_EXEC },     { "exit", S_EXIT },     { "kill", S_KILL },
	{ "wait", S_WAIT },   { "open", S_OPEN },     { "uffd", S_UFFD },     { "api", S_API },
	{ "reg", S_REG },     { "unreg", S_UNREG },   { "wake", S_WAKE },     { "copy", S_COPY },
	{ "zero", S_ZERO },   { "poison", S_POISON }, { "read", S_READ },     { "poll", S_POLL },
	{ "info", S_INFO },   { "close", S_CLOSE },   { "fds", S_LIMIT },     { NULL, 0 },
}, prots[] = {
	{ "rw", M_PROT_READ | M_PROT_WRITE }, { "r", M_PROT_READ }, { "none", 0 }, { NULL, 0 },
}, advices[] = {
	{ "dontneed", MADV_DONTNEED },	   { "free", MADV_FREE },
	{ "dontfork", MADV_DONTFORK },	   { "dofork", MADV_DOFORK },
	{ "wipeonfork", MADV_WIPEONFORK }, { "keeponfork", MADV_KEEPONFORK },
	{ "remove", MADV_REMOVE },	   { NULL, 0 },
};

struct words {
	const char *step;
	char copy[96];
	char *word[10];
	int nr, at;
};

static _Noreturn void bad(const struct words *words, const char *why)
{
	fprintf(stderr, "script: '%s': %s\n", words->step, why);
	exit(2);
}

static const char *take(struct words *words)
{
	if (words->at == words->nr)
		bad(words, "a word is missing");
	return words->word[words->at++];
}

static bool more(const struct words *words)
{
	return words->at < words->nr;
}

static int lookup(struct words *words, const struct word *list, const char *word)
{
	for (; list->word; list++)
		if (strcmp(list->word, word) == 0)
			return list->number;
	bad(words, word);
}

static uint64_t number(struct words *words)
{
	const char *word = take(words);
	char *end;
	uint64_t value = strtoull(word, &end, 0);

	if (*end || end == word)
		bad(words, "not a number");
	return value;
}

static uint64_t pages(struct words *words, uint64_t base)
{
	const char *word = take(words);
	char *end;
	uint64_t value;

	if (*word == '@') {
		value = strtoull(word + 1, &end, 0);
	} else {
		value = base + strtoull(word, &end, 10) * M_PAGE;
		if (*end == '+')
			value += strtoull(end + 1, &end, 10);
	}
	if (*end)
		bad(words, "not a number of pages");
	return value;
}

static uint64_t features(const char *letters)
{
	uint64_t set = 0;

	for (; *letters; letters++)
		set |= *letters == 'f'	 ? UFFD_FEATURE_EVENT_FORK
		       : *letters == 'r' ? UFFD_FEATURE_EVENT_REMAP
		       : *letters == 'd' ? UFFD_FEATURE_EVENT_REMOVE
		       : *letters == 'u' ? UFFD_FEATURE_EVENT_UNMAP
		       : *letters == 't' ? UFFD_FEATURE_THREAD_ID
		       : *letters == 's' ? UFFD_FEATURE_SIGBUS
					 : 0;
	return set;
}

static int mremap_flags(const char *letters)
{
	int set = 0;

	for (; *letters; letters++)
		set |= *letters == 'm'	 ? MREMAP_MAYMOVE
		       : *letters == 'f' ? MREMAP_FIXED
		       : *letters == 'd' ? MREMAP_DONTUNMAP
					 : 0;
	return set;
}

bool s_is_thread(enum s_cmd cmd)
{
	return cmd <= S_EXIT;
}

static void arguments(struct words *w, struct s_step *step)
{
	switch (step->cmd) {
	case S_MMAP:
	case S_FILE:
	case S_PROT:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		step->prot = lookup(w, prots, more(w) ? take(w) : "rw");
		break;
	case S_MUNMAP:
	case S_UNREG:
	case S_WAKE:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		break;
	case S_MREMAP:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		step->to = pages(w, M_BASE);
		step->new_len = pages(w, 0);
		step->flags = mremap_flags(take(w));
		break;
	case S_ADV:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		step->flags = lookup(w, advices, take(w));
		break;
	case S_W:
		step->addr = pages(w, M_BASE);
		step->value = number(w);
		break;
	case S_R:
		step->addr = pages(w, M_BASE);
		break;
	case S_FORK:
		step->flags = atoi(take(w) + 1);
		break;
	case S_OPEN:
		step->flags = more(w) && take(w); /* block */
		break;
	case S_UFFD:
		step->mode = features(more(w) ? take(w) : "frdu");
		break;
	case S_API:
		step->value = number(w);
		step->mode = number(w);
		break;
	case S_REG:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		step->mode = more(w) ? number(w) : UFFDIO_REGISTER_MODE_MISSING;
		break;
	case S_COPY:
	case S_ZERO:
	case S_POISON:
		step->addr = pages(w, M_BASE);
		step->len = pages(w, 0);
		step->value = step->cmd == S_COPY ? number(w) : 0;
		step->mode = more(w) ? number(w) : 0;
		step->src = more(w) ? (int)number(w) : -1;
		break;
	case S_READ:
		step->len = more(w) ? number(w) : 1;
		break;
	case S_LIMIT:
		step->len = number(w);
		break;
	default:
		break;
	}
	if (more(w))
		bad(w, "too many words");
}

static void copy_trimmed(char *to, size_t room, const char *from, size_t len)
{
	while (len && isspace((unsigned char)*from)) {
		from++;
		len--;
	}
	while (len && isspace((unsigned char)from[len - 1]))
		len--;
	(void)snprintf(to, room, "%.*s", (int)len, from);
}

bool s_next(const char **at, struct s_step *step)
{
	struct words words = { .step = step->text };
	const char *arrow, *subject, *end;
	char *save = NULL;

	while (isspace((unsigned char)**at) || **at == ';')
		(*at)++;
	if (!**at)
		return false;
	end = *at + strcspn(*at, ";\n");
	memset(step, 0, sizeof(*step));
	step->src = -1;
	arrow = strstr(*at, "=>");
	if (arrow && arrow < end)
		copy_trimmed(step->want, sizeof(step->want), arrow + 2, (size_t)(end - arrow - 2));
	else
		arrow = end;
	copy_trimmed(step->text, sizeof(step->text), *at, (size_t)(arrow - *at));
	*at = end;

	memcpy(words.copy, step->text, sizeof(words.copy));
	for (char *word = strtok_r(words.copy, " \t", &save); word && words.nr < 10;
	     word = strtok_r(NULL, " \t", &save))
		words.word[words.nr++] = word;
	subject = take(&words);
	step->who = atoi(subject + 1);
	step->cmd = (enum s_cmd)lookup(&words, commands, take(&words));
	arguments(&words, step);
	return true;
}
