// SPDX-License-Identifier: GPL-2.0
/*
 * domfacts - what Xen counts, to the page
 *
 *   domfacts DOMID    a domain's nr_pages, max_pages and cpu_ns
 *   domfacts host     the host's total_pages and free_pages
 *
 * Memory in frames of 4 KiB, one "name value" a line.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

int main(int argc, char **argv)
{
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);
	xc_domaininfo_t info;
	xc_physinfo_t host;
	uint32_t domid;

	if (argc != 2)
		errx(2, "usage: domfacts DOMID | host");
	if (!xch)
		err(1, "xc_interface_open");

	if (!strcmp(argv[1], "host")) {
		memset(&host, 0, sizeof(host));
		if (xc_physinfo(xch, &host))
			err(1, "xc_physinfo");
		printf("total_pages %" PRIu64 "\nfree_pages %" PRIu64 "\n",
		       host.total_pages, host.free_pages);
		return 0;
	}

	domid = strtoul(argv[1], NULL, 10);
	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 ||
	    info.domain != domid)
		errx(1, "domain %u is not there", domid);
	printf("nr_pages %" PRIu64 "\nmax_pages %" PRIu64 "\ncpu_ns %" PRIu64
	       "\n", info.tot_pages, info.max_pages, info.cpu_time);
	return 0;
}
