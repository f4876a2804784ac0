"""Random command lines, damaged files and kills: each ends well, or with one line and status 2."""
