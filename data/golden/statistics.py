"""Golden numbers for lib/statistics, by scipy (requirements/bench.txt)."""

import numpy as np
import scipy
from scipy import stats
from scipy.special import ndtri
from scipy.stats._resampling import _bca_interval, _percentile_of_score

import texts


def mean(sample, axis=-1):
    return np.mean(sample, axis=axis)


def mcnemar(wins, losses):
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def flipped(differences):
    """All sign flips, by scipy."""
    test = stats.permutation_test(
        (differences,), mean, permutation_type="samples", n_resamples=np.inf, vectorized=True, batch=1 << 14
    )
    return float(test.pvalue)


def flipped_by_integers(differences):
    """All sign flips of whole numbers, counted by Python's integers where they are too many for scipy."""
    counts = {0: 1}
    for size in map(abs, differences):
        following = {}
        for total, count in counts.items():
            for moved in (total + size, total - size):
                following[moved] = following.get(moved, 0) + count
        counts = following
    observed = abs(sum(differences))
    return sum(count for total, count in counts.items() if abs(total) >= observed) / 2 ** len(differences)


def sign_flips(rng):
    rows = [
        [0.5, 0.5],
        [0.5, -0.5],
        [0.25, -0.5, 0.75],
        [0, 0, 0.5],
        [0.125] * 10,
        [0, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
    ]
    for n in [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] * 3:
        rows.append(np.clip(rng.normal(0.15, 0.3, n), -1, 1).tolist())
        rows.append((rng.integers(-3, 5, n) / 4).tolist())
        rows.append(np.round(rng.beta(0.3, 1, n) - rng.beta(0.3, 1.5, n), 12).tolist())
    return [[row, flipped(np.array(row))] for row in rows if any(row)]


def lattices(rng):
    """Whole numbers and what they are divided by."""
    rows = []
    for n, most, parts in [
        (20, 1, 1),
        (50, 1, 1),
        (150, 1, 1),
        (150, 4, 4),
        (200, 10, 10),
        (60, 100, 100),
        (400, 2, 2),
        (35, 20, 20),
    ] * 3:
        row = np.clip(
            rng.integers(-most, most + 1, n) + rng.integers(0, 2, n) * rng.integers(0, 2), -most, most
        ).tolist()
        rows.append([row, parts, flipped_by_integers(row)])
    return rows


def drawn(rng):
    """Too many to count: scipy draws 200,000."""
    rows = []
    for n, shift in [(40, 0.1), (60, 0.05), (100, 0.02), (150, 0.03), (300, 0.0)]:
        row = np.clip(rng.normal(shift, 0.25, n), -1, 1)
        test = stats.permutation_test(
            (row,),
            mean,
            permutation_type="samples",
            n_resamples=199_999,
            vectorized=True,
            batch=2000,
            rng=rng,
        )
        rows.append([row.tolist(), float(test.pvalue)])
    return rows


def samples(rng):
    """Of multiples of 1/1024, whose sums are exact: scipy compares means without tolerance for their rounding."""
    for n in [2, 3, 4, 5, 8, 13, 20, 40]:
        yield np.round(1024 * rng.normal(0.1, 0.3, n)) / 1024
        yield np.round(1024 * rng.beta(0.3, 2, n)) / 1024
        yield np.append(rng.integers(-4, 5, n - 1) / 4, 0.5)
        yield np.append(np.zeros(n - 1), 1.0)


def resampled(rng):
    """Given resamples: both intervals, z0 and acceleration."""
    rows = []
    for sample in samples(rng):
        result = stats.bootstrap((sample,), mean, n_resamples=199, method="percentile", rng=rng)
        distribution = result.bootstrap_distribution
        bca = stats.bootstrap(
            (sample,), mean, n_resamples=0, bootstrap_result=result, method="BCa"
        ).confidence_interval
        z0 = ndtri(_percentile_of_score(distribution, np.asarray(mean(sample))[..., None], axis=-1))
        acceleration = _bca_interval((sample[None, :],), mean, -1, 0.025, distribution[None, :], None)[2][0]
        rows.append(
            [
                sample.tolist(),
                distribution.tolist(),
                list(result.confidence_interval),
                list(bca),
                float(z0),
                float(acceleration),
            ]
        )
    return rows


def intervals(rng):
    """Of 200,000 resamples of scipy's own."""
    rows = []
    for sample in [
        rng.normal(0.1, 0.3, 12),
        rng.beta(0.3, 2, 30),
        rng.integers(-1, 2, 60) * 1.0,
        rng.integers(0, 11, 100) / 10,
        rng.beta(0.5, 0.5, 500),
    ]:
        both = [
            stats.bootstrap(
                (sample,), mean, n_resamples=200_000, method=method, batch=2000, rng=rng
            ).confidence_interval
            for method in ("percentile", "BCa")
        ]
        rows.append([sample.tolist(), *map(list, both)])
    return rows


def few(rng):
    """Before, after and Student's interval of the mean difference, within [-1, 1]."""
    rows = []
    for n in [2, 3, 4, 5, 6, 7, 8, 9]:
        before, after = rng.integers(0, 5, n) / 4, rng.random(n)
        interval = stats.ttest_1samp(after - before, 0).confidence_interval(0.95)
        rows.append([before.tolist(), after.tolist(), np.clip(interval, -1, 1).tolist()])
    return rows


rng = np.random.default_rng(18)
counts = [(wins, losses) for wins in range(15) for losses in range(15)]
counts += [
    (40, 20),
    (60, 40),
    (500, 450),
    (600, 450),
    (3, 997),
    (0, 1000),
    (1000, 1100),
    (12000, 11800),
    (50000, 50500),
    (900, 1200),
]
points = [-37.5, -20, -8, -5, -3.01, -3, -2.99, -1, -0.1, 0, 1e-9, 0.5, 1.96, 2.99, 3, 3.5, 6, 8]
shares = [1e-300, 1e-20, 1e-9, 1e-5, 0.001, 0.025, 0.1, 0.31, 0.5, 0.6, 0.9, 0.975, 0.999, 1 - 1e-9]
wilsons = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (50, 100), (1, 1000), (999, 1000), (77, 150)]
texts.write(
    "statistics",
    "scipy",
    scipy.__version__,
    {
        "mcnemar": [[*pair, mcnemar(*pair)] for pair in counts],
        "signFlips": sign_flips(rng),
        "lattices": lattices(rng),
        "drawn": drawn(rng),
        "resampled": resampled(rng),
        "intervals": intervals(rng),
        "few": few(rng),
        "normal": [[x, float(stats.norm.cdf(x))] for x in points],
        "quantiles": [[p, float(stats.norm.ppf(p))] for p in shares],
        "student": [
            [p, df, float(stats.t.ppf(p, df))]
            for p in (0.6, 0.95, 0.975, 0.9995)
            for df in (1, 2, 3, 4, 5, 9, 10, 29, 149, 1000, 9999)
        ],
        "wilson": [[*pair, list(stats.binomtest(*pair).proportion_ci(method="wilson"))] for pair in wilsons],
    },
    numpy=np.__version__,
)
