"""FGSM, FGM and PGD on texts: vectors of tokens, each or by sentence, and in units of their deviation."""

from itertools import pairwise

import pytest
import torch

import dropattack
from dropattack.testing.methods.models import Recurrent, make, standing
from tests.dropattack.toys import Points, Texts, close, gradient_at, method_for

EPSILON = 0.3
KINDS = [(text, over) for text in ("tokens", "normalised") for over in ("sentence", "token")]


def looked_up(model, batch):
    ids, _ = batch[0]
    return model.embed.weight.detach()[ids], (ids != 0)[..., None]


def deviations(vectors, words):
    """Of each dimension over the words of a batch, one after the other."""
    rows = torch.stack(
        [vector for text, kept in zip(vectors, words, strict=True) for vector in text[kept[:, 0]]]
    )
    return ((rows - rows.mean(0)) ** 2).mean(0).sqrt()


def length(tensor, over):
    dims = (1, 2) if over == "sentence" else (2,)
    return tensor.square().sum(dims, keepdim=True).sqrt().clamp(min=1e-300)


def along(gradient, over):
    return gradient / length(gradient, over)


@pytest.mark.parametrize("kind", [Texts, Recurrent])
@pytest.mark.parametrize(("text", "over"), KINDS)
def test_fgm_moves_words_by_epsilon(kind, text, over):
    model = make(kind)
    batch = model.batch()
    vectors, words = looked_up(model, batch)
    unit = deviations(vectors, words) if text == "normalised" else torch.ones(6, dtype=torch.float64)
    points = Points().follow(model)
    values = {"epsilon": EPSILON, "text_input": text, "norm_over": over}
    result = method_for("fgm", model, **values).step(model, batch, standing(model))
    gradient = gradient_at(model, batch, points.parameters[0])[1] * words * unit
    expected = EPSILON * unit * along(gradient, over)
    assert close(points.activations[1] - vectors, expected)
    assert result.log["skipped"] == 0
    sizes = ((points.activations[1] - vectors) / unit).norm(dim=2)
    if over == "token":
        assert torch.allclose(sizes[words[..., 0]], torch.full((int(words.sum()),), EPSILON).double())
    found = [gradient_at(model, batch, points.parameters[0], point)[0] for point in points.activations]
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, found[0][name] + found[1][name])


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(("text", "over"), KINDS)
def test_pgd_ascends_and_stays_in_its_balls(text, over, start):
    model = make(Texts)
    batch = model.batch()
    vectors, words = looked_up(model, batch)
    unit = deviations(vectors, words) if text == "normalised" else torch.ones(6, dtype=torch.float64)
    points = Points().follow(model)
    values = {"epsilon": EPSILON, "alpha": 0.2, "k": 3, "text_input": text, "norm_over": over}
    method_for("pgd", model, random_start=start, **values).step(model, batch, standing(model))
    seen = [(point - vectors) / unit for point in points.activations[start:]]
    for here, there in pairwise(seen):
        at = vectors + here * unit
        gradient = gradient_at(model, batch, points.parameters[0], at)[1] * words * unit
        moved = here + 0.2 * along(gradient, over)
        expected = moved * (EPSILON / length(moved, over)).clamp(max=1)
        assert close(there, expected)
    if start:
        assert 0 < length(seen[0], over).max() <= EPSILON
    assert all((moved * ~words == 0).all() for moved in seen)


def test_a_random_start_is_uniform_in_the_ball_of_a_sentences_words():
    """(distance / ε)^d is uniform for the d numbers of its words; padding is no dimension."""
    from scipy import stats

    model = make(Texts)
    batch = model.batch()
    vectors, words = looked_up(model, batch)
    shares = []
    for seed in range(40):
        points = Points().follow(model)
        values = {"epsilon": EPSILON, "text_input": "tokens", "random_start": True, "clean": False, "k": 1}
        method_for("pgd", model, seed=seed, **values).step(model, batch, standing(model))
        model.seen._forward_pre_hooks.clear()
        distance = (points.activations[0] - vectors).flatten(1).norm(dim=1) / EPSILON
        shares.append(distance ** (6 * words.sum((1, 2))))
    assert stats.kstest(torch.cat(shares).numpy(), "uniform").pvalue > 1e-3


def test_fgsm_moves_each_number_of_a_word():
    model = make(Texts)
    batch = model.batch()
    vectors, words = looked_up(model, batch)
    for text in ("tokens", "normalised"):
        unit = deviations(vectors, words) if text == "normalised" else torch.ones(6, dtype=torch.float64)
        points = Points().follow(model)
        method_for("fgsm", model, epsilon=EPSILON, text_input=text).step(model, batch, standing(model))
        model.seen._forward_pre_hooks.clear()
        moved = (points.activations[1] - vectors) / unit
        assert torch.allclose(moved.abs(), (EPSILON * words).expand_as(moved).double())


def test_normalised_attacks_do_not_depend_on_the_size_of_the_embeddings():
    """Twice the vectors, read at half their size, are the same model, as the normalised attack sees."""

    class Halved(Texts):
        factor = 1.0

        def forward(self, ids, lengths, shift=0.0):
            return self.fc(self.summary(self.seen(self.embed(ids) + shift) * self.factor, lengths))

    same = {}
    for text in ("tokens", "normalised"):
        losses = []
        for factor in (1.0, 0.5):
            model = make(Halved)
            model.factor = factor
            with torch.no_grad():
                model.embed.weight /= factor
            seen = []

            def loss(outputs, labels, seen=seen):
                seen.append(torch.nn.functional.cross_entropy(outputs, labels))
                return seen[-1]

            method = method_for("fgm", model, task={"loss": loss}, epsilon=EPSILON, text_input=text)
            method.step(model, model.batch(), standing(model))
            losses.append(seen[1].detach())
        same[text] = torch.allclose(*losses, rtol=1e-9)
    assert same == {"tokens": False, "normalised": True}


def spelt(name, words=True, **values):
    method = dropattack.method_named(name)
    return method.canonical(method.settings_type(**values), words)


def test_options_of_text_mean_nothing_for_images_and_for_the_matrix():
    for name in ("fgsm", "fgm", "pgd", "fgsm-rs", "n-fgsm"):
        for text in ("tokens", "normalised"):
            assert spelt(name, words=False, text_input=text) == spelt(name, words=False), name
            assert spelt(name, text_input=text, epsilon=0) == spelt(name, epsilon=0)
            assert spelt(name, text_input=text) != spelt(name), name
    for name in ("fgm", "pgd"):
        assert spelt(name, norm_over="token") == spelt(name)
        assert spelt(name, norm_over="token", text_input="tokens") != spelt(name, text_input="tokens")
    linf = {"norm": "linf", "text_input": "tokens"}
    assert spelt("pgd", norm_over="token", **linf) == spelt("pgd", **linf)


def test_a_sentence_of_tokens_is_dropattacks_with_a_norm_for_each_sample():
    values = {"epsilon": 0.5, "text_input": "tokens"}
    assert spelt("fgm", **values) == spelt("dropattack", p=1, norm="sample", **values)


def test_images_are_attacked_as_they_are():
    from tests.dropattack.toys import Images

    found = []
    for values in ({}, {"text_input": "normalised", "norm_over": "token"}):
        model = make(Images)
        method_for("fgm", model, **values).step(model, model.batch(), standing(model))
        found.append(model.fc.weight.grad)
    assert torch.equal(*found)


class Transposed(Texts):
    """Looks tokens up as [length, batch], as XLNet does."""

    def forward(self, ids, lengths, shift=0.0):
        vectors = self.embed(ids.transpose(0, 1).contiguous()).transpose(0, 1)
        return self.fc(self.summary(self.seen(vectors + shift), lengths))


ON_TOKENS = [
    ("fgm", {"text_input": "tokens"}),
    ("pgd", {"text_input": "normalised"}),
    ("freelb", {}),
    ("awp", {}),
    ("vat", {}),
    ("dropattack", {"targets": "input", "text_input": "tokens"}),
]


@pytest.mark.parametrize(("name", "values"), ON_TOKENS)
def test_a_model_that_reads_along_its_first_dimension_is_refused_in_one_line(name, values):
    model = make(Transposed)
    with pytest.raises(dropattack.UsageError, match=r"\[length, batch\]") as caught:
        method_for(name, model, **values).step(model, model.batch(), standing(model))
    assert "\n" not in str(caught.value)
    assert not model.embed._forward_hooks


def test_a_model_that_cuts_its_texts_is_not_refused():
    """What it looks up still has one row for each text."""

    class Cut(Texts):
        def forward(self, ids, lengths, shift=0.0):
            return super().forward(ids[:, :6], lengths.clamp(max=6), shift)

    model = make(Cut)
    result = method_for("fgm", model, text_input="tokens").step(model, model.batch(), standing(model))
    assert result.loss.isfinite()
