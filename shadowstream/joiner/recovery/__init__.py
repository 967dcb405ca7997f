"""What one commit of a task holds, and what a restart restores from it."""
