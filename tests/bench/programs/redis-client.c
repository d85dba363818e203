/* tests/bench/programs/redis-client.c - asks a Redis for values that it knows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     redis-client RUN_DIR fill KEYS        sets all keys
 *     redis-client RUN_DIR gets KEYS NR     the first correct reply, then NR random GETs
 *     redis-client RUN_DIR save KEYS RDB    the first correct reply, then BGSAVE, GETs meanwhile
 *
 * The socket is RUN_DIR/redis.sock; until somebody listens there, it tries again.  Key n has 1 KiB
 * that follows from n.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "workload.h"

#define VALUE_BYTES 1024u
#define KEY_BYTES   14u
#define PATIENCE_NS UINT64_C(60000000000)
#define PIPELINE    256u

static uint64_t nr_keys;
static int sock = -1;

static void make_key(uint64_t nr, char *key)
{
	(void)snprintf(key, KEY_BYTES + 1, "key:%010llu", (unsigned long long)nr % 10000000000);
}

static void make_value(uint64_t nr, unsigned char *value)
{
	for (unsigned at = 0; at < VALUE_BYTES; at += sizeof(uint64_t)) {
		uint64_t word = (nr + 1) * UINT64_C(0x9e3779b97f4a7c15) + at;

		memcpy(value + at, &word, sizeof(word));
	}
}

static bool try_connect(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/redis.sock", dir) >=
	    sizeof(addr.sun_path))
		fail("the path of the socket is too long");
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		fail("socket");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	(void)close(sock);
	sock = -1;
	return false;
}

static bool send_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(sock, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool receive_all(char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(sock, data, len, 0);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static size_t make_set(uint64_t nr, char *to, size_t size)
{
	char key[KEY_BYTES + 1];
	int len;

	make_key(nr, key);
	len = snprintf(to, size, "*3\r\n$3\r\nSET\r\n$%u\r\n%s\r\n$%u\r\n", KEY_BYTES, key,
		       VALUE_BYTES);
	make_value(nr, (unsigned char *)to + len);
	memcpy(to + len + VALUE_BYTES, "\r\n", 2);
	return (size_t)len + VALUE_BYTES + 2;
}

static void fill(void)
{
	static char out[PIPELINE * (VALUE_BYTES + 100)], in[PIPELINE * 5 + 1];

	for (uint64_t nr = 0; nr < nr_keys;) {
		size_t len = 0, count = 0;

		for (; count < PIPELINE && nr < nr_keys; count++, nr++)
			len += make_set(nr, out + len, sizeof(out) - len);
		if (!send_all(out, len) || !receive_all(in, count * 5) ||
		    memcmp(in, "+OK\r\n", 5) != 0)
			fail("SET");
	}
	say("\"job\": \"fill\", \"keys\": %llu", (unsigned long long)nr_keys);
}

/* 1: the right value; 0: a wrong one; -1: the connection is lost. */
static int get(uint64_t nr)
{
	char key[KEY_BYTES + 1], out[64], in[7 + VALUE_BYTES + 2];
	unsigned char value[VALUE_BYTES];
	int len;

	make_key(nr, key);
	len = snprintf(out, sizeof(out), "*2\r\n$3\r\nGET\r\n$%u\r\n%s\r\n", KEY_BYTES, key);
	if (!send_all(out, (size_t)len))
		return -1;
	/* "$1024\r\n", or "$-1\r\n", or an error: five bytes at least */
	if (!receive_all(in, 5))
		return -1;
	if (memcmp(in, "$1024", 5) != 0)
		return 0;
	if (!receive_all(in + 5, sizeof(in) - 5))
		return -1;
	make_value(nr, value);
	return memcmp(in + 7, value, VALUE_BYTES) == 0;
}

static uint64_t first_reply(const char *dir)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	int r = -1;

	while (now_ns() < until) {
		if (!try_connect(dir)) {
			nap_us(500);
			continue;
		}
		r = get(nr_keys / 2);
		if (r >= 0)
			break;
		(void)close(sock);
	}
	if (r < 0)
		fail("no reply");
	if (r == 0)
		fail("the first reply is wrong");
	return now_ns();
}

static void gets(const char *dir, uint64_t count)
{
	struct samples samples = samples_make(count, false);
	struct order order = order_make(nr_keys, 1);
	uint64_t first = first_reply(dir), end, wrong = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t before = now_ns();

		wrong += get(order_next(&order)) != 1;
		samples_add(&samples, now_ns() - before);
	}
	end = now_ns();
	say("\"job\": \"gets\", \"start_ns\": %llu, \"end_ns\": %llu, \"p50_ns\": %u, "
	    "\"p99_ns\": %u, \"p999_ns\": %u, \"max_ns\": %u, \"wrong\": %llu",
	    (unsigned long long)first, (unsigned long long)end, samples_quantile(&samples, 500),
	    samples_quantile(&samples, 990), samples_quantile(&samples, 999),
	    samples_quantile(&samples, 1000), (unsigned long long)wrong);
}

/* One field of INFO that is a number. */
static uint64_t info(const char *section, const char *field)
{
	char out[64], in[8192], *at;
	size_t len = 0;
	uint64_t body;
	int n;

	n = snprintf(out, sizeof(out), "INFO %s\r\n", section);
	if (!send_all(out, (size_t)n))
		fail("INFO");
	do
		if (len + 1 >= sizeof(in) || !receive_all(in + len, 1))
			fail("INFO");
	while (in[len++] != '\n');
	body = strtoull(in + 1, NULL, 10) + 2;
	if (in[0] != '$' || body >= sizeof(in) || !receive_all(in, body))
		fail("INFO");
	in[body] = '\0';
	at = strstr(in, field);
	if (!at)
		fail("INFO has no %s", field);
	return strtoull(at + strlen(field) + 1, NULL, 10);
}

/* Every key that is in the file, once, with its value. */
static uint64_t wrong_in_rdb(const char *path)
{
	static const char first[] = { 0, KEY_BYTES, 'k', 'e', 'y', ':' };
	const size_t record = 2 + KEY_BYTES + 2 + VALUE_BYTES;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *seen = fresh(nr_keys, false), value[VALUE_BYTES], *file, *at;
	char key[KEY_BYTES + 1];
	uint64_t found = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail("there is no dump file");
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		fail("cannot map the dump file");
	at = memmem(file, (size_t)st.st_size, first, sizeof(first));
	for (; at && at + record <= file + st.st_size; at += record) {
		uint64_t nr;

		if (memcmp(at, first, sizeof(first)) != 0)
			break;
		memcpy(key, at + 2, KEY_BYTES);
		key[KEY_BYTES] = '\0';
		nr = strtoull(key + 4, NULL, 10);
		if (nr >= nr_keys || seen[nr])
			break;
		seen[nr] = 1;
		make_value(nr, value);
		found += memcmp(at + record - VALUE_BYTES, value, VALUE_BYTES) == 0;
	}
	(void)munmap(file, (size_t)st.st_size);
	(void)close(fd);
	return nr_keys - found;
}

static void save(const char *dir, const char *rdb)
{
	struct samples samples = samples_make(1000000, false);
	struct order order = order_make(nr_keys, 2);
	uint64_t first = first_reply(dir), end, checked, fork_us, wrong = 0;
	char in[64];
	size_t len = 0;

	(void)unlink(rdb);
	if (!send_all("BGSAVE\r\n", 8))
		fail("BGSAVE");
	do
		if (len >= sizeof(in) || !receive_all(in + len, 1))
			fail("BGSAVE");
	while (in[len++] != '\n');
	if (in[0] != '+')
		fail("BGSAVE is refused");
	for (checked = now_ns();;) {
		uint64_t before = now_ns();

		wrong += get(order_next(&order)) != 1;
		end = now_ns();
		samples_add(&samples, end - before);
		if (end - checked < 2000000)
			continue;
		checked = end;
		if (!info("persistence", "rdb_bgsave_in_progress"))
			break;
	}
	fork_us = info("stats", "latest_fork_usec");
	wrong += wrong_in_rdb(rdb);
	say("\"job\": \"save\", \"start_ns\": %llu, \"end_ns\": %llu, \"p50_ns\": %u, "
	    "\"p99_ns\": %u, \"p999_ns\": %u, \"max_ns\": %u, \"fork_max_ns\": %llu, "
	    "\"wrong\": %llu",
	    (unsigned long long)first, (unsigned long long)end, samples_quantile(&samples, 500),
	    samples_quantile(&samples, 990), samples_quantile(&samples, 999),
	    samples_quantile(&samples, 1000), (unsigned long long)fork_us * 1000,
	    (unsigned long long)wrong);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		(void)fprintf(stderr, "usage: redis-client RUN_DIR fill|gets|save KEYS [NR|RDB]\n");
		return 2;
	}
	talk_in(argv[1]);
	nr_keys = number(argv[3]);
	if (strcmp(argv[2], "gets") == 0 && argc == 5) {
		gets(argv[1], number(argv[4]));
	} else if (strcmp(argv[2], "save") == 0 && argc == 5) {
		save(argv[1], argv[4]);
	} else if (strcmp(argv[2], "fill") == 0 && argc == 4) {
		while (!try_connect(argv[1]))
			nap_us(2000);
		fill();
	} else {
		fail("not a verb");
	}
	return 0;
}
