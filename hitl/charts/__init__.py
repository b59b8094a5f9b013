"""Tidy table in, Altair chart out; nothing here reads or computes what it shows."""
