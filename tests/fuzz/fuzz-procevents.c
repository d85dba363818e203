/* tests/fuzz/fuzz-procevents.c - messages of the process events connector.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a row of datagrams: u8 what it is (bit 0: not from the kernel; bit 1: the socket had
 * overflowed; bit 2: the socket is broken), u8 length, bytes.  The linker puts our nl_recv in the
 * place of libnl's.
 */
#include "restore/procevents.c"

#include "tests/fuzz/fuzz.h"

int __wrap_nl_recv(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **buf,
		   struct ucred **creds);

static const uint8_t *input;
static size_t left;

int __wrap_nl_recv(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **buf,
		   struct ucred **creds)
{
	uint8_t kind;
	size_t len;

	if (left < 2)
		return -NLE_AGAIN;
	kind = *input++;
	len = *input++;
	left -= 2;
	if (kind & 2)
		return -NLE_NOMEM;
	if (kind & 4)
		return -NLE_BAD_SOCK;
	len = len < left ? len : left;
	if (len == 0)
		return 0;
	*buf = malloc(len);
	FUZZ_CHECK(*buf);
	memcpy(*buf, input, len);
	input += len;
	left -= len;
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = kind & 1 };
	return (int)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fi_procevents pe = { .fd = -EBADF };
	struct fi_proc_event event;
	int r;

	input = data;
	left = size;
	while ((r = fi_procevents_next(&pe, &event)) == 0 || left >= 2) {
		FUZZ_CHECK(r <= 0);
		if (r < 0)
			continue;
		FUZZ_CHECK(event.kind <= FI_PROC_LOST);
		FUZZ_CHECK(event.kind == FI_PROC_FORK || event.parent == 0);
		FUZZ_CHECK(event.kind != FI_PROC_LOST || event.pid == 0);
	}
	return 0;
}
