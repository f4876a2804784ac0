"""Code written for speed, each behind a readable signature and tested against a plain reference."""
