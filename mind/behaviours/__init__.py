"""Raw rows to behaviours: what happened, who to, when; what is refused and why."""
