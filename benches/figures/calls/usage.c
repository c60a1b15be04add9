/* Runs a program, and writes the most memory that it had, in KiB, and its processor time, in microseconds, to a file.
 * Linux counts the memory of whoever starts a program as the program's, so this one is small and static. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long micros(struct timeval time)
{
	return time.tv_sec * 1000000L + time.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage used;
	FILE *report;
	pid_t child;
	int status;

	if (argc < 3)
		return 2;
	child = fork();
	if (child == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &used) < 0)
		return 2;
	report = fopen(argv[1], "w");
	if (!report)
		return 2;
	fprintf(report, "%ld %ld\n", used.ru_maxrss, micros(used.ru_utime) + micros(used.ru_stime));
	if (fclose(report))
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
