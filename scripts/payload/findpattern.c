// SPDX-License-Identifier: GPL-2.0
/*
 * findpattern - look for what pattern left, in the memory of another domain
 *
 *   findpattern DOMID MIB
 *
 * Prints "pages N with N": how many pages of the first so many MiB of an HVM or
 * PVH domain could be looked at, and how many of them hold the pattern.
 */
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xenforeignmemory.h>

#include "pattern.h"

#define PAGE	4096
#define CHUNK	256

static bool holds(const uint64_t *words)
{
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*words); i++) {
		if (words[i] == PATTERN)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	xenforeignmemory_handle *handle = xenforeignmemory_open(NULL, 0);
	unsigned long pages = 0, with = 0, end, gfn;
	xen_pfn_t gfns[CHUNK];
	int errors[CHUNK], i;

	if (argc != 3)
		errx(2, "usage: findpattern DOMID MIB");
	if (!handle)
		err(1, "xenforeignmemory_open");
	end = strtoul(argv[2], NULL, 10) << 8;
	for (gfn = 0; gfn < end; gfn += CHUNK) {
		char *p;

		for (i = 0; i < CHUNK; i++)
			gfns[i] = gfn + i;
		p = xenforeignmemory_map(handle, strtoul(argv[1], NULL, 10),
					 PROT_READ, CHUNK, gfns, errors);
		if (!p)
			continue;
		for (i = 0; i < CHUNK; i++) {
			if (errors[i])
				continue;
			pages++;
			with += holds((uint64_t *)(p + i * PAGE));
		}
		xenforeignmemory_unmap(handle, p, CHUNK);
	}
	printf("pages %lu with %lu\n", pages, with);
	return 0;
}
