"""The life of one container: planned by one process, cloned by a small single-threaded one."""
