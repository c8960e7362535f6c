"""How good a model is: ranks of the held-out items, metrics from ranks, and differences with an interval."""

from mind.evaluation.bootstrap import Difference, paired_bootstrap
from mind.evaluation.evaluator import Scorer, evaluate
from mind.evaluation.metrics import hit_rate, hit_values, mrr, mrr_values, ndcg, ndcg_values, recall, summary
from mind.evaluation.ranking import NO_ITEM, target_ranks
from mind.evaluation.recommended_lists import (
    catalogue_coverage,
    exposures,
    list_hit,
    list_mrr,
    list_ndcg,
    list_recall,
    top_share,
)

__all__ = [
    "NO_ITEM",
    "Difference",
    "Scorer",
    "catalogue_coverage",
    "evaluate",
    "exposures",
    "hit_rate",
    "hit_values",
    "list_hit",
    "list_mrr",
    "list_ndcg",
    "list_recall",
    "mrr",
    "mrr_values",
    "ndcg",
    "ndcg_values",
    "paired_bootstrap",
    "recall",
    "summary",
    "target_ranks",
    "top_share",
]
