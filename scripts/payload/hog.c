// SPDX-License-Identifier: GPL-2.0
/*
 * hog - a program that takes memory
 *
 *   hog MIB           take that much, touch all of it, end
 *   hog MIB hold      the same, then hold it until killed
 *   hog MIB holes     the same, but every second page goes back before: of
 *                     physical memory, as the pages of no other choice lie the
 *                     same way each time
 *   hog MIB pin       the same, and have the kernel refer to its last page of
 *                     physical memory, so that that cannot be moved; prints
 *                     "pins frame N" before the rest
 *
 * Prints "holds MIB MiB" once every page is there.  Ends with status 1 where
 * the kernel refuses, and does not end by itself where it kills.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* The number of the physical page behind @p; its owner must be root. */
static unsigned long frame(int pagemap, const void *p)
{
	unsigned long long entry;

	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)p / 4096 * sizeof(entry)) != sizeof(entry))
		err(1, "pagemap");
	return entry & ((1ULL << 55) - 1);
}

static void pin(unsigned char *p, size_t len)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY), ends[2];
	struct iovec page = { p, 4096 };
	unsigned long last = 0, this;
	size_t at;

	for (at = 0; at < len; at += 4096) {
		this = frame(pagemap, p + at);
		if (this > last) {
			last = this;
			page.iov_base = p + at;
		}
	}
	/* a page that waits in a pipe */
	if (pipe(ends) || vmsplice(ends[1], &page, 1, 0) != 4096)
		err(1, "vmsplice");
	printf("pins frame %lu\n", last);
}

static void make_holes(unsigned char *p, size_t len)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	size_t at;

	for (at = 0; at < len; at += 4096) {
		if (frame(pagemap, p + at) % 2 &&
		    madvise(p + at, 4096, MADV_DONTNEED))
			err(1, "MADV_DONTNEED");
	}
}

int main(int argc, char **argv)
{
	unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	size_t len = mib << 20, at;
	bool holes = false, pins = false;
	unsigned char *p;

	if (argc == 3) {
		holes = !strcmp(argv[2], "holes");
		pins = !strcmp(argv[2], "pin");
	}
	if (!mib || argc > 3 ||
	    (argc == 3 && !holes && !pins && strcmp(argv[2], "hold")))
		errx(2, "usage: hog MIB [hold | holes | pin]");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(1, "%lu MiB", mib);
	if (holes && madvise(p, len, MADV_NOHUGEPAGE))
		err(1, "MADV_NOHUGEPAGE");
	for (at = 0; at < len; at += 4096)
		p[at] = at >> 12 | 1;
	if (holes)
		make_holes(p, len);
	if (pins)
		pin(p, len);
	printf("holds %lu MiB\n", mib);
	fflush(stdout);
	while (argc == 3)
		pause();
	return 0;
}
