// SPDX-License-Identifier: GPL-2.0
/*
 * count - how often tracepoints are passed while a command runs
 *
 *   count GROUP/EVENT... -- COMMAND...
 *
 * On all CPUs, by whoever; prints "event NAME COUNT" for each.
 */
#include <err.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST	8
#define CPUS	8

static uint64_t event_id(const char *name)
{
	unsigned long id;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lu", &id) != 1)
		err(1, "%s", path);
	fclose(file);
	return id;
}

static int open_event(const char *name, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = event_id(name),
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu, nr, status, i;
	int fds[MOST][CPUS];
	uint64_t value, sum;
	pid_t pid;

	for (nr = 0; nr + 1 < argc && strcmp(argv[nr + 1], "--"); nr++)
		;
	if (!nr || nr > MOST || nr + 2 >= argc || cpus > CPUS)
		errx(2, "usage: count GROUP/EVENT... -- COMMAND...");
	for (i = 0; i < nr; i++) {
		for (cpu = 0; cpu < cpus; cpu++)
			fds[i][cpu] = open_event(argv[i + 1], cpu);
	}
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[nr + 2], argv + nr + 2);
		err(127, "%s", argv[nr + 2]);
	}
	if (waitpid(pid, &status, 0) < 0)
		err(1, "wait");
	for (i = 0; i < nr; i++) {
		for (sum = 0, cpu = 0; cpu < cpus; cpu++) {
			if (read(fds[i][cpu], &value, sizeof(value)) !=
			    sizeof(value))
				err(1, "%s", argv[i + 1]);
			sum += value;
		}
		printf("event %s %lu\n", argv[i + 1], sum);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
