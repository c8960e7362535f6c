"""Write, audit, publish: what a night must show before readers see it."""
