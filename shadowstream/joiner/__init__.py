"""The joiner: pairs each production output with the candidate's and ends every record in one outcome."""
