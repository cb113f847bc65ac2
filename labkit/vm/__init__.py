"""Virtual machines from the distribution's own parts: Debian's cloud kernel, QEMU, virtiofsd and busybox.

    kernel        which kernel a guest boots, and where its modules are; downloaded where none is installed
    modules       which modules to load, and in which order
    cpio          the archive format of an initramfs
    initramfs     what a guest has before it mounts anything: busybox, modules, an init script, what to run
    share         a folder of the host in the guest, read-only, by virtiofsd
    wire          its network: a tap of the host's on a bridge
    qemu          the command line
    tsc           how fast the clock of an emulated guest runs that it cannot measure itself
    machine       one machine from start to end: its processes, its streams, its exit status
    probe         whether KVM really boots a guest here
    bare          the kernel alone, booted to its first process, to compare with
    lab           the lab VM: the host's own files under another kernel, with cgroup v2 alone
    guest_bundle  what of an OCI bundle is for a guest, and what the host shares with it
    libraries     a program of the host with its libraries, for an initramfs
    sandbox       one OCI bundle in a VM of its own, run by crun inside: what the runtime `microvm` starts
    talk          with such a sandbox: signals, one more program, a held start

A guest is described by a `Guest` (initramfs.py) and a `Hardware` (qemu.py); the lab VM is one such pair.
"""
