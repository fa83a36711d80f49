"""Published figures to stand beside ours. Marks: V = read in the named source, M = from memory of the paper: check it first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes:
        method: as its authors call it.
        metrics: name -> value.
        source: where it stands.
        mark: "V" read there, "M" from memory.
    """

    method: str
    metrics: dict[str, float]
    source: str
    mark: str


def _ranked(method: str, hit_rate: float, ndcg: float, source: str, mark: str = "V") -> Published:
    return Published(method, {"HR@10": hit_rate, "NDCG@10": ndcg}, source, mark)


_DACREMA, _HE = "Dacrema et al. 2019", "He et al. 2017"
_DROSS, _ESASREC, _HSTU = "Turning Dross 2023", "eSASRec repository", "HSTU README"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "ncf-ml-1m": (
        _ranked("popularity", 0.453, 0.254, _DACREMA),
        _ranked("item-kNN", 0.660, 0.390, _DACREMA),
        _ranked("PureSVD", 0.690, 0.429, _DACREMA),
        _ranked("NeuMF, epochs chosen on validation", 0.673, 0.401, _DACREMA),
        _ranked("NeuMF, 8 factors, scratch", 0.688, 0.410, _HE, "M"),
        _ranked("NeuMF, 32 factors, scratch", 0.701, 0.425, _HE),
        _ranked("NeuMF, 32 factors, pretrained", 0.726, 0.445, _HE),
        _ranked("NeuMF, 64 factors, pretrained", 0.730, 0.447, _HE, "M"),
        _ranked("iALS", 0.711, 0.438, "Rendle et al. 2020", "M"),
        _ranked("MF (dot product), well tuned", 0.729, 0.452, "Rendle et al. 2020", "M"),
    ),
    "ml-1m": (
        Published("SVD (what an FM with ids only is)", {"RMSE": 0.873}, "Surprise", "V"),
        Published("SVD++", {"RMSE": 0.862}, "Surprise", "V"),
    ),
    "sasrec-ml-1m": (
        _ranked("SASRec, BCE, 1 negative, length 200", 0.2500, 0.1341, _DROSS),
        _ranked("GRU4Rec, full cross-entropy", 0.2811, 0.1648, _HSTU),
        _ranked("BERT4Rec", 0.2843, 0.1537, _DROSS),
        _ranked("gSASRec", 0.3003, 0.1726, "gSASRec repository"),
        _ranked("SASRec, softmax", 0.3058, 0.1779, "RecTools"),
        _ranked("HSTU (its own preprocessing)", 0.3097, 0.1720, _HSTU),
        _ranked("SASRec+, full cross-entropy", 0.3152, 0.1821, _DROSS),
        _ranked("SASRec+, 3000 negatives", 0.3159, 0.1857, _DROSS),
        _ranked("HSTU-large (its own preprocessing)", 0.3294, 0.1893, _HSTU),
    ),
    "amazon-beauty-5core": (
        _ranked("SASRec as usually reported", 0.0605, 0.0318, "S3-Rec"),
        _ranked("TIGER", 0.0648, 0.0384, "TIGER"),
        _ranked("HSTU, recalculated", 0.0788, 0.0439, _ESASREC),
        _ranked("SASRec + sampled softmax", 0.0921, 0.0531, _ESASREC),
        _ranked("eSASRec", 0.0928, 0.0523, _ESASREC),
    ),
}
