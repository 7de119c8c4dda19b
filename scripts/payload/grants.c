// SPDX-License-Identifier: GPL-2.0
/*
 * grants - share pages between a guest and dom0
 *
 *   grants offer PAGES [DOMID]   let that domain (0) map so many pages, say
 *                                their references on a line, hold them
 *   grants map DOMID < REFS      map pages of that domain, say "mapped", check
 *                                all the time that they hold what it put there;
 *                                on SIGTERM unmap them and end
 *
 * Who maps does it through gntdev, which borrows the pages for it from the
 * kernel.
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xengnttab.h>

#define MAX	1024
#define WORDS	(4096 / sizeof(uint64_t))

static volatile sig_atomic_t stop;

static void end(int signum)
{
	(void)signum;
	stop = 1;
}

static uint64_t pattern(int page, unsigned int word)
{
	return (uint64_t)page << 32 | (word * 2654435761u);
}

static void offer(int count, int domid)
{
	xengntshr_handle *xgs = xengntshr_open(NULL, 0);
	uint32_t refs[MAX];
	uint64_t *pages;
	unsigned int w;
	int i;

	if (!xgs)
		err(1, "gntalloc");
	pages = xengntshr_share_pages(xgs, domid, count, refs, 1);
	if (!pages)
		err(1, "sharing %d pages", count);
	for (i = 0; i < count; i++) {
		for (w = 0; w < WORDS; w++)
			pages[i * WORDS + w] = pattern(i, w);
		printf("%u%c", refs[i], i + 1 < count ? ' ' : '\n');
	}
	fflush(stdout);
	for (;;)
		pause();
}

static void map(int domid)
{
	xengnttab_handle *xgt = xengnttab_open(NULL, 0);
	uint32_t refs[MAX];
	uint64_t *pages;
	int i, count = 0;
	unsigned int w;

	if (!xgt)
		err(1, "gntdev");
	while (count < MAX && scanf("%u", &refs[count]) == 1)
		count++;
	pages = xengnttab_map_domain_grant_refs(xgt, count, domid, refs,
						PROT_READ | PROT_WRITE);
	if (!pages)
		err(1, "mapping %d pages", count);
	signal(SIGTERM, end);
	printf("mapped %d\n", count);
	fflush(stdout);
	while (!stop) {
		for (i = 0; i < count; i++) {
			for (w = 0; w < WORDS; w++) {
				if (pages[i * WORDS + w] != pattern(i, w))
					errx(1, "page %d changed", i);
			}
		}
		usleep(50000);
	}
	if (xengnttab_unmap(xgt, pages, count))
		err(1, "unmapping");
	printf("unmapped %d\n", count);
}

int main(int argc, char **argv)
{
	int n = argc >= 3 ? atoi(argv[2]) : -1;
	int domid = argc == 4 ? atoi(argv[3]) : 0;

	if (n > 0 && n <= MAX && !strcmp(argv[1], "offer"))
		offer(n, domid);
	if (n >= 0 && argc == 3 && !strcmp(argv[1], "map")) {
		map(n);
		return 0;
	}
	errx(2, "usage: grants offer PAGES [DOMID] | grants map DOMID < REFS");
}
