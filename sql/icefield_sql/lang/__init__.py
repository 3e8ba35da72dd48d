"""The language itself: tokens, dialects, quotes, names, literals, types and functions."""
