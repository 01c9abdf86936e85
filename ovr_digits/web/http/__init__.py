"""Requests and answers: connections, limits, hosts, bodies, and what is said of problems."""
