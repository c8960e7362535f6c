"""Settings of the model's tests."""

import torch
from hypothesis import settings

# A first call pays for torch's start-up, which a deadline would blame on the example.
settings.register_profile("model", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("model")

# Small models lose more by waiting for a second thread than they gain.
torch.set_num_threads(1)
