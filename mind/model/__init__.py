"""The MIND model: torch and safetensors only. Start with `mind.py`; it follows the paper's order."""

from mind.model.architecture import Architecture
from mind.model.behaviour_time import AGE_BUCKETS
from mind.model.codes import FIRST_REAL, PADDING, UNKNOWN
from mind.model.divided import DividedTable, TableMaker, divided
from mind.model.embedding import ItemEmbedding, ProfileEmbedding, whole_table
from mind.model.files import ModelFileError, load, save
from mind.model.growing import differences, start_from
from mind.model.health import capsule_health, model_health
from mind.model.history import bounded_history, pack_history
from mind.model.interests import Interests, best_scores
from mind.model.label_attention import label_attention
from mind.model.losses import sampled_softmax
from mind.model.max_mf import MaxMF
from mind.model.mind import MIND
from mind.model.routing import active_interests, interest_count, route, squash
from mind.model.routing_start import farthest_start, normal_start
from mind.model.sampling import SAMPLERS, Negatives, NegativeSampler, generator_for

__all__ = [
    "AGE_BUCKETS",
    "FIRST_REAL",
    "MIND",
    "PADDING",
    "SAMPLERS",
    "UNKNOWN",
    "Architecture",
    "DividedTable",
    "Interests",
    "ItemEmbedding",
    "MaxMF",
    "ModelFileError",
    "NegativeSampler",
    "Negatives",
    "ProfileEmbedding",
    "TableMaker",
    "active_interests",
    "best_scores",
    "bounded_history",
    "capsule_health",
    "differences",
    "divided",
    "farthest_start",
    "generator_for",
    "interest_count",
    "label_attention",
    "load",
    "model_health",
    "normal_start",
    "pack_history",
    "route",
    "sampled_softmax",
    "save",
    "squash",
    "start_from",
    "whole_table",
]
