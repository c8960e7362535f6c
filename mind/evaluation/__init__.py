"""How good a model is: ranks of the held-out items, metrics from ranks, and differences with an interval."""

from mind.evaluation.bootstrap import Difference, counted_bootstrap, paired_bootstrap
from mind.evaluation.evaluator import Measured, Scorer, evaluate, measure
from mind.evaluation.groups import COLD, Part, breakdown, length_buckets, popularity_deciles
from mind.evaluation.metrics import hit_rate, hit_values, mrr, mrr_values, ndcg, ndcg_values, recall, summary
from mind.evaluation.ranking import NO_ITEM, target_ranks, top_lists
from mind.evaluation.recommended_lists import (
    catalogue_coverage,
    exposures,
    gini,
    list_diversity,
    list_hit,
    list_mrr,
    list_ndcg,
    list_recall,
    top_share,
)
from mind.evaluation.replay import Replay, replay
from mind.evaluation.seeds import Spread, spread, spreads
from mind.evaluation.seen import excluded_positions, target_seen

__all__ = [
    "COLD",
    "NO_ITEM",
    "Difference",
    "Measured",
    "Part",
    "Replay",
    "Scorer",
    "Spread",
    "breakdown",
    "catalogue_coverage",
    "counted_bootstrap",
    "evaluate",
    "excluded_positions",
    "exposures",
    "gini",
    "hit_rate",
    "hit_values",
    "length_buckets",
    "list_diversity",
    "list_hit",
    "list_mrr",
    "list_ndcg",
    "list_recall",
    "measure",
    "mrr",
    "mrr_values",
    "ndcg",
    "ndcg_values",
    "paired_bootstrap",
    "popularity_deciles",
    "recall",
    "replay",
    "spread",
    "spreads",
    "summary",
    "target_ranks",
    "target_seen",
    "top_lists",
    "top_share",
]
