"""The terminal's verbs, by what they work on, and what they share."""
