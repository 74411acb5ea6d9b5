"""The command line: what is asked for, what is said while it is done, and how it ends."""
