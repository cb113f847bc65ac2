/* Interfaces, sockets, and what of the host can be reached by them. */

#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"

#define AREA "network"

struct kind {
    const char *question;
    int family, type, protocol;
};

static const struct kind SOCKETS[] = {
    {"open a raw socket", AF_INET, SOCK_RAW, IPPROTO_ICMP},
    {"open a packet socket", AF_PACKET, SOCK_RAW, 0},
    {"open a socket to the hypervisor (vsock)", AF_VSOCK, SOCK_STREAM, 0},
    {"open a socket to the kernel's audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT},
    {"open a socket to the kernel's ciphers (alg)", AF_ALG, SOCK_SEQPACKET, 0},
};

static int open_socket(const void *about)
{
    const struct kind *kind = about;

    return failure(socket(kind->family, kind->type | SOCK_CLOEXEC, kind->protocol));
}

void network(void)
{
    struct names interfaces = {""};
    char line[4096];
    int abstract = 0;
    FILE *file = fopen("/proc/net/dev", "re");

    while (file && fgets(line, sizeof line, file)) {
        char *end = strchr(line, ':');
        if (!end)
            continue;
        *end = 0;
        add(&interfaces, line + strspn(line, " "));
    }
    if (file)
        fclose(file);
    row("set", AREA, "interfaces", "", "%s", interfaces.text);
    file = fopen("/proc/net/unix", "re");
    while (file && fgets(line, sizeof line, file))
        abstract += strchr(line, '@') != NULL;
    if (file)
        fclose(file);
    row("count", AREA, "abstract sockets (unix(7))", "1", "%d", abstract);
    for (size_t i = 0; i < sizeof SOCKETS / sizeof *SOCKETS; i++)
        can(AREA, SOCKETS[i].question, attempt(open_socket, &SOCKETS[i]));
}
