"""Settings have one spelling exactly where they compute the same steps: keys stand on that.

Three steps in float64 are the judge, on a model that looks words up in a tied matrix and on one that sees
pixels, both with BatchNorm. `COINCIDENCES` lists what these two models do not tell apart, and others do.
"""

import dataclasses
import json
import random
from functools import cache

import pytest
import torch
from torch import nn

import dropattack

SPACE = {
    "targets": ["input", "hidden", "norm", "input+hidden", "hidden+norm", "input+hidden+norm"],
    "epsilon": [0.0, 0.3, 0.6],
    "p": [0.0, 0.5, 1.0],
    "k": [1, 2],
    "control": ["none", "eps-zero", "p-one", "p-one-norm", "random-direction", "equal-passes"],
    "norm": ["tensor", "sample", "row", "joint"],
    "step_mode": ["recompute", "accumulate"],
    "direction": ["running-sum", "last"],
    "clean_weight": [0.0, 1.0],
    "combine": ["sum", "mean"],
    "grouping": ["input+hidden", "per-target", "joint"],
    "mask": ["element", "row", "tensor"],
    "rescale": [False, True],
    "text_input": ["matrix", "tokens"],
    "input_ratio": [0.0, 0.5, 1.0],
    "epsilon_scale": ["absolute", "relative"],
    "batch_norm": ["frozen", "updated"],
}


WORD_NAMES = {"input": "embed.weight", "hidden": "mix.weight", "norm": "norm.weight"}
PIXEL_NAMES = {"hidden": "conv.weight", "norm": "norm.weight"}


class Words(nn.Module):
    names = WORD_NAMES

    def __init__(self):
        super().__init__()
        self.embed, self.mix = nn.Embedding(9, 3), nn.Linear(3, 3)
        self.norm, self.out = nn.BatchNorm1d(3), nn.Linear(3, 9, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        return self.out(self.norm(torch.tanh(self.mix(self.embed(tokens).mean(1)))))

    def batches(self):
        return [(torch.randint(9, (4, 5)), torch.randint(9, (4,))) for _ in range(3)]


class Pixels(nn.Module):
    names = PIXEL_NAMES

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Linear(8, 3)

    def forward(self, images):
        return self.out(torch.tanh(self.norm(self.conv(images))).flatten(1))

    def batches(self):
        return [(torch.rand(4, 1, 3, 3, dtype=torch.float64), torch.randint(3, (4,))) for _ in range(3)]


def spelling(kind, name, settings):
    """The canonical method and its stated settings, as a key holds them."""
    found, canonical = dropattack.method_named(name).canonical(settings, "input" in kind.names)
    assert type(canonical) is dropattack.method_named(found).settings_type
    return json.dumps([found, canonical.stated()], sort_keys=True)


@cache
def trained(kind, name, settings):
    """Everything that three steps leave behind in a model: parameters and running statistics."""
    torch.manual_seed(0)
    model = kind().double()
    task = dropattack.Task(names=kind.names, generator=torch.Generator().manual_seed(5))
    method = dropattack.method_named(name)(settings, task)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
    for batch in model.batches():
        for _ in range(int(settings.rounds_at(1))):
            method.step(model, batch, optimizer)
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def same_steps(kind, one, other):
    left, right = trained(kind, *one), trained(kind, *other)
    return torch.allclose(left, right, rtol=0, atol=1e-12)


def of(name, **values):
    return name, dropattack.method_named(name).settings_type(**values)


def coincidence(kind, name, settings):
    """What these two models make of settings; it is the same for some whose spelling differs.

    - They have no dropout of their own, so that passes without a perturbation repeat each other: K does not
      count then, nor how often a gradient is repeated where the mean is taken.
    - A parameter of one dimension has no rows.
    """
    name, settings = dropattack.method_named(name).canonical(settings, "input" in kind.names)
    if name == "standard":
        return ("gradient", 1.0, 0) if settings.rounds == 1 else ("rounds", settings.rounds)
    if name == "dropattack" and settings.epsilon == 0:
        count = len(settings.groups)
        total = 1.0 if settings.combine == "mean" else settings.clean_weight + count
        return "gradient", total, settings.k * count * (settings.batch_norm == "updated")
    if name == "dropattack" and settings.targets == "norm":
        rows = {"norm": "tensor"} | ({"mask": "element"} if settings.mask == "row" else {})
        return spelling(kind, name, dataclasses.replace(settings, **rows))
    return spelling(kind, name, settings)


def drawn(generator):
    """DropAttack's settings and a pair that differs from them in one or two, extremes included."""
    values = {name: generator.choice(choices) for name, choices in SPACE.items()}
    if generator.random() < 0.5:
        values["control"] = "none"
    other = dict(values)
    for name in generator.sample(list(SPACE), generator.choice([1, 2])):
        other[name] = generator.choice([value for value in SPACE[name] if value != values[name]])
    for each in (values, other):
        if each["mask"] == "tensor" and each["p"] == 0.5:  # three draws may all be alike by chance
            each["mask"] = "row"
    return of("dropattack", **values), of("dropattack", **other)


@pytest.mark.parametrize("kind", [Words, Pixels])
def test_pairs_have_one_spelling_exactly_where_they_train_alike(kind):
    generator, counts = random.Random(kind.__name__), {True: 0, False: 0}
    while min(counts.values()) < 110:
        one, other = drawn(generator)
        alike, trains_alike = spelling(kind, *one) == spelling(kind, *other), same_steps(kind, one, other)
        counts[alike] += 1
        if alike != trains_alike:
            assert not alike, f"{one} and {other} have one spelling and train differently"
            assert coincidence(kind, *one) == coincidence(kind, *other), f"{one} and {other} train alike"


SAME = {
    "p = 0": [of("dropattack", p=0, epsilon=2, k=3), of("standard")],
    "equal passes": [
        of("dropattack", control="equal-passes", epsilon=9, targets="input+hidden"),
        of("standard", rounds=3),
    ],
    "no dropout": [of("dropout", rate=0), of("standard")],
    "no divergence": [of("trades", kl_weight=0, k=1), of("vat", kl_weight=0), of("standard")],
    "no momentum ahead": [of("msam", rho=0, mu=0.5), of("standard")],
    "no noise": [of("rwp", sigma=0), of("standard")],
    "one pass": [of("freelb", k=1, magnitude=0, step_size=3), of("standard"), of("freelb", k=1, magnitude=0)],
    "one noisy pass": [of("freelb", k=1, step_size=3, max_norm=0.1), of("freelb", k=1)],
    "no replay": [of("freeat", m=1, epsilon=0), of("freeat", m=1, step_size=0), of("standard")],
    "one replay": [of("freeat", m=1, dropout="same"), of("freeat", m=1)],
    "replays": [of("freeat", m=2, epsilon=0), of("freeat", m=2, step_size=0, epsilon=0.3)],
    "no terms": [of("dropen", cosine=0, smoothness=0, k=2), of("standard")],
    "smoothness alone": [
        of("dropen", cosine=0, memory=3, k=0),
        of("dropen", cosine=0, compare="masks", k=0, epsilon=0.3, final_epsilon=0.9),
    ],
    "sharpness of no size": [of("sam", rho=0), of("asam", rho=0, eta=0.5), of("esam-swp", rho=0, beta=0.3)],
    "awp of no size": [of("awp", k=0, gamma=0), of("sam", rho=0)],
    "awp of weights": [of("awp", k=0, gamma=0.1, epsilon=0.5), of("awp", k=0, gamma=0.1, alpha=0.5)],
    "a mask of ones": [of("esam-swp", beta=1, rho=0.1), of("sam", rho=0.1)],
    "a mask of ones in every second step": [
        of("esam-swp", beta=1, rho=0.1, interval=2),
        of("sam", rho=0.1, interval=2),
    ],
    "still biases": [of("apb", eta=0, direction="ascend"), of("apb", eta=0, h=2)],
    "one L2 step": [
        of("pgd", k=1, alpha=0.2, epsilon=0.5),
        of("pgd", k=1, alpha=0.7, epsilon=0.2),
        of("fgm", epsilon=0.2),
        of("dropattack", epsilon=0.2, p=1, norm="sample", k=1),
    ],
    "one attacked pass alone": [
        of("fgm", epsilon=0.2, clean=False),
        of("dropattack", epsilon=0.2, p=1, norm="sample", clean_weight=0, combine="mean"),
    ],
    "one sign step": [of("pgd", k=1, norm="linf", alpha=0.1, epsilon=0.3), of("fgsm", epsilon=0.1)],
    "nothing but a second pass": [
        of("fgsm", epsilon=0),
        of("fgm", epsilon=0),
        of("pgd", epsilon=0, k=1),
        of("dropattack", epsilon=0, targets="hidden"),
        of("dropattack", control="eps-zero", p=0.3),
    ],
    "a start without room": [
        of("pgd", epsilon=0, k=2),
        of("pgd", epsilon=0, k=1, random_start=True),
        of("pgd", epsilon=0, k=1, random_start=True, norm="linf", alpha=0.1),
    ],
    "a start without room, on the attacked batch alone": [
        of("pgd", epsilon=0, k=2, clean=False),
        of("pgd", epsilon=0, k=2, clean=False, random_start=True),
    ],
    "one step from a random start": [
        of("fgsm-rs", epsilon=0.2, step=0.5),
        of("pgd", epsilon=0.2, alpha=0.1, k=1, norm="linf", random_start=True, clean=False),
    ],
    "a sign step without noise": [
        of("n-fgsm", epsilon=0.1, noise=0, step=2),
        of("fgsm", epsilon=0.2, clean=False),
    ],
    "a divergence without room": [
        of("trades", epsilon=0, k=2),
        of("trades", epsilon=0, k=2, alpha=0.3, norm="l2", noise="uniform"),
    ],
    "a smoothness without size": [of("vat", epsilon=0), of("vat", epsilon=0, xi=0.7, text_input="tokens")],
    "no room": [of("pgd", epsilon=0, alpha=0.2), of("pgd", alpha=0, norm="linf")],
    "an input that stays": [of("awp", k=2, epsilon=0), of("awp", k=2, alpha=0)],
    "rescaled": [of("dropattack", epsilon=0.5, p=0.5, rescale=True), of("dropattack", epsilon=1, p=0.5)],
    "p-one": [of("dropattack", control="p-one", epsilon=3, p=0.1), of("dropattack", epsilon=0.3, p=1)],
    "p-one-norm": [
        of("dropattack", control="p-one-norm", epsilon=3, p=0.09),
        of("dropattack", epsilon=0.9, p=1),
        of("dropattack", control="p-one-norm", epsilon=0.27, p=0.09, rescale=True),
    ],
    "p-one-norm of no short decimal": [
        of("dropattack", control="p-one-norm", epsilon=2, p=0.5),
        of("dropattack", epsilon=1.4142135623731, p=1, rescale=True),
        of("dropattack", control="p-one-norm", epsilon=1, p=0.5, rescale=True),
        of("dropattack", control="p-one-norm", epsilon=4, p=0.125),
        of("dropattack", control="p-one", epsilon=14.142135623731, p=0.1),
    ],
    "tokens of no size": [
        of("dropattack", targets="input+hidden", p=1, input_ratio=0, text_input="tokens"),
        of("dropattack", targets="input+hidden", p=1, input_ratio=0),
    ],
    "an input of no size": [
        of("dropattack", targets="input+hidden", p=1, input_ratio=0, grouping="joint"),
        of("dropattack", targets="hidden", p=1),
    ],
    "size of the input": [
        of("dropattack", targets="input", epsilon=3, input_ratio=0.1),
        of("dropattack", targets="input", epsilon=0.3),
    ],
}


@pytest.mark.parametrize("family", SAME)
@pytest.mark.parametrize("kind", [Words, Pixels])
def test_families_that_train_alike_have_one_spelling(kind, family):
    first, *others = SAME[family]
    for other in others:
        assert spelling(kind, *first) == spelling(kind, *other)
        assert same_steps(kind, first, other), f"{first} and {other}"


def test_families_do_not_run_into_one_another():
    known = {family: spelling(Words, *members[0]) for family, members in SAME.items()}
    standard = {"p = 0", "no dropout", "no noise", "one pass", "no replay", "no terms"}
    standard |= {"no divergence", "no momentum ahead"}
    assert {known[family] for family in standard} == {json.dumps(["standard", {}])}
    touched = set(known) - standard - {"awp of no size", "sharpness of no size"}
    assert len({known[family] for family in touched}) == len(touched)


def test_one_step_from_a_random_start_is_no_step_from_the_input():
    for norm, other in (("l2", of("fgm", epsilon=0.2)), ("linf", of("fgsm", epsilon=0.2))):
        start = of("pgd", k=1, alpha=0.2, epsilon=0.5, norm=norm, random_start=True)
        assert spelling(Pixels, *start) != spelling(Pixels, *other)
        assert not same_steps(Pixels, start, other)
    for name, value in (("alpha", 0.5), ("epsilon", 0.3), ("norm", "linf")):
        start = {"k": 1, "alpha": 0.0, "epsilon": 0.5, "random_start": True}
        assert spelling(Pixels, *of("pgd", **start)) != spelling(Pixels, *of("pgd", **start | {name: value}))
        assert not same_steps(Pixels, of("pgd", **start), of("pgd", **start | {name: value}))


def test_attacks_that_only_clamp_have_one_spelling():
    clamped = [of("fgsm", epsilon=0, clamp=True), of("fgm", epsilon=0, clamp=True)]
    clamped += [of("pgd", k=1, alpha=0, clamp=True), of("pgd", k=1, epsilon=0, norm="linf", clamp=True)]
    assert {spelling(Pixels, *each) for each in clamped} == {spelling(Pixels, *clamped[0])}
    assert all(same_steps(Pixels, clamped[0], each) for each in clamped)
    assert spelling(Pixels, *clamped[0]) != spelling(Pixels, *of("fgm", epsilon=0))


@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_a_spelling_is_its_own(name):
    """A canonical spelling is not spelt again."""
    settings = dropattack.method_named(name).settings_type()
    for words in (False, True):
        found, canonical = dropattack.method_named(name).canonical(settings, words)
        assert dropattack.method_named(found).canonical(canonical, words) == (found, canonical)


def test_products_are_decimals():
    assert dropattack.settings.decimal_product(0.1, 3) == 0.3
    assert spelling(Pixels, *SAME["p-one"][0]) == json.dumps(
        ["dropattack", {"epsilon": 0.3, "p": 1.0}], sort_keys=True
    )
