"""Stand-ins for the outside systems, spoken to over HTTP."""
