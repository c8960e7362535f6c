"""What people and monitors ask of a running pipeline: what is published, is it fresh, does it work, who is in it."""
