"""From a configuration to the ordered list of steps that makes the container; pure: nothing here calls the kernel."""
