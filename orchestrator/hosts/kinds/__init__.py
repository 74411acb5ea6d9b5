"""The kinds of hosts: what each can do, a module each."""
