"""The kernel's facilities, one file each; functions carry the system call's name and raise OSError with the path."""
