"""The model against the slow reference: values, for every r, start and power."""

import math
from typing import Any

import pytest
import torch

from mind.model import MIND, best_scores, label_attention, sampled_softmax
from tests.model import reference
from tests.model.worlds import ages_of, batch, every_gradient, small_model

POWERS = (0.0, 1.0, 1.5, 2.0, 100.0, math.inf)
STARTS = ("normal", "farthest")
BEYOND_THE_PAPER: tuple[dict[str, Any], ...] = (
    {"recency": True},
    {"context": True},
    {"recency": True, "context": True, "residual": True, "routing_start": "farthest"},
    {"decorrelation": 0.7},
    {"decorrelation": 0.7, "normalise": False},
    {"method": "youtube_dnn", "interests": 1},
    {"method": "youtube_dnn", "interests": 1, "recency": True, "context": True, "residual": True},
    {"behaviour_time": True},
    {"behaviour_time": True, "recency": True, "context": True, "residual": True, "routing_start": "farthest"},
    {"behaviour_time": True, "method": "youtube_dnn", "interests": 1},
)


def golden_model(**changes: Any) -> MIND:
    """In float64, with weights of places and ages that training could have given: those of the start hide errors."""
    model = small_model(**changes).double()
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for part in (model.recency, model.behaviour_time):
            for parameter in part.parameters() if part is not None else ():
                parameter.normal_(0.0, 0.5, generator=generator)
    return model


def reference_interests(
    model: MIND, history: list[int], profile: list[int], salt: int, ages: list[int] | None = None
) -> list[list[float]]:
    """V_u of one user, active interests only."""
    given = model.architecture
    tables = [table.weight.tolist() for table in model.item_embedding.tables]
    codes = model.item_embedding.item_features_VF.tolist()
    real = [item for item in history if item != 0][-given.history_length :]
    mapping = model.mapping_DD.tolist()
    embedded = [reference.embed(codes[item], tables, given.dimension) for item in real]
    recency = [1.0] * len(real)
    if model.recency is not None:
        places, logs = model.recency.place_LD.tolist(), model.recency.log_weight_L.tolist()
        for behaviour in range(len(real)):
            age = len(real) - 1 - behaviour
            recency[behaviour] = math.exp(logs[age])
            embedded[behaviour] = [x + t for x, t in zip(embedded[behaviour], places[age], strict=True)]
    if model.behaviour_time is not None:
        assert ages is not None
        of_real = [age for age, item in zip(ages, history, strict=True) if item != 0][-given.history_length :]
        vectors, logs = model.behaviour_time.vector_AD.tolist(), model.behaviour_time.log_weight_A.tolist()
        recency = [weight * math.exp(logs[age]) for weight, age in zip(recency, of_real, strict=True)]
        embedded = [
            [x + t for x, t in zip(item, vectors[age], strict=True)]
            for item, age in zip(embedded, of_real, strict=True)
        ]
    mapped = [reference.matrix_times(mapping, vector) for vector in embedded]
    context = reference.weighted_mean(mapped, recency)
    active = reference.interest_count(len(real), given.interests) if given.adaptive_interests else given.interests
    if given.routing_start == "normal":
        logits = reference.normal_start(real, given.interests, given.sigma, salt)
    else:
        logits = reference.farthest_start(mapped, given.interests, given.start_scale)
    capsules = reference.route(mapped, logits, active, given.routing_iterations, recency)
    if given.method == "youtube_dnn":
        capsules = [context]
    person = [
        x
        for table, code in zip(model.profile_embedding.tables, profile, strict=True)
        for x in (table.weight[code].tolist() if code else [0.0] * given.dimension)
    ]
    person += context if given.context else []
    layers = [(layer.weight.tolist(), layer.bias.tolist()) for layer in model.head.layers]
    vectors = [reference.head(capsule, person, layers) for capsule in capsules]
    if given.residual:
        vectors = [[x + y for x, y in zip(*pair, strict=True)] for pair in zip(vectors, capsules, strict=True)]
    return [reference.unit(vector) for vector in vectors] if given.normalise else vectors


def reference_item(model: MIND, item: int) -> list[float]:
    tables = [table.weight.tolist() for table in model.item_embedding.tables]
    codes = model.item_embedding.item_features_VF[item].tolist()
    vector = reference.embed(codes, tables, model.architecture.dimension)
    return reference.unit(vector) if model.architecture.normalise else vector


def assert_matches(model: MIND, salt: int = 0) -> None:
    history_BL, profile_BP, _ = batch(9, seed=8)
    history_BL = history_BL[(history_BL != 0).any(dim=1)]
    profile_BP = profile_BP[: history_BL.shape[0]]
    age_BL = ages_of(model, history_BL)
    found = model.interests(history_BL, profile_BP, salt, age_BL=age_BL)
    served = model.infer(history_BL, profile_BP, age_BL=age_BL)
    for row, (history, profile) in enumerate(zip(history_BL.tolist(), profile_BP.tolist(), strict=True)):
        ages = None if age_BL is None else age_BL[row].tolist()
        expected = torch.tensor(reference_interests(model, history, profile, salt, ages), dtype=torch.float64)
        assert found.active_BK[row].sum() == len(expected)
        torch.testing.assert_close(found.vectors_BKD[row, : len(expected)], expected, rtol=0, atol=1e-9)
        assert not found.vectors_BKD[row, len(expected) :].any()
        if salt == 0:
            torch.testing.assert_close(served.vectors_BKD[row, : len(expected)].double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("start", STARTS)
def test_interests_equal_the_paper_written_out(iterations: int, start: str) -> None:
    # A large S: routing then moves the logits far, and an error in the update cannot hide.
    assert_matches(small_model(routing_iterations=iterations, routing_start=start, mapping_scale=6.0).double())


@pytest.mark.parametrize(
    "changes",
    [
        {"adaptive_interests": False},
        {"normalise": False},
        {"hidden_sizes": ()},
        {"hidden_sizes": (9, 7)},
        {"interests": 1},
        {"sigma": 5.0},
        {"history_length": 4},
        *BEYOND_THE_PAPER,
        {"recency": True, "history_length": 4},
        {"recency": True, "behaviour_time": True, "history_length": 4},
    ],
)
def test_switches_equal_the_paper_written_out(changes: dict[str, Any]) -> None:
    assert_matches(golden_model(**changes))


def test_salt_reaches_the_start() -> None:
    assert_matches(small_model(mapping_scale=6.0).double(), salt=12345678901)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("scored_by", ["chosen", "best"])
def test_losses_equal_the_paper_written_out(power: float, start: str, scored_by: str) -> None:
    assert_losses_match(
        small_model(attention_power=power, routing_start=start, negatives_scored_by=scored_by, temperature=0.3).double()
    )


@pytest.mark.parametrize("changes", BEYOND_THE_PAPER)
@pytest.mark.parametrize("scored_by", ["chosen", "best"])
def test_losses_beyond_the_paper_equal_them_written_out(changes: dict[str, Any], scored_by: str) -> None:
    assert_losses_match(golden_model(negatives_scored_by=scored_by, temperature=0.3, **changes))


@pytest.mark.parametrize("changes", BEYOND_THE_PAPER)
@pytest.mark.parametrize("scored_by", ["chosen", "best"])
def test_gradients_beyond_the_paper_equal_those_of_the_plain_way(changes: dict[str, Any], scored_by: str) -> None:
    history_BL, profile_BP, target_BF = batch(30, seed=4)
    negatives_N, log_expected_N = torch.arange(2, 22), torch.linspace(-1, 1, 20).double()
    fast, plain = (golden_model(negatives_scored_by=scored_by, mapping_scale=4.0, **changes) for _ in range(2))
    age_BL = ages_of(fast, history_BL)
    fast(history_BL, profile_BP, target_BF, negatives_N, log_expected_N, 3, age_BL=age_BL).sum().backward()
    found, given = plain.interests(history_BL, profile_BP, 3, age_BL=age_BL), plain.architecture
    label_BD = plain.normal(plain.item_embedding(target_BF))
    user_BD = label_attention(found.vectors_BKD, found.active_BK, label_BD, given.attention_power)
    items_ND = plain.item_vectors(negatives_N)
    scores_BN = best_scores(found, items_ND) if scored_by == "best" else user_BD @ items_ND.T
    positive_B = (user_BD * label_BD).sum(dim=1) / given.temperature
    is_hit_BN = target_BF[:, :1] == negatives_N
    losses_B = sampled_softmax(positive_B, scores_BN / given.temperature, log_expected_N, is_hit_BN)
    (losses_B + given.decorrelation * pairwise(found.vectors_BKD, found.active_BK)).sum().backward()
    expected = every_gradient(plain)
    for name, gradient in every_gradient(fast).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-7, atol=1e-9)


def pairwise(vectors_BKD: torch.Tensor, active_BK: torch.Tensor) -> torch.Tensor:
    """Mean squared cosine of each user's pairs of interests, pair by pair."""
    means = []
    for vectors_KD, count in zip(vectors_BKD, active_BK.sum(dim=1).tolist(), strict=True):
        pairs = [
            torch.cosine_similarity(vectors_KD[a], vectors_KD[b], dim=0) ** 2 for a in range(count) for b in range(a)
        ]
        means.append(torch.stack(pairs).mean() if pairs else vectors_KD.sum() * 0.0)
    return torch.stack(means)


def assert_losses_match(model: MIND) -> None:
    history_BL, profile_BP, target_BF = batch(6, seed=4)
    history_BL[:, 0] = 7
    negatives_N = torch.tensor([3, int(target_BF[2, 0]), 3, 9, 30])
    log_expected_N = torch.tensor([0.1, -1.0, 0.1, 0.7, -2.0], dtype=torch.float64)
    age_BL = ages_of(model, history_BL)
    losses_B = model(history_BL, profile_BP, target_BF, negatives_N, log_expected_N, 17, age_BL=age_BL)
    for row in range(6):
        ages = None if age_BL is None else age_BL[row].tolist()
        interests = reference_interests(model, history_BL[row].tolist(), profile_BP[row].tolist(), 17, ages)
        target = int(target_BF[row, 0])
        label = reference_item(model, target)
        user = reference.label_attention(interests, label, model.architecture.attention_power)
        items = [reference_item(model, item) for item in negatives_N.tolist()]
        scores = [
            (
                reference.dot(user, item)
                if model.architecture.negatives_scored_by == "chosen"
                else reference.serving_score(interests, item)
            )
            for item in items
        ]
        expected = reference.sampled_softmax(
            reference.dot(user, label) / 0.3,
            [score / 0.3 for score in scores],
            log_expected_N.tolist(),
            [item == target for item in negatives_N.tolist()],
        )
        expected += model.architecture.decorrelation * reference.likeness(interests)
        assert losses_B[row].item() == pytest.approx(expected, abs=1e-9)


def test_serving_scores_equal_the_paper_written_out() -> None:
    model = small_model().double()
    history_BL, profile_BP, _ = batch(5, seed=2)
    history_BL[:, 0] = 11
    scores_BM = model.scores(model.interests(history_BL, profile_BP), torch.arange(2, 40))
    for row in range(5):
        interests = reference_interests(model, history_BL[row].tolist(), profile_BP[row].tolist(), 0)
        expected = [reference.serving_score(interests, reference_item(model, item)) for item in range(2, 40)]
        assert scores_BM[row].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("power", POWERS)
def test_label_attention_with_dots_of_every_sign(power: float) -> None:
    label_D = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    directions_KD = torch.tensor([[-1.0, 0, 0], [0, -0.7, 0], [0.2, 0.1, 0], [9.0, -9.0, 9.0]]).double()
    active_K = torch.tensor([True, True, True, False])
    for sign in (1.0, -1.0):
        interests_KD = (directions_KD * sign).requires_grad_()
        found_D = label_attention(interests_KD[None], active_K[None], label_D[None], power)[0]
        expected = reference.label_attention((directions_KD[:3] * sign).tolist(), label_D.tolist(), power)
        assert found_D.tolist() == pytest.approx(expected, abs=1e-12)
        found_D.sum().backward()
        assert torch.isfinite(interests_KD.grad).all()
        assert not interests_KD.grad[3].any()


def test_sampled_softmax_equals_the_paper_written_out() -> None:
    negatives = [[0.3, -2.0, 5.0], [1.0, 1.0, 1.0]]
    hits = [[False, True, False], [True, True, True]]
    found_B = sampled_softmax(
        torch.tensor([1.5, -0.5]).double(),
        torch.tensor(negatives).double(),
        torch.tensor([0.5, 0.1, -3.0]).double(),
        torch.tensor(hits),
    )
    assert found_B[0].item() == pytest.approx(
        reference.sampled_softmax(1.5, negatives[0], [0.5, 0.1, -3.0], hits[0]), abs=1e-6
    )
    assert found_B[1].item() == 0.0
