// SPDX-License-Identifier: GPL-2.0
/*
 * kernelvar - read a variable of the running kernel
 *
 *   kernelvar SYMBOL COUNT    the first COUNT unsigned longs of it, on a line
 *
 * Through /proc/kallsyms and /proc/kcore: for counters that no file shows.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long address(const char *symbol)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[256], name[200];
	unsigned long at;

	if (!file)
		err(1, "/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %199s", &at, name) == 2 && at &&
		    !strcmp(name, symbol))
			return at;
	}
	errx(1, "%s is not in /proc/kallsyms", symbol);
}

int main(int argc, char **argv)
{
	unsigned long at, value;
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	int fd, i, count;

	if (argc != 3)
		errx(2, "usage: kernelvar SYMBOL COUNT");
	at = address(argv[1]);
	count = atoi(argv[2]);
	fd = open("/proc/kcore", O_RDONLY);
	if (fd < 0 || pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr))
		err(1, "/proc/kcore");
	for (i = 0; i < ehdr.e_phnum; i++) {
		if (pread(fd, &phdr, sizeof(phdr), ehdr.e_phoff +
			  i * sizeof(phdr)) != sizeof(phdr))
			err(1, "/proc/kcore");
		if (phdr.p_type == PT_LOAD && at >= phdr.p_vaddr &&
		    at - phdr.p_vaddr < phdr.p_filesz)
			break;
	}
	if (i == ehdr.e_phnum)
		errx(1, "%s is not in /proc/kcore", argv[1]);
	at += phdr.p_offset - phdr.p_vaddr;
	for (i = 0; i < count; i++, at += sizeof(value)) {
		if (pread(fd, &value, sizeof(value), at) != sizeof(value))
			err(1, "%s", argv[1]);
		printf("%lu%c", value, i + 1 < count ? ' ' : '\n');
	}
	return 0;
}
