"""What a person sees of a night: a summary in the terminal and a page."""
