// SPDX-License-Identifier: GPL-2.0
/*
 * pattern - leave something behind that can be recognised
 *
 *   pattern anon MIB     so much anonymous memory; it is free when this ends
 *   pattern slab MIB     the same in the kernel's small objects: messages that
 *                        nobody receives
 *   pattern file MIB     on the standard output
 *
 * Every page of it is full of PATTERN, which findpattern looks for.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pattern.h"

#define MESSAGE	1000
#define PAIRS	480

static void fill(void *to, size_t len)
{
	uint64_t *word = to;

	for (; len >= sizeof(*word); len -= sizeof(*word))
		*word++ = PATTERN;
}

static void anon(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "%zu bytes", len);
	fill(p, len);
}

/* As much as the sockets take, and that must be enough. */
static void slab(size_t len)
{
	static char message[MESSAGE];
	size_t sent = 0;
	int pair[2], i;

	fill(message, sizeof(message));
	for (i = 0; i < PAIRS && sent < len; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			err(1, "socketpair");
		while (sent < len && send(pair[0], message, sizeof(message),
					  MSG_DONTWAIT) > 0)
			sent += sizeof(message);
	}
	if (sent < len)
		errx(1, "only %zu bytes in messages", sent);
}

static void file(size_t len)
{
	static char page[4096];

	fill(page, sizeof(page));
	for (; len; len -= sizeof(page)) {
		if (write(1, page, sizeof(page)) != sizeof(page))
			err(1, "write");
	}
}

int main(int argc, char **argv)
{
	size_t len = argc == 3 ? strtoul(argv[2], NULL, 10) << 20 : 0;

	if (len && !strcmp(argv[1], "anon"))
		anon(len);
	else if (len && !strcmp(argv[1], "slab"))
		slab(len);
	else if (len && !strcmp(argv[1], "file"))
		file(len);
	else
		errx(2, "usage: pattern anon|slab|file MIB");
	return 0;
}
