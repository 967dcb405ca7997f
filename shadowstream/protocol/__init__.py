"""The contract between roles: everything that one role writes and another reads. Pure."""
