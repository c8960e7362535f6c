"""MaxMF: several vectors a user, learned for the user and not from behaviours (Weston et al., RecSys 2013).

The paper compares with it. Shapes: B batch, K interests, D dimension, N negatives, F item features, U users.
"""

import math

import torch
from torch import Tensor, nn

from mind.model.arithmetic import unit
from mind.model.embedding import ItemEmbedding
from mind.model.interests import Interests
from mind.model.label_attention import label_attention
from mind.model.losses import best_vector_softmax, hits
from mind.model.rows import table_rows


class MaxMF(nn.Module):
    """score(u, i) = max over k of the cosine of v_uk and e_i, under MIND's own loss, so that the two can be compared.

    Weston et al. use inner products and a ranking loss; here both are MIND's (not in their paper). A user who is not in
    the table cannot be scored.

    Args:
        item_features_VF: as MIND's.
        feature_sizes: as MIND's.
        users: U.
        dimension: D.
        interests: K.
        temperature: scores are divided by it in the loss.
        embedding_scale: expected length of e_i and v_uk at the start.
        seed: of the starting weights.
    """

    def __init__(
        self,
        *,
        item_features_VF: Tensor,
        feature_sizes: list[int],
        users: int,
        dimension: int,
        interests: int,
        temperature: float,
        embedding_scale: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.interest_count, self.temperature = interests, temperature
        generator = torch.Generator().manual_seed(seed)
        self.item_embedding = ItemEmbedding(
            item_features_VF, feature_sizes, dimension, scale=embedding_scale, generator=generator
        )
        # Row 0 is padding, as in every table; user u has row u + 1.
        vectors_UX = torch.randn(users + 1, interests * dimension, generator=generator)
        vectors_UX[0] = 0.0
        self.users_UX = nn.Parameter(vectors_UX * (embedding_scale / math.sqrt(dimension)))

    def interests(self, user_B: Tensor) -> Interests:
        """The K vectors of users 0 to U - 1; there are no routing weights [B, 0, K]."""
        rows_BX = table_rows(self.users_UX, user_B + 1)
        vectors_BKD = unit(rows_BX.view(len(user_B), self.interest_count, -1))
        active_BK = torch.ones(vectors_BKD.shape[:2], dtype=torch.bool, device=user_B.device)
        return Interests(vectors_BKD, active_BK, vectors_BKD.new_zeros(len(user_B), 0, self.interest_count))

    def item_vectors(self, items_M: Tensor) -> Tensor:
        """[M, D], of length 1."""
        return unit(self.item_embedding(self.item_embedding.codes(items_M)))

    def forward(self, user_B: Tensor, target_BF: Tensor, negatives_N: Tensor, log_expected_N: Tensor) -> Tensor:
        """Losses [B] as `MIND.forward` has them with negatives scored by the best interest."""
        found = self.interests(user_B)
        label_BD = unit(self.item_embedding(target_BF))
        chosen_BD = label_attention(found.vectors_BKD, found.active_BK, label_BD, math.inf)
        return best_vector_softmax(
            found.vectors_BKD / self.temperature,
            found.active_BK,
            self.item_vectors(negatives_N),
            (chosen_BD * label_BD).sum(dim=1) / self.temperature,
            log_expected_N,
            hits(target_BF[:, 0].long(), negatives_N.long()),
        )

    def sparse_parameters(self) -> list[nn.Parameter]:
        """The tables."""
        return [*self.item_embedding.parameters(), self.users_UX]

    def dense_parameters(self) -> list[nn.Parameter]:
        """None."""
        return []
