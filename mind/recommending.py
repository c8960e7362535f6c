"""The sections of the configuration about lists: what is recommended, and what a night must show to be published."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mind.sections import Count, Positive, Scale, Section, Share


class RetrievalSection(Section):
    """Interests, or item neighbours, to candidates."""

    method: Literal["champion", "item_cf"] = Field(
        description="where lists come from; item_cf: from item neighbours by [item_cf], without a model"
    )
    candidates: Positive = Field(description="N: items per user")
    exclude_days: Count = Field(description="items of the user's last this many days are left out; 0: none")
    blocklist: str = Field(description="file, folder or schema.table of items never recommended; empty: none")
    allowlist: str = Field(description="file, folder or schema.table of the only items recommended; empty: all")
    inactive_days: Count = Field(description="items without a behaviour in the last so many days are left out; 0: none")
    interest_share: Share = Field(
        description="share of a list divided among the interests: each keeps its best; 0: none"
    )
    diversity: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        description="lambda of ComiRec's aggregation, in units of the score; 0: none"
    )
    diversity_feature: str = Field(description="item feature that is the category for diversity")
    diversity_pool: Positive = Field(description="diversity chooses among this many times N best items")
    fallback_days: Positive = Field(description="the popular list counts behaviours of the last this many days")
    users_per_batch: Positive = Field(description="users searched at once by a worker")
    index: Literal["auto", "exact", "ivf", "hnsw"] = Field(
        description="how items are searched; auto: by size and recall"
    )
    exact_items: Count = Field(description="auto searches exactly in catalogues of at most this many items")
    recall: Share = Field(description="recall@N against the exact lists that an index must reach on a sample of users")
    recall_users: Positive = Field(description="users in the sample; as many others tune the index")

    @model_validator(mode="after")
    def _diversity_has_a_category(self) -> RetrievalSection:
        if self.diversity and not self.diversity_feature:
            raise ValueError(f"diversity {self.diversity:g} needs a category; set diversity_feature to an item feature")
        return self


class ItemCfSection(Section):
    """Lists from item neighbours, where `retrieval.method` is item_cf."""

    neighbours: Positive = Field(description="most similar items kept of each item")
    damping: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        description="added to sqrt(users of i * users of j), in users: pairs that few share count for less"
    )
    most_recent: Annotated[int, Field(ge=2)] = Field(
        description="items that a user chose last, from which similarities are counted"
    )
    recency_decay: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        description="weight of a behaviour relative to the one after it"
    )
    history_length: Positive = Field(description="a user's last behaviours whose neighbours are scored")


class PromotionSection(Section):
    """What a challenger must show to take the champion's place, on the same test rows."""

    minimum_gain: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        description="HitRate@main_cutoff: the 95 % interval of the difference must lie above it"
    )
    coverage_loss: Share = Field(description="share of the champion's coverage of the catalogue that may be lost")
    capsule_cosine_rise: Scale = Field(description="by which the mean cosine of the capsules may exceed the champion's")
    merged_share_rise: Share = Field(
        description="by which the share of users with nearly equal capsules may exceed the champion's"
    )
    size_ratio: Scale = Field(description="bytes of the model's files over those of the champion's, at most")
    latency_ratio: Scale = Field(description="ms per user of interests over the champion's, at most")
    sample_rows: Positive = Field(description="test rows on which capsules and latency are measured")


class GatesSection(Section):
    """What a night must show before readers see it."""

    minimum_users: Count = Field(description="users with candidates")
    maximum_fallback_share: Share = Field(description="users served by the popular list")
    minimum_user_ratio: Share = Field(description="users of this night over users of the last published one")
    minimum_row_ratio: Share = Field(description="places in the lists of this night over those of the last one")
    minimum_overlap: Share = Field(description="mean share of a user's list that was in the user's last published one")
    minimum_full_share: Share = Field(description="lists that hold exactly N items, or every item there is")
    maximum_concentration: Share = Field(description="places held by the one per cent of items that are shown most")
    minimum_coverage: Share = Field(description="share of the catalogue in at least one list")
    minimum_recall: Share = Field(description="mean recall@N against the exact lists over the sample of users")
