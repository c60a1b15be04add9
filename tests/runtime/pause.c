/*
 * The one program of the test image.
 *
 *   /pause             does nothing until SIGTERM or SIGINT: a pod's sandbox
 *   /pause addresses   prints "INTERFACE ADDRESS" for each IPv4 and IPv6 address it sees, and exits
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int print_addresses(void)
{
	struct ifaddrs *list, *item;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&list) != 0) {
		perror("getifaddrs");
		return 1;
	}
	for (item = list; item != NULL; item = item->ifa_next) {
		const void *address;

		if (item->ifa_addr == NULL)
			continue;
		if (item->ifa_addr->sa_family == AF_INET)
			address = &((struct sockaddr_in *)item->ifa_addr)->sin_addr;
		else if (item->ifa_addr->sa_family == AF_INET6)
			address = &((struct sockaddr_in6 *)item->ifa_addr)->sin6_addr;
		else
			continue;
		if (inet_ntop(item->ifa_addr->sa_family, address, text, sizeof text) != NULL)
			printf("%s %s\n", item->ifa_name, text);
	}
	freeifaddrs(list);
	return 0;
}

int main(int argc, char **argv)
{
	sigset_t signals;
	int received;

	if (argc > 1 && strcmp(argv[1], "addresses") == 0)
		return print_addresses();

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return sigwait(&signals, &received);
}
