/* Devices: the nodes that are there, and those that it could make (mknod(2)).
 *
 * Only devices that can be opened without effect are opened: a watchdog, for one, cannot.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe.h"

#define AREA "devices"

static const char *const OPENED[] = {
    "/dev/fuse", "/dev/kmsg", "/dev/kvm", "/dev/loop-control", "/dev/mem", "/dev/net/tun", "/dev/port", "/dev/tty",
    "/dev/vhost-net", "/dev/vhost-vsock",
};

/* Where it might be allowed to make a node. */
static const char *const FOLDERS[] = {"/dev", "/dev/shm", "/tmp", "/run", "/"};

struct node {
    mode_t type;
    dev_t device;
    int opened; /* whether it is to be opened as well */
};

static int make_in(const char *folder, const struct node *node)
{
    char path[64];
    int descriptor, outcome = 0;

    snprintf(path, sizeof path, "%s/.labkit-probe-%d", folder, getpid());
    if (mknod(path, node->type | 0600, node->device) < 0)
        return errno;
    if (node->opened) {
        descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        outcome = failure(descriptor);
    }
    unlink(path);
    return outcome;
}

static int make(const void *about)
{
    int outcome = EROFS;

    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS && outcome; i++) {
        int here = make_in(FOLDERS[i], about);
        /* That a folder is read-only says less than any other answer. */
        if (here != EROFS && here != ENOENT)
            outcome = here;
    }
    return outcome;
}

/* The first disk of the host, whether or not there is a node of it; 0 where none is seen. */
static dev_t disk(void)
{
    unsigned major, minor;
    char line[256];
    dev_t found = 0;
    FILE *file = fopen("/proc/partitions", "re");

    while (file && !found && fgets(line, sizeof line, file))
        if (sscanf(line, "%u %u", &major, &minor) == 2)
            found = makedev(major, minor);
    if (file)
        fclose(file);
    return found;
}

static void nodes(const char *path, struct names *characters, struct names *blocks, int depth)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char below[512];
        struct stat about;
        if (entry->d_name[0] == '.' || fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (S_ISCHR(about.st_mode))
            add(characters, below + strlen("/dev/"));
        else if (S_ISBLK(about.st_mode))
            add(blocks, below + strlen("/dev/"));
        else if (S_ISDIR(about.st_mode) && depth < 3)
            nodes(below, characters, blocks, depth + 1);
    }
    if (folder)
        closedir(folder);
}

static int open_one(const void *path)
{
    return failure(open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

static int read_disk(const void *path)
{
    return failure(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

void devices(void)
{
    static struct names characters, blocks, read;
    struct node null = {S_IFCHR, makedev(1, 3), 0}, memory = {S_IFCHR, makedev(1, 1), 1};
    struct node storage = {S_IFBLK, disk(), 1};
    char question[128], path[8192];

    nodes("/dev", &characters, &blocks, 0);
    row("set", AREA, "character devices in /dev", "", "%s", characters.text);
    row("set", AREA, "block devices in /dev", "", "%s", blocks.text);
    snprintf(path, sizeof path, "%s", blocks.text);
    for (char *name = strtok(path, " "); name; name = strtok(NULL, " ")) {
        char whole[300];
        snprintf(whole, sizeof whole, "/dev/%s", name);
        if (attempt(read_disk, whole) == 0)
            add(&read, name);
    }
    row("set", AREA, "block devices that it can read", "", "%s", read.text);
    for (size_t i = 0; i < sizeof OPENED / sizeof *OPENED; i++) {
        snprintf(question, sizeof question, "open %s", OPENED[i]);
        can(AREA, question, attempt(open_one, OPENED[i]));
    }
    can(AREA, "make a device node", attempt(make, &null));
    can(AREA, "make a node of the host's memory, and open it", attempt(make, &memory));
    can(AREA, "make a node of the host's disk, and open it", storage.device ? attempt(make, &storage) : ENODEV);
}
