"""Every dataset of the quality benchmark with its rows, pairs and bars. Add a row by one line; its recipe may come later."""

from __future__ import annotations

from itertools import product

from aisle.simulate.config import ShopConfig
from benchmarks.quality.question import Bar, Log, Pair, Question, Row


def against(b: tuple[str, ...], a: tuple[str, ...]) -> tuple[Pair, ...]:
    """Return each row of b minus each row of a."""
    return tuple(Pair(first, second) for first, second in product(a, b) if first != second)


def plain(*names: str, ask: tuple[str, ...], slices: tuple[str, ...] = (), latency: bool = False) -> tuple[Row, ...]:
    """Return the baselines that are made for no dataset and draw nothing, asked under the dataset's protocol."""
    return tuple(Row(name, set=ask, draws=False, slices=slices, latency=latency) for name in names)


_NCF = Question(
    name="ncf-ml-1m",
    source=Log("train.parquet", test="test.rating", negatives="test.negative"),
    protocol="leave-one-out, 99 fixed negatives a user (SAMPLED), ties count against the model",
    rows=(
        *plain("popularity", "item-knn", ask=("split.kind=files", "evaluate.protocol=sampled")),
        Row("neumf-ncf-ml-1m"),
        Row("neumf-pretrained-ncf-ml-1m"),
        Row("gmf-ncf-ml-1m"),
        Row("mf-ncf-ml-1m"),
        Row("ials-ncf-ml-1m"),
        Row("ease-ncf-ml-1m", draws=False),
        Row("fm-ncf-ml-1m"),
        Row("lstm-ncf-ml-1m"),
    ),
    pairs=(
        *against(("neumf-ncf-ml-1m", "neumf-pretrained-ncf-ml-1m"), ("fm-ncf-ml-1m",)),
        *against(("mf-ncf-ml-1m",), ("neumf-pretrained-ncf-ml-1m",)),
    ),
    bars=(
        Bar(
            "NeuMF at least .70/.42, goal .726/.445",
            ("neumf-ncf-ml-1m", "neumf-pretrained-ncf-ml-1m"),
            {"HR@10": 0.70, "NDCG@10": 0.42},
            {"HR@10": 0.726, "NDCG@10": 0.445},
        ),
        Bar(
            "the best model that sees no order at least .725/.450, goal .735/.455",
            ("mf-ncf-ml-1m", "ials-ncf-ml-1m", "ease-ncf-ml-1m", "neumf-ncf-ml-1m", "neumf-pretrained-ncf-ml-1m"),
            {"HR@10": 0.725, "NDCG@10": 0.450},
            {"HR@10": 0.735, "NDCG@10": 0.455},
        ),
        Bar(
            "the best sequence model at least .82/.59",
            ("lstm-ncf-ml-1m",),
            {"HR@10": 0.82, "NDCG@10": 0.59},
        ),
    ),
)

_ML_1M = Question(
    name="ml-1m",
    source=Log("ratings.parquet", items="movies.parquet", users="users.parquet"),
    protocol="ratings, 5 folds given in the file, squared error of each test rating",
    rows=(Row("fm-ml-1m-ratings"), Row("fm-side-ml-1m-ratings")),
    metrics=("RMSE", "MAE", "MSE"),
    vary="split.fold",
    over=(1, 2, 3, 4, 5),
    pairs=(Pair("fm-ml-1m-ratings", "fm-side-ml-1m-ratings"),),
    bars=(
        Bar("FM with ids only: RMSE at most .873", ("fm-ml-1m-ratings",), {"RMSE": 0.873}),
        Bar("FM with side features and implicit feedback: RMSE at most .862", ("fm-side-ml-1m-ratings",), {"RMSE": 0.862}),
    ),
)

_FRAPPE_LEARNED = ("mf-frappe", "fm-frappe-without-context", "fm-frappe")
_FRAPPE = Question(
    name="frappe",
    source=Log("train.csv", test="test.csv"),
    protocol="the publisher's test, one app a user in its context, full ranking, apps used before compete",
    rows=(
        *plain("popularity", ask=("split.kind=files", "split.repeats=true", "evaluate.filter_seen=false")),
        *(Row(name) for name in _FRAPPE_LEARNED),
    ),
    pairs=against(("fm-frappe",), ("popularity", "mf-frappe", "fm-frappe-without-context")),
    bars=(
        Bar(
            "FM with context ahead of MF and popularity",
            ("fm-frappe",),
            ahead_of=("popularity", "mf-frappe", "fm-frappe-without-context"),
        ),
    ),
)

_SASREC = Question(
    name="sasrec-ml-1m",
    source=Log("sequences.parquet"),
    protocol="leave-one-out, full ranking, seen items removed",
    rows=(
        *plain("popularity", "item-knn", ask=("split.kind=leave-one-out",)),
        Row("ials-sasrec-ml-1m"),
        Row("ease-sasrec-ml-1m", draws=False),
        Row("lstm-sasrec-ml-1m"),
        Row("sasrec-sasrec-ml-1m"),
    ),
    pairs=against(("sasrec-sasrec-ml-1m",), ("lstm-sasrec-ml-1m",)),
    bars=(
        Bar("LSTM at least .265/.15", ("lstm-sasrec-ml-1m",), {"HR@10": 0.265, "NDCG@10": 0.15}),
        Bar("SASRec on CPU, length 50, at least .28/.16", ("sasrec-sasrec-ml-1m",), {"HR@10": 0.28, "NDCG@10": 0.16}),
        Bar("GPU tier: LSTM at least .281/.165", ("lstm (GPU tier)",), {"HR@10": 0.281, "NDCG@10": 0.165}, gpu=True),
        Bar(
            "GPU tier: SASRec, length 200, at least .315/.182",
            ("sasrec (GPU tier)",),
            {"HR@10": 0.315, "NDCG@10": 0.182},
            gpu=True,
        ),
        Bar(
            "GPU tier: our best at least .320/.186, goal .330/.190",
            ("ligr (GPU tier)",),
            {"HR@10": 0.320, "NDCG@10": 0.186},
            {"HR@10": 0.330, "NDCG@10": 0.190},
            gpu=True,
        ),
    ),
)

_BEAUTY_BEST = ("sasrec-amazon-beauty-5core", "two-tower-amazon-beauty-5core")
_BEAUTY = Question(
    name="amazon-beauty-5core",
    source=Log("sequences.parquet", items="items.parquet"),
    protocol="leave-one-out, full ranking, seen items removed",
    rows=(
        *plain("popularity", "item-knn", ask=("split.kind=leave-one-out", "evaluate.k=[10, 100]")),
        Row("ials-amazon-beauty-5core"),
        Row("ease-amazon-beauty-5core", draws=False),
        *(Row(name) for name in _BEAUTY_BEST),
        Row("two-tower-amazon-beauty-5core", name="two-tower-cold-items", set=("split.cold_items=0.1",), slices=("items: ",)),
    ),
    metrics=("HR@10", "NDCG@10", "Recall@100"),
    pairs=(
        *against(("two-tower-amazon-beauty-5core",), ("ials-amazon-beauty-5core",)),
        *against(_BEAUTY_BEST[1:], _BEAUTY_BEST[:1]),
    ),
    bars=(
        Bar("SASRec at least .092/.053", ("sasrec-amazon-beauty-5core",), {"HR@10": 0.092, "NDCG@10": 0.053}),
        Bar("our best at least .097/.056", _BEAUTY_BEST, {"HR@10": 0.097, "NDCG@10": 0.056}),
        Bar(
            "two-tower Recall@100 at least iALS's",
            ("two-tower-amazon-beauty-5core",),
            level_with=("Recall@100", "ials-amazon-beauty-5core"),
        ),
        Bar(
            "items without training events clearly above chance: HR@10 at least ten times 10 / 12,101",
            ("two-tower-cold-items",),
            {"HR@10": 0.0083},
            part="items: new (no training events)",
        ),
    ),
)

# A shopper has several right answers there, and a list that finds one of many is as good as any by HR: NDCG decides.
_SHOP_METRICS = ("NDCG@10", "HR@10", "Recall@10")

_RETAIL_ASK = (
    'split.target_events=["purchase"]',
    "split.repeats=true",
    "evaluate.filter_seen=false",
    "evaluate.fallback_days=14",
)
_RETAIL_SLICES = ("pairs: ", "users: new")
_RETAIL_BASELINES = ("popularity-recent", "item-knn", "ease-online-retail")
_RETAIL_LEARNED = (
    "ials-online-retail",
    "ncf",
    "fm",
    "two-tower-online-retail",
    "lstm-online-retail",
    "two-stage-online-retail",
)
_RETAIL_TWO_STAGES = ("two-stage-online-retail", "ials-online-retail")
_RETAIL_SINGLE = ("ials-online-retail", "recently-viewed-online-retail", *_RETAIL_BASELINES)
_RETAIL = Question(
    name="online-retail",
    source=Log("online_retail.parquet"),
    protocol="global time split, purchases as target, full ranking, repeat purchases are asked too",
    metrics=_SHOP_METRICS,
    rows=(
        *plain("popularity-recent", "item-knn", ask=_RETAIL_ASK, slices=_RETAIL_SLICES),
        Row("recently-viewed-online-retail", draws=False, slices=_RETAIL_SLICES),
        Row("ease-online-retail", draws=False, slices=_RETAIL_SLICES),
        *(
            Row(name, set=() if "-" in name else _RETAIL_ASK, slices=_RETAIL_SLICES, latency=name in _RETAIL_TWO_STAGES)
            for name in _RETAIL_LEARNED
        ),
    ),
    pairs=(
        *against(_RETAIL_LEARNED, _RETAIL_BASELINES),
        *against(("two-stage-online-retail",), ("ials-online-retail", "recently-viewed-online-retail")),
    ),
    bars=(
        Bar("the best of ours ahead of recent popularity, item-kNN and EASE", _RETAIL_LEARNED, ahead_of=_RETAIL_BASELINES),
        Bar("two stages together beat the best single model", ("two-stage-online-retail",), ahead_of=_RETAIL_SINGLE),
    ),
)

_EVENTS_ASK = (
    'split.positive_events=["view", "cart", "purchase"]',
    'split.target_events=["view"]',
    "split.ask=next-in-session",
    "evaluate.k=[10, 20]",
    "evaluate.lists=false",
)
_EVENTS_BASELINES = ("vs-knn-retailrocket-events", "recently-viewed-retailrocket-events")
_EVENTS_LEARNED = ("lstm-retailrocket-events",)
_EVENTS = Question(
    name="retailrocket-events",
    source=Log("events.parquet"),
    protocol="global time split, next viewed item in the session, full ranking",
    rows=(
        *plain("popularity", "item-knn", ask=_EVENTS_ASK),
        *(Row(name, draws=False) for name in _EVENTS_BASELINES),
        *(Row(name) for name in _EVENTS_LEARNED),
    ),
    pairs=against(_EVENTS_LEARNED, _EVENTS_BASELINES),
    bars=(Bar("LSTM or SASRec against session-kNN and recently viewed", _EVENTS_LEARNED, ahead_of=_EVENTS_BASELINES),),
)

_ALL_BEHAVIOURS = tuple(f"{model}-retailrocket-multibehaviour" for model in ("ials", "ease"))
_PURCHASES_ONLY = tuple(f"{model}-purchases-only" for model in ("ials", "ease"))
_BEHAVIOURS_ASK = (
    "split.kind=files",
    'split.positive_events=["view", "cart", "purchase"]',
    'split.target_events=["purchase"]',
    'split.seen_events=["view", "cart", "purchase"]',
    "split.hide_answers=true",
)
_BEHAVIOURS = Question(
    name="retailrocket-multibehaviour",
    source=Log("train_events.parquet", test="test_buy.parquet"),
    protocol="the publisher's test purchases, one a user, full ranking, items met in any behaviour removed",
    rows=(
        *plain("popularity", "item-knn", ask=_BEHAVIOURS_ASK),
        *(Row(name, draws="ease" not in name) for name in _ALL_BEHAVIOURS),
        *(
            Row(recipe, name=name, set=('split.positive_events=["purchase"]',), draws="ease" not in name)
            for recipe, name in zip(_ALL_BEHAVIOURS, _PURCHASES_ONLY, strict=True)
        ),
    ),
    pairs=against(_ALL_BEHAVIOURS, _PURCHASES_ONLY),
    bars=(
        Bar(
            "the gain of using views and carts over purchases alone is positive",
            _ALL_BEHAVIOURS,
            ahead_of=_PURCHASES_ONLY,
        ),
    ),
)

# As two-stage.toml asks: which items will be bought, among those that were not bought yet, from all that was done before.
_SHOP_ASK = ('split.target_events=["purchase"]', 'split.seen_events=["purchase"]')
_SHOP_COUNTED = ("popularity", "popularity-recent", "item-knn", "recently-viewed", "ease")
_SHOP_TRAINED = ("ials", "fm", "ncf", "two-tower", "lstm", "sasrec")
_SHOP_SINGLE = (*_SHOP_COUNTED, *_SHOP_TRAINED)
_SHOP = Question(
    name="simulated-shop",
    source=ShopConfig(users=10_000, items=2_000, events=300_000, seed=1),
    protocol="SIMULATED log (the shop of `make demo`), global time split, purchases as target, full ranking, new pairs only",
    metrics=_SHOP_METRICS,
    rows=(
        *plain(*_SHOP_COUNTED, ask=_SHOP_ASK, latency=True),
        *(Row(name, set=_SHOP_ASK, latency=True) for name in _SHOP_TRAINED),
        Row("two-stage", set=_SHOP_ASK, latency=True),
    ),
    pairs=against(("two-stage",), _SHOP_SINGLE),
    bars=(Bar("two stages together beat the best single model", ("two-stage",), ahead_of=_SHOP_SINGLE),),
)

QUESTIONS: dict[str, Question] = {
    question.name: question for question in (_NCF, _ML_1M, _FRAPPE, _SASREC, _BEAUTY, _RETAIL, _EVENTS, _BEHAVIOURS, _SHOP)
}
