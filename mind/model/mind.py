"""MIND, the whole model: embedding, routing, head, label-aware attention, sampled softmax.

Shapes: B batch, L history length, K interests, D dimension, N negatives, F item features, P profile features,
V catalogue rows, U distinct items of a batch, M any number of items, E next targets of a row.

Histories hold item indexes from the oldest behaviour to the most recent, with 0 as padding on either side.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mind.model.architecture import Architecture, Method, ScoredBy
from mind.model.arithmetic import FAST, Arithmetic, unit
from mind.model.behaviour_time import BehaviourTime, check_ages
from mind.model.divided import TableMaker
from mind.model.embedding import ItemEmbedding, ProfileEmbedding, whole_table
from mind.model.head import Head
from mind.model.inference import infer_interests, infer_items, real_items
from mind.model.interests import Interests, best_scores, user_interests
from mind.model.objective import training_losses
from mind.model.recency import Recency
from mind.model.routing import active_interests, squash
from mind.model.routing_start import RoutingStart, farthest_start, normal_start


class MIND(nn.Module):
    """Multi-interest network with dynamic routing (Li et al., CIKM 2019, arXiv 1904.08030).

    Deviations from the paper: a hashed routing start (`routing_start.py`), a last layer without ReLU (`head.py`),
    softmax(p x) for softmax(pow(x, p)) (`label_attention.py`), cosine with temperature by default.

    Args:
        item_features_VF: feature codes of each dense item index; column 0 is the index, row 0 padding.
        feature_sizes: rows of each item feature's table; the first is V.
        profile_sizes: rows of each profile feature's table; may be empty.
        history_length: L that is routed; longer histories keep the most recent.
        dimension: D.
        interests: K, the most interests a user can have.
        adaptive_interests: K'_u by eq (9); otherwise K for everybody.
        routing_iterations: r.
        routing_start: "normal" or "farthest", see `routing_start.py`.
        sigma, start_scale: standard deviation of the normal start; logit per unit of cosine of the farthest start.
        hidden_sizes: widths of the head's ReLU layers.
        attention_power: p of label-aware attention; inf is hard.
        normalise: interests and items have length 1 (training and serving), so that scores are cosines.
        temperature: scores are divided by it in the loss.
        negatives_scored_by: "chosen": by the vector that label-aware attention made for the positive (the paper);
            "best": by the best active interest, as serving does (not in the paper).
        log_q_correction: use the negatives' expected counts.
        embedding_scale: expected length of e_i at the start (not in the paper): short, so that Adam soon turns it.
        mapping_scale: S starts as this multiple of the identity (not in the paper). Agreement u_j . S e_i is at most
            |S e_i|; below about 1 routing hardly moves. The default starts there and training adds.
        seed: of the starting weights; torch's global generator is left alone.
        method: "mind", or "youtube_dnn" (Covington et al., RecSys 2016, as the paper compares with it): one vector a
            user, from the mean of its mapped behaviours; embedding, head, loss and serving are the same.
        recency: behaviours carry a learned weight and vector of their place, see `recency.py` (not in the paper).
        context: the head also sees the weighted mean of all mapped behaviours (not in the paper).
        residual: see `head.py` (not in the paper).
        dropout: share of the entries of a batch's behaviour vectors that training leaves out (not in the paper).
        decorrelation: weight, in the loss, of the mean squared cosine between a user's interests (not in the paper).
        behaviour_time: behaviours carry a learned weight and vector of their age, see `behaviour_time.py` (the paper's
            future work); whatever takes a history then takes their ages too, age_BL.
        table: makes the tables (`divided.py`).

    Raises:
        ValueError: an argument that cannot work, with its value, the rule and the remedy.
    """

    def __init__(
        self,
        *,
        item_features_VF: Tensor,
        feature_sizes: Sequence[int],
        profile_sizes: Sequence[int] = (),
        history_length: int = 50,
        dimension: int = 64,
        interests: int = 4,
        adaptive_interests: bool = True,
        routing_iterations: int = 3,
        routing_start: RoutingStart = "normal",
        sigma: float = 1.0,
        start_scale: float = 5.0,
        hidden_sizes: Sequence[int] = (128,),
        attention_power: float = math.inf,
        normalise: bool = True,
        temperature: float = 0.1,
        negatives_scored_by: ScoredBy = "chosen",
        log_q_correction: bool = True,
        embedding_scale: float = 0.1,
        mapping_scale: float = 10.0,
        seed: int = 0,
        method: Method = "mind",
        recency: bool = False,
        context: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        decorrelation: float = 0.0,
        behaviour_time: bool = False,
        table: TableMaker = whole_table,
    ) -> None:
        arguments = locals()  # the architecture has a field for each but the catalogue's codes and the tables' maker
        super().__init__()
        self.architecture = Architecture(**{name: arguments[name] for name in Architecture.__dataclass_fields__})
        generator = torch.Generator().manual_seed(seed)
        self.item_embedding = ItemEmbedding(
            item_features_VF, feature_sizes, dimension, scale=embedding_scale, generator=generator, table=table
        )
        self.profile_embedding = ProfileEmbedding(
            profile_sizes, dimension, scale=embedding_scale, generator=generator, table=table
        )
        self.mapping_DD = nn.Parameter(mapping_scale * torch.eye(dimension))
        beside = self.profile_embedding.width + (dimension if context else 0)
        self.head = Head(dimension, beside, hidden_sizes, residual, generator=generator)
        self.recency = (
            Recency(history_length, dimension, scale=embedding_scale, generator=generator) if recency else None
        )
        # Last, so that all else starts as without it.
        self.behaviour_time = (
            BehaviourTime(dimension, scale=embedding_scale, generator=generator) if behaviour_time else None
        )

    def forward(
        self,
        history_BL: Tensor,
        profile_BP: Tensor,
        target_BF: Tensor,
        negatives_N: Tensor,
        log_expected_N: Tensor,
        salt: int = 0,
        *,
        age_BL: Tensor | None = None,
        next_BE: Tensor | None = None,
    ) -> Tensor:
        """Training losses [B], eq (10)(11), one a row so that uneven ranks can be weighed. B = 0 is allowed:
        every parameter then gets a gradient of zeros.

        Args:
            history_BL: item indexes, padded with 0.
            profile_BP: profile codes.
            target_BF: the target's feature codes; column 0 is its item index.
            negatives_N: item indexes shared by the batch (`sampling.py`).
            log_expected_N: log expected count of each; unused without log_q_correction.
            salt: the step, so that a normal routing start differs from step to step.
            age_BL: bucket of each behaviour's age, 1 to AGE_BUCKETS, any whole type; needed with behaviour_time alone.
            next_BE: item indexes of a row's further targets, 0 for none; its loss is the mean over all its targets.
        """
        given = history_BL, profile_BP, target_BF, negatives_N, log_expected_N
        return training_losses(self, *given, salt, age_BL, next_BE)

    def interests(
        self,
        history_BL: Tensor,
        profile_BP: Tensor,
        salt: int = 0,
        *,
        age_BL: Tensor | None = None,
        arithmetic: Arithmetic = FAST,
    ) -> Interests:
        """V_u of eq (1), differentiable. Stored vectors come from `infer`: its bits are a user's own.

        A user without behaviours has one interest, made of the profile alone. Histories wider than
        history_length are packed first, and weights_BLK then follow the packed order.
        """
        return user_interests(self, history_BL, profile_BP, salt, arithmetic, age_BL)

    def item_vectors(self, items_M: Tensor, *, arithmetic: Arithmetic = FAST) -> Tensor:
        """Vectors [M, D] of item indexes, normalised as in training, differentiable."""
        item_MD = self.item_embedding(self.item_embedding.codes(items_M))
        return self.normal(arithmetic.widen(item_MD), arithmetic)

    def scores(self, interests: Interests, items_M: Tensor) -> Tensor:
        """score(u, i) = max over active interests of v_k . e_i, eq (3), [B, M]. No temperature."""
        return best_scores(interests, self.item_vectors(items_M).to(interests.vectors_BKD.dtype))

    def infer(
        self, history_BL: Tensor, profile_BP: Tensor, block: int = 64, *, age_BL: Tensor | None = None
    ) -> Interests:
        """Interests for serving: float32, no gradient, salt 0; weights_BLK follow the packed history.

        A user's bits are the same alone, in any batch and order, for any padding, thread count, block and
        process (`arithmetic.OrderFree` says why). `block` bounds the memory; 64 users fit a core's cache.
        """
        return infer_interests(self, history_BL, profile_BP, block, age_BL)

    def infer_items(self, items_M: Tensor, block: int = 4096) -> Tensor:
        """Item vectors [M, D] for serving: float32, no gradient, with the same guarantee as `infer`."""
        return infer_items(self, items_M, block)

    def catalogue_vectors(self, block: int = 4096) -> tuple[Tensor, Tensor]:
        """(items [V - 2], vectors [V - 2, D]) of all real items, as `infer_items` makes them."""
        items_M = real_items(self)
        return items_M, infer_items(self, items_M, block)

    def check_batch(
        self, history_BL: Tensor, profile_BP: Tensor, target_BF: Tensor, age_BL: Tensor | None = None
    ) -> None:
        """Raise ValueError for a code outside its table. Costs a pass: once a file, not once a step."""
        if self.behaviour_time is not None:
            check_ages(history_BL, age_BL)
        self.item_embedding.check_items(history_BL)
        self.profile_embedding.check_codes(profile_BP)
        self.item_embedding.check_codes(target_BF)

    def sparse_parameters(self) -> list[nn.Parameter]:
        """The tables, whose gradients are sparse: for SparseAdam, without weight decay."""
        return [*self.item_embedding.parameters(), *self.profile_embedding.parameters()]

    def dense_parameters(self) -> list[nn.Parameter]:
        """S, the head, the recency and the ages, for a dense optimiser."""
        beside = [part for part in (self.recency, self.behaviour_time) if part is not None]
        return [self.mapping_DD, *self.head.parameters(), *(each for part in beside for each in part.parameters())]

    def active(self, length_B: Tensor) -> Tensor:
        """Which interests take part for histories of these lengths: [B, K]."""
        given = self.architecture
        return active_interests(length_B, given.interests, given.adaptive_interests)

    def start(self, history_BL: Tensor, mapped_BLD: Tensor, salt: int, arithmetic: Arithmetic = FAST) -> Tensor:
        """Routing's starting logits [B, L, K]."""
        given = self.architecture
        if given.routing_start == "normal":
            dtype = torch.float64 if arithmetic is not FAST else mapped_BLD.dtype
            return normal_start(history_BL, given.interests, given.sigma, salt, dtype)
        return farthest_start(mapped_BLD, history_BL != 0, given.interests, given.start_scale, arithmetic)

    def vectors(
        self, capsules_BKD: Tensor, active_BK: Tensor, profile_BX: Tensor, arithmetic: Arithmetic = FAST
    ) -> Tensor:
        """Interest vectors [B, K, D] of capsules and embedded profiles; zero where inactive."""
        vectors_BKD = self.normal(self.head(capsules_BKD, profile_BX, arithmetic), arithmetic)
        # The head's biases would turn an inactive capsule into a vector.
        return vectors_BKD.masked_fill(~active_BK.unsqueeze(-1), 0.0)

    def capsules(self, sums_BJD: Tensor) -> Tensor:
        """Capsules of mapped weighted sums: squashed by routing, as they are for a mean."""
        return sums_BJD if self.architecture.method == "youtube_dnn" else squash(sums_BJD)

    def beside(self, profile_BX: Tensor, context_BD: Tensor | None) -> Tensor:
        """What the head sees beside a capsule: the profile, and the mean of the behaviours where the model wants it."""
        if not self.architecture.context:
            return profile_BX
        assert context_BD is not None
        return torch.cat([profile_BX, context_BD], dim=1)

    def normal(self, x: Tensor, arithmetic: Arithmetic = FAST) -> Tensor:
        """x at length 1 where the model is normalised."""
        return unit(x, arithmetic) if self.architecture.normalise else x
