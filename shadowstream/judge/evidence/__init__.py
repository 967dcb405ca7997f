"""Statistics of rates and means that stay valid however often they are looked at."""
