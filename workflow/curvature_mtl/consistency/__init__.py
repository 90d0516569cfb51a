"""Physical consistency: structures of a cheap method corrected by the energies of a better one."""
