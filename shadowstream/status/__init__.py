"""Status of a running trial: figures from the records of its topics, and the lines that show them."""
